"""The journal of events: each event is claimed once, kept with what became of it, and listed newest first.

Events of one delivery are grouped by shard. A shard's transaction inserts one small claim row an event (the duplicate
check) and one *part* row with the events themselves. A part is open until its effects are done; then it is decided in
one more transaction. So an event costs little over one row in a batch, and three transactions when it comes alone.

    k:<subject>:<content>   claim: which part holds the event
    o:<time>:<part>         part not decided yet (found by the sweep)
    t:<inverted time>:<part> part that is decided (listed newest first)
"""

import asyncio
import hashlib
import uuid
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from shared.ledger.protocol import (
    AlreadyExistsError,
    Delete,
    Insert,
    NotFoundError,
    Operation,
    Row,
    Store,
    StoreError,
    Upsert,
    Value,
)
from shared.ledger.records import SCHEMA, Outcome, Taken

SHARDS: Final = 8
"""Partitions of the journal: a batch of 100 events costs at most 8 transactions to claim, and Azure serves 16,000
rows a second over them."""
_MOST_CLAIMS: Final = 99
_BY_PART: Final = 3
"""How often what is in the way is looked for by its delivery, before each event is asked for by itself."""
_CELL: Final = 60_000
_INLINE: Final = 480_000
_END: Final = 9_999_999_999_999
STALE: Final = timedelta(minutes=1)
"""A part that has been open for longer was left behind by a crash; whoever finds it decides it."""

_takens = msgspec.json.Decoder(tuple[Taken, ...])


class UndecidedError(Exception):
    """Another delivery of the event is being decided at this moment: ask again later. Nothing is lost by that."""


@dataclass(frozen=True, slots=True)
class Part:
    """Events of one delivery in one shard."""

    shard: str
    key: str
    received: datetime
    events: tuple[Taken, ...]


@dataclass(frozen=True, slots=True)
class Claimed:
    """What came of claiming: the part of the new events (None where all were known), and the known ones.

    `left` could not be claimed now, and `error` says why; what came with them and is claimed must be decided all the
    same, since nobody else will before it is stale.
    """

    part: Part | None
    duplicates: tuple[Taken, ...]
    left: tuple[Taken, ...] = ()
    error: UndecidedError | StoreError | None = None


class TooMuchError(Exception):
    """A span holds more events than can be read at once."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A part as it lies in the ledger, unread: when it was received, and its row."""

    received: datetime
    row: Row

    @property
    def count(self) -> int:
        """How many events it holds."""
        return _count(self.row)

    @property
    def inline(self) -> bool:
        """Whether its events lie in the row itself, and not in a blob."""
        return "blob" not in self.row.cells


def claim_name(subject: str, content: str) -> str:
    """Name what an event tells: 20 hex digits of its subject (one subject's are neighbours), 12 of its content."""
    return hashlib.sha256(subject.encode()).hexdigest()[:20] + hashlib.sha256(content.encode()).hexdigest()[:12]


def shard_of(claim: str) -> str:
    """Give the partition in which a claim lives; all claims of one subject share it."""
    return f"s{int(claim[:8], 16) % SHARDS:02d}"


def claim_key(claim: str) -> str:
    """Give the key of a claim's row."""
    return f"k:{claim[:20]}:{claim[20:]}"


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


