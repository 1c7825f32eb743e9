"""Collections in the ledger: bursts of files, gathered without a lock and frozen as one exact list.

A collection is a *head* row and, for each generation, *member* rows in shards. Members are inserted without touching
the head. Whoever closes sets the head to closing, reads the shards and freezes the list in a blob; then the next
generation begins. A writer looks at the head after its insert: if the generation is no longer open it inserts into the
next one too, which drops what an earlier frozen list holds. So a file is in exactly one frozen list.
"""

import asyncio
import contextlib
import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import msgspec

from shared.ledger.activities import MAX_DELAY
from shared.ledger.cells import pack, unpack
from shared.ledger.gathered import Gathered, Member
from shared.ledger.protocol import (
    MAX_OPERATIONS,
    AlreadyExistsError,
    ChangedError,
    Delete,
    Insert,
    NotFoundError,
    Queue,
    Replace,
    Row,
    Store,
    Value,
)
from shared.ledger.records import SCHEMA, File, FileList, Files, Head, decode, encode
from shared.ledger.unfinished import Unfinished

SHARDS: Final = 4
"""Partitions that the members of one generation are spread over."""
_LOOK_BACK: Final = 3
"""Frozen lists of that many earlier generations that held something are compared when a list is frozen."""
_LOOK_FURTHER: Final = 30
"""So many generations are gone through for them: those in which nothing was new are empty."""
_PAGE: Final = 1000
_LATELY: Final = timedelta(seconds=10)
"""For so long an open head is taken to be open still, before what is inserted by it is checked against it."""
_MOST_SEEN: Final = 1000


def collection_id(automation: str, trigger: int, key: Sequence[tuple[str, str]]) -> str:
    """Name a collection: the automation, and a digest of its trigger and the captures it gathers by."""
    text = "\x00".join([automation, str(trigger), *(f"{name}={value}" for name, value in sorted(key))])
    return f"{automation}-{hashlib.sha256(text.encode()).hexdigest()[:10]}"