class Journal:
    """Claims and keeps events. `new_name` gives unique part names (a seeded one in simulation)."""

    def __init__(self, store: Store, new_name: Callable[[], str] = lambda: uuid.uuid4().hex) -> None:
        self._table = store.table("journal")
        self._blobs = store.blobs
        self._new_name = new_name

    async def claim(self, events: Sequence[Taken], now: datetime, *, decided: bool = False) -> list[Claimed]:
        """Claim events that came together; with `decided` nothing remains to be done for them.

        Each claim may stand in `events` once. What another delivery is deciding, or storage does not answer for, is
        left.
        """
        shards: dict[str, list[Taken]] = {}
        for event in events:
            shards.setdefault(shard_of(event.claim), []).append(event)
        portions = [
            (shard, members[start : start + _MOST_CLAIMS])
            for shard, members in shards.items()
            for start in range(0, len(members), _MOST_CLAIMS)
        ]
        return list(await asyncio.gather(*(self._claim(shard, part, now, decided) for shard, part in portions)))

    async def _claim(self, shard: str, events: Sequence[Taken], now: datetime, decided: bool) -> Claimed:
        fresh = tuple(events)
        duplicates: tuple[Taken, ...] = ()
        tries = 0
        while fresh:
            try:
                part, known = await self._try(shard, fresh, now, decided=decided, alone=tries >= _BY_PART)
            except (UndecidedError, StoreError) as error:
                return Claimed(None, duplicates, fresh, error)
            if part is not None:
                return Claimed(part, duplicates)
            tries += 1
            # Where nothing is known, the row that was in the way has been dropped by retention meanwhile.
            duplicates += tuple(event for event in fresh if event.claim in known)
            fresh = tuple(event for event in fresh if event.claim not in known)
        return Claimed(None, duplicates)

    async def _try(
        self, shard: str, fresh: tuple[Taken, ...], now: datetime, *, decided: bool, alone: bool
    ) -> tuple[Part | None, set[str]]:
        """Claim all of them in one transaction; give their part or, where some are known, which.

        With `alone` each is asked for by itself. Raises UndecidedError and StoreError.
        """
        part = Part(shard, f"{_milliseconds(now):013}:{self._new_name()}", now, fresh)
        row = await self._part_row(part, fresh, decided=decided)
        claims: list[Operation] = [
            Insert(Row(shard, claim_key(event.claim), {"part": part.key, "schema": SCHEMA})) for event in fresh
        ]
        try:
            await self._table.apply([*claims, Insert(row)])
        except AlreadyExistsError as error:
            known = None if alone else await self._beside(part, error.index, now)
            if known is None:
                found = await asyncio.gather(*(self._known(shard, event, now) for event in fresh))
                known = {event.claim for event, is_known in zip(fresh, found, strict=True) if is_known}
            return (part if part.key in known else None), known
        return part, set()

    async def _beside(self, part: Part, index: int, now: datetime) -> set[str] | None:
        """Give the claims that came with the one in the way: a delivery that is repeated is so as a whole.

        Gives the part's own key where that is what is in the way: its answer was lost, and the client asked again.
        None where nothing is in the way at that place. Raises UndecidedError.
        """
        event = part.events[index] if index < len(part.events) else part.events[0]
        row = await self._table.get(part.shard, claim_key(event.claim))
        if row is None:
            return None
        key = str(row.cells["part"])
        if key == part.key:
            return {key}
        stored = await self._table.get(part.shard, _decided_key(key))
        if stored is not None:
            claims = {one.claim for one in await self._events(stored)} if len(part.events) > 1 else set()
            return {event.claim, *claims}
        await self._must_be_decided(part.shard, event.claim, key, now)
        return {event.claim}

    async def _known(self, shard: str, event: Taken, now: datetime) -> bool:
        row = await self._table.get(shard, claim_key(event.claim))
        if row is None:
            return False
        await self._must_be_decided(shard, event.claim, str(row.cells["part"]), now)
        return True

    async def _must_be_decided(self, shard: str, claim: str, key: str, now: datetime) -> None:
        if await self._table.get(shard, f"o:{key}") is not None:
            raise UndecidedError(
                f"event {claim} is being decided since {_time_of(key).isoformat()} (now {now.isoformat()})"
            )

    async def decide(self, part: Part, outcomes: Sequence[tuple[Outcome, ...]]) -> None:
        """Record what became of each event of the part, in order. Doing it again changes nothing."""
        events = tuple(
            msgspec.structs.replace(event, outcomes=result) for event, result in zip(part.events, outcomes, strict=True)
        )
        row = await self._part_row(part, events, decided=True)
        try:
            await self._table.apply([Delete(part.shard, f"o:{part.key}"), Upsert(row)])
        except NotFoundError:
            return

    async def fold(self, events: Sequence[Taken], now: datetime) -> None:
        """Record deliveries of events that were known."""
        shards: dict[str, list[Taken]] = {}
        for event in events:
            shards.setdefault(shard_of(event.claim), []).append(event)
        await asyncio.gather(*(self._fold(shard, tuple(members), now) for shard, members in shards.items()))

    async def _fold(self, shard: str, events: tuple[Taken, ...], now: datetime) -> None:
        slim = tuple(
            msgspec.structs.replace(event, event={"id": event.event.get("id", "")}, outcomes=(Outcome(what="folded"),))
            for event in events
        )
        part = Part(shard, f"{_milliseconds(now):013}:{self._new_name()}", now, slim)
        await self._table.apply([Insert(await self._part_row(part, slim, decided=True))])

    async def get(self, claim: str) -> tuple[Taken, datetime, bool] | None:
        """Give the event of a claim, when it was received, whether it is decided; None where it was never received."""
        shard = shard_of(claim)
        row = await self._table.get(shard, claim_key(claim))
        if row is None:
            return None
        key = str(row.cells["part"])
        stored = await self._table.get(shard, _decided_key(key))
        decided = stored is not None
        stored = stored or await self._table.get(shard, f"o:{key}")
        if stored is None:
            return None
        for event in await self._events(stored):
            if event.claim == claim:
                return event, _time_of(key), decided
        return None

    async def has(self, claim: str) -> bool:
        """Tell whether an event of this claim was ever received."""
        return await self._table.get(shard_of(claim), claim_key(claim)) is not None

    async def about(self, subject: str) -> list[str]:
        """Give the claims of a subject (20 hex digits of it), any order."""
        rows = await self._table.scan(shard_of(subject + "0" * 12), prefix=f"k:{subject}:", limit=1000)
        return [subject + row.key.rpartition(":")[2] for row in rows]

    async def stale(self, now: datetime, *, limit: int = 100) -> list[Part]:
        """Give parts that a crash has left open."""
        before = f"o:{_milliseconds(now - STALE):013}"
        scans = await asyncio.gather(
            *(self._table.scan(f"s{n:02d}", after="o:", before=before, limit=limit) for n in range(SHARDS))
        )
        return [
            Part(row.partition, row.key[2:], _time_of(row.key[2:]), await self._events(row))
            for rows in scans
            for row in rows
        ]

    async def newest(self, *, limit: int, before: str = "") -> tuple[list[tuple[datetime, Taken]], str]:
        """Give the newest decided events and a token to go on with ("" where there is no more).

        The token is the key of the last part read; a page may hold more than `limit` events, never half a part.
        """
        after = before or "t:"
        scans = await asyncio.gather(
            *(self._table.scan(f"s{n:02d}", after=after, before="t:~", limit=limit) for n in range(SHARDS))
        )
        rows = sorted((row for rows in scans for row in rows), key=lambda row: row.key)
        page: list[tuple[datetime, Taken]] = []
        for row in rows:
            moment = received(row.key)
            page.extend((moment, event) for event in await self._events(row))
            if len(page) >= limit:
                return page, row.key
        return page, ""

    async def span(self, since: datetime, until: datetime, *, most: int) -> list[Stored]:
        """Give what was decided from `since` to before `until`, the oldest first; `read` gives the events of each.

        Raises TooMuchError over `most` events.
        """
        after = f"t:{_END - _milliseconds(until):013}:~"
        before = f"t:{_END - _milliseconds(since):013}:~"
        shards = await asyncio.gather(*(self._span(f"s{n:02d}", after, before, most) for n in range(SHARDS)))
        found = [Stored(received(row.key), row) for rows in shards for row in rows]
        if (count := sum(one.count for one in found)) > most:
            raise TooMuchError(f"the span holds {count} events; at most {most} are read: choose a shorter one")
        return sorted(found, key=lambda one: (one.received, one.row.key))

    async def _span(self, shard: str, after: str, before: str, most: int) -> list[Row]:
        found: list[Row] = []
        count = 0
        while rows := await self._table.scan(shard, after=after, before=before, limit=1000):
            found += rows
            count += sum(_count(row) for row in rows)
            if count > most:
                raise TooMuchError(f"the span holds more than {most} events: choose a shorter one")
            after = rows[-1].key
        return found

    async def read(self, stored: Stored) -> tuple[Taken, ...]:
        """Give the events of a part."""
        return await self._events(stored.row)

    async def _part_row(self, part: Part, events: tuple[Taken, ...], *, decided: bool) -> Row:
        packed = zlib.compress(msgspec.json.encode(events), 1)
        cells: dict[str, Value] = {"schema": SCHEMA, "events": len(events)}
        if len(packed) > _INLINE:
            name = f"events/{part.key.replace(':', '-')}-{'t' if decided else 'o'}.z"
            await self._blobs.put(name, packed, content_type="application/octet-stream")
            cells["blob"] = name
        else:
            for index in range(0, len(packed), _CELL):
                cells[f"p{index // _CELL}"] = packed[index : index + _CELL]
        return Row(part.shard, _decided_key(part.key) if decided else f"o:{part.key}", cells)

    async def _events(self, row: Row) -> tuple[Taken, ...]:
        if "blob" in row.cells:
            packed = await self._blobs.get(str(row.cells["blob"]))
        else:
            pieces: list[bytes] = []
            while (piece := row.cells.get(f"p{len(pieces)}")) is not None:
                pieces.append(piece if isinstance(piece, bytes) else b"")
            packed = b"".join(pieces)
        return _takens.decode(zlib.decompress(packed))


def _count(row: Row) -> int:
    count = row.cells.get("events", 0)
    return count if isinstance(count, int) else 0


def _decided_key(key: str) -> str:
    milliseconds, _, name = key.partition(":")
    return f"t:{_END - int(milliseconds):013}:{name}"


def old_keys(before: datetime) -> tuple[str, str]:
    """Give the keys between which the rows lie of parts that were received before a time."""
    return f"t:{_END - _milliseconds(before):013}:~", "t:~"


def _time_of(key: str) -> datetime:
    return datetime.fromtimestamp(int(key.partition(":")[0]) / 1000, UTC)


def received(decided_key: str) -> datetime:
    """Give when a part was received, by the key of its row."""
    return datetime.fromtimestamp((_END - int(decided_key.split(":")[1])) / 1000, UTC)