class Collections:
    """The collections, and the messages that wake them."""

    def __init__(self, store: Store, work: Queue) -> None:
        self._heads = store.table("collections")
        self._members = store.table("members")
        self._blobs = store.blobs
        self._unfinished = Unfinished(store)
        self._work = work
        self._seen: dict[str, tuple[Head, str, datetime]] = {}

    async def head(self, name: str) -> tuple[Head, str] | None:
        """Give the head and its etag, or None."""
        row = await self._heads.get(name, "head")
        return (decode(Head, _text(row)), row.etag) if row else None

    async def put(
        self, name: str, member: Member, part: str, wanted: Head, now: datetime, first_look: timedelta
    ) -> int:
        """Add what one delivery (`part`) brought; give the generation it is in. Calling again changes nothing.

        `wanted` is the head to begin with where there is none; a collection that opens is woken after `first_look`.
        """
        while True:
            head, etag = self._lately(name, now) or await self.head(name) or (wanted, "")
            generation = head.generation + 1 if head.state == "closing" else head.generation
            await self._insert(name, generation, member, part)
            if head.state == "idle":
                opened = msgspec.structs.replace(
                    wanted, generation=generation, state="open", opened=now, closed=None, closed_by="", close_asked=""
                )
                if await self._open(name, opened, etag, first_look):
                    return generation
                continue
            again = await self.head(name)
            if again and _takes(again[0], generation):
                self._see(name, again, now)
                return generation
            self._seen.pop(name, None)

    def _lately(self, name: str, now: datetime) -> tuple[Head, str] | None:
        """Give the head that was open a moment ago: a guess, as whoever inserts by it looks at the head after."""
        seen = self._seen.get(name)
        return (seen[0], seen[1]) if seen and timedelta(0) <= now - seen[2] < _LATELY else None

    def _see(self, name: str, found: tuple[Head, str], now: datetime) -> None:
        if found[0].state == "open":
            if len(self._seen) >= _MOST_SEEN:
                self._seen.clear()
            self._seen[name] = (*found, now)

    async def _open(self, name: str, head: Head, etag: str, first_look: timedelta) -> bool:
        await self._unfinished.add("collection", name)
        try:
            await self._write(name, head, etag)
        except (AlreadyExistsError, ChangedError):
            return False
        await self.wake(name, head.generation, first_look)
        return True

    async def _insert(self, name: str, generation: int, member: Member, part: str) -> None:
        shard = int(hashlib.sha256(part.encode()).hexdigest()[:4], 16) % SHARDS
        cells: dict[str, Value] = {"schema": SCHEMA}
        cells |= await pack(msgspec.json.encode(member), self._blobs, f"collections/{name}", "member")
        try:
            await self._members.apply([Insert(Row(_partition(name, generation, shard), part, cells))])
        except AlreadyExistsError:
            return

    async def _write(self, name: str, head: Head, etag: str) -> None:
        row = Row(name, "head", {"schema": SCHEMA, "state": head.state, "head": encode(head)}, etag)
        await self._heads.apply([Replace(row) if etag else Insert(row)])

    async def wake(self, name: str, generation: int, delay: timedelta) -> None:
        """Have the engine look at it after a delay, if that generation is still the present one then."""
        await self._work.send(f"collection:{name}:{generation}", delay=min(delay, MAX_DELAY).total_seconds())

    async def look_soon(self, name: str, delay: timedelta) -> None:
        """Have the engine look at it once, whatever generation is the present one then; that look arms no other."""
        await self._work.send(f"collection:{name}:", delay=delay.total_seconds())

    async def gathered(self, name: str, generation: int) -> Gathered:
        """Read what a generation holds, duplicates folded."""
        shards = await asyncio.gather(*(self._shard(name, generation, n) for n in range(SHARDS)))
        return Gathered(member for members in shards for member in members)

    async def _shard(self, name: str, generation: int, shard: int) -> list[Member]:
        members: list[Member] = []
        after = ""
        while rows := await self._members.scan(_partition(name, generation, shard), after=after, limit=_PAGE):
            texts = [await unpack(row.cells, self._blobs, "member") for row in rows]
            members += [msgspec.json.decode(text, type=Member) for text in texts]
            after = rows[-1].key
            if len(rows) < _PAGE:
                break
        return members

    async def close(self, name: str, head: Head, etag: str, now: datetime, reason: str) -> tuple[Head, str]:
        """Take the present generation out of reach of writers; give the closing head. Raises ChangedError."""
        closing = msgspec.structs.replace(head, state="closing", closed=now, closed_by=reason)
        await self._write(name, closing, etag)
        return (await self.head(name)) or (closing, "")

    async def freeze(self, name: str, head: Head) -> tuple[Files, tuple[File, ...]]:
        """Write the exact list of the closing generation, once; whoever comes second reads the first one's.

        Gives what the list is, and the list itself.
        """
        blob = f"collections/{name}/{head.generation}.json"
        files = await self.fresh(name, head, await self.gathered(name, head.generation))
        try:
            await self._blobs.put(blob, encode(FileList(files=files)), absent=True)
        except AlreadyExistsError:
            files = await self.frozen(blob)
        return Files(count=len(files), size=sum(file.size for file in files), blob=blob), files

    async def fresh(self, name: str, head: Head, gathered: Gathered) -> tuple[File, ...]:
        """Give what is gathered and in no frozen list before."""
        taken: set[tuple[str, str, str, str]] = set()
        held = 0
        for earlier in range(head.generation - 1, max(0, head.generation - 1 - _LOOK_FURTHER), -1):
            files = await self.frozen(f"collections/{name}/{earlier}.json")
            taken.update((file.account, file.container, file.path, file.etag) for file in files)
            held += bool(files)
            if held == _LOOK_BACK:
                break
        if not taken:
            return gathered.files
        return tuple(f for f in gathered.files if (f.account, f.container, f.path, f.etag) not in taken)

    async def frozen(self, blob: str) -> tuple[File, ...]:
        """Read a frozen list; what does not exist is empty."""
        try:
            return decode(FileList, await self._blobs.get(blob)).files
        except NotFoundError:
            return ()

    async def note(self, name: str, generation: int, activity: str) -> None:
        """Remember which activity a generation became, so that it can be asked for later."""
        with contextlib.suppress(AlreadyExistsError):
            await self._blobs.put(_opened(name, generation), activity.encode(), absent=True, content_type="text/plain")

    async def opened(self, name: str, generation: int) -> str:
        """Give the activity that a generation became, "" while it became none."""
        try:
            return (await self._blobs.get(_opened(name, generation))).decode()
        except NotFoundError:
            return ""

    async def advance(self, name: str, head: Head, etag: str, now: datetime, first_look: timedelta) -> None:
        """Begin the next generation: idle, or open where writers have put something there meanwhile."""
        following = msgspec.structs.replace(
            head, generation=head.generation + 1, state="idle", opened=None, closed=None, closed_by="", close_asked=""
        )
        entry = await self._unfinished.get("collection", name)
        await self._write(name, following, etag)
        current = await self.head(name)
        if current and current[0] == following:
            await self.reopen(name, *current, now, first_look)
        if entry and (await self.gathered(name, following.generation)).first is None:
            await self._unfinished.remove(entry)

    async def reopen(self, name: str, head: Head, etag: str, now: datetime, first_look: timedelta) -> None:
        """Open an idle generation that holds something already: its writers saw the one before it close."""
        if (await self.gathered(name, head.generation)).first is not None:
            await self._open(name, msgspec.structs.replace(head, state="open", opened=now), etag, first_look)

    async def rest(self, name: str, head: Head, etag: str) -> None:
        """Take an idle collection that holds nothing out of the index: a crash has left it there.

        The head is written first, so that a writer who opens it at this moment enters it anew. Raises ChangedError.
        """
        entry = await self._unfinished.get("collection", name)
        if entry and (await self.gathered(name, head.generation)).first is None:
            await self._write(name, head, etag)
            await self._unfinished.remove(entry)

    async def forget(self, name: str, generation: int) -> None:
        """Drop what a generation gathered; its frozen list holds it. Doing it again changes nothing."""
        for shard in range(SHARDS):
            partition = _partition(name, generation, shard)
            while rows := await self._members.scan(partition, limit=MAX_OPERATIONS):
                for row in rows:
                    if "blob" in row.cells:
                        await self._blobs.delete(str(row.cells["blob"]))
                with contextlib.suppress(NotFoundError):
                    await self._members.apply([Delete(partition, row.key) for row in rows])

    async def rewrite(self, name: str, head: Head, etag: str) -> None:
        """Write the head over the one that was read with `etag`. Raises ChangedError."""
        await self._write(name, head, etag)


def _takes(head: Head, generation: int) -> bool:
    """Whether what was inserted into `generation` will be read: it is open, or it is the next one of a closing head."""
    if head.state == "closing":
        return generation == head.generation + 1
    return head.state == "open" and generation == head.generation


def _opened(name: str, generation: int) -> str:
    return f"collections/{name}/{generation}.activity"


def _partition(name: str, generation: int, shard: int) -> str:
    return f"{name}:{generation:06}:{shard}"


def _text(row: Row) -> bytes:
    text = row.cells["head"]
    return text if isinstance(text, bytes) else b""
