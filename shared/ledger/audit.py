"""The audit trail: a chain of hashes an hour and shard, whose heads are sealed in a container that nothing can change.

Each entry holds the hash of the one before it, so a change, a removal or an insertion breaks the chain where it was
made; a seal holds how long each chain was and its last hash, so that cutting off an end shows too. What came after the
last seal is the tail: it is named as not sealed yet.
"""

import asyncio
import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from shared.ledger.protocol import (
    AlreadyExistsError,
    Blobs,
    ChangedError,
    Insert,
    Operation,
    Replace,
    Row,
    Store,
    Upsert,
    Value,
)
from shared.ledger.records import SCHEMA

SHARDS: Final = 4
CONTAINER: Final = "hub-audit"
_HEAD: Final = "head"
_CHAINS: Final = "chains"
_TRIES: Final = 12
_PAGE: Final = 1000
_LARGEST: Final = 24_000
GENESIS: Final = "0" * 64


class Entry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One entry: who did what to what, when, and why. `hash` is over everything else, the entry before included."""

    number: int
    at: datetime
    who: str
    what: str
    subject: str
    reason: str = ""
    detail: dict[str, Any] = {}
    before: str = GENESIS
    hash: str = ""


class Seal(msgspec.Struct, frozen=True, kw_only=True):
    """How long each chain was and its last hash when it was sealed."""

    at: datetime
    chains: dict[str, tuple[int, str]]


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """Something that is wrong: which chain, which entry, what."""

    chain: str
    number: int
    problem: str


class Verified(msgspec.Struct, frozen=True, kw_only=True):
    """What verifying gave. `tail`: entries that no seal covers yet."""

    entries: int
    seals: int
    tail: int
    findings: tuple[Finding, ...]


class Audit:
    """The trail."""

    def __init__(self, store: Store) -> None:
        self._table = store.table("audit")
        self._seals: Blobs = store.container(CONTAINER)

    async def record(
        self,
        at: datetime,
        who: str,
        what: str,
        subject: str,
        reason: str = "",
        detail: Mapping[str, Any] | None = None,
        *,
        once: str = "",
    ) -> Entry:
        """Append an entry. Raises ChangedError where many write the same chain for too long.

        With `once`, a name of the fact, a second call for the same time and subject gives the entry that is there.
        """
        chain = f"{at:%Y%m%d%H}-{hashlib.sha256(subject.encode()).digest()[0] % SHARDS}"
        for tries in range(_TRIES):
            head = await self._table.get(chain, _HEAD)
            count = head.cells["count"] if head else 0
            number = (count if isinstance(count, int) else 0) + 1
            last = str(head.cells["hash"]) if head else GENESIS
            if head is None:
                await self._table.apply([Upsert(Row(_CHAINS, chain, {"schema": SCHEMA}))])
            entry = _hashed(
                Entry(
                    number=number,
                    at=at,
                    who=who,
                    what=what,
                    subject=subject,
                    reason=reason[:2000],
                    detail=_bounded(detail or {}),
                    before=last,
                )
            )
            cells: dict[str, Value] = {"schema": SCHEMA, "count": number, "hash": entry.hash}
            row = Row(chain, _HEAD, cells, head.etag if head else "")
            kept: dict[str, Value] = {"schema": SCHEMA, "entry": msgspec.json.encode(entry)}
            operations: list[Operation] = [Replace(row) if head else Insert(row)]
            operations.append(Insert(Row(chain, _key(number), kept)))
            if once:
                operations.append(Insert(Row(chain, _mark(once), {"schema": SCHEMA, "number": number})))
            try:
                await self._table.apply(operations)
            except (ChangedError, AlreadyExistsError):
                if once and (known := await self._recorded(chain, once)) is not None:
                    return known
                await asyncio.sleep(0.01 * tries)
                continue
            return entry
        raise ChangedError(f"the audit chain {chain} is being written all the time")

    async def _recorded(self, chain: str, once: str) -> Entry | None:
        mark = await self._table.get(chain, _mark(once))
        row = await self._table.get(chain, _key(int(str(mark.cells["number"])))) if mark else None
        return _entry(row) if row else None

    async def newest(self, now: datetime, *, limit: int, hours: int = 24 * 30) -> list[tuple[str, Entry]]:
        """Give the newest entries with their chains, at most `limit`, back to `hours` ago."""
        since, until = f"{now - timedelta(hours=hours):%Y%m%d%H}", f"{now:%Y%m%d%H}-~"
        chains: list[str] = []
        while rows := await self._table.scan(_CHAINS, after=chains[-1] if chains else since, before=until, limit=_PAGE):
            chains += [row.key for row in rows]
        found: list[tuple[str, Entry]] = []
        while chains and len(found) < limit:
            hour = chains[-1][:10]
            names = [name for name in chains[-SHARDS:] if name.startswith(hour)]
            del chains[-len(names) :]
            for name, entries in zip(names, await asyncio.gather(*map(self._entries, names)), strict=True):
                found += [(name, entry) for entry in entries if entry.at <= now]
        return sorted(found, key=lambda item: item[1].at, reverse=True)[:limit]

    async def _entries(self, chain: str) -> list[Entry]:
        entries: list[Entry] = []
        after = ""
        while rows := await self._table.scan(chain, prefix="e:", after=after, limit=_PAGE):
            entries += [_entry(row) for row in rows]
            after = rows[-1].key
            if len(rows) < _PAGE:
                break
        return entries

    async def seal(self, now: datetime, *, hours: int = 3) -> Seal | None:
        """Seal the heads of the last hours' chains into a blob of its own; None where there is nothing to seal."""
        names = [f"{now - timedelta(hours=hour):%Y%m%d%H}-{shard}" for hour in range(hours) for shard in range(SHARDS)]
        heads = await asyncio.gather(*(self._table.get(name, _HEAD) for name in names))
        chains = {head.partition: (int(str(head.cells["count"])), str(head.cells["hash"])) for head in heads if head}
        if not chains:
            return None
        seal = Seal(at=now, chains=chains)
        try:
            await self._seals.put(f"{now:%Y/%m/%d/%H%M%S}.json", msgspec.json.encode(seal), absent=True)
        except AlreadyExistsError:
            return None
        return seal

    async def verify(self) -> Verified:
        """Read every seal and every chain it names; say what is changed, removed, inserted or cut off, and the tail."""
        sealed: dict[str, list[tuple[int, str]]] = {}
        seals = 0
        findings: list[Finding] = []
        async for name in self._seals.names(""):
            try:
                seal = msgspec.json.decode(await self._seals.get(name), type=Seal)
            except msgspec.MsgspecError as error:
                findings.append(Finding(chain=name, number=0, problem=f"the seal cannot be read: {error}"))
                continue
            seals += 1
            for chain, ends in seal.chains.items():
                sealed.setdefault(chain, []).append(ends)
        entries = tail = 0
        for chain in sorted({*sealed, *await self._chains()}):
            found, unreadable = await self._readable(chain)
            known = sealed.get(chain, [])
            findings += [*unreadable, *check(chain, found, known, {one.number for one in unreadable})]
            longest = max((count for count, _ in known), default=0)
            if not found or found[-1].number >= longest:
                findings += await self._cut(chain, found, longest)
            entries += len(found)
            tail += max(0, len(found) - longest)
        return Verified(entries=entries, seals=seals, tail=tail, findings=tuple(findings))

    async def _readable(self, chain: str) -> tuple[list[Entry], list[Finding]]:
        entries: list[Entry] = []
        findings: list[Finding] = []
        after = "e:"
        while rows := await self._table.scan(chain, prefix="e:", after=after, limit=_PAGE):
            for row in rows:
                try:
                    entries.append(_entry(row))
                except (msgspec.MsgspecError, KeyError):
                    number = row.key.removeprefix("e:")
                    told = int(number) if number.isdigit() else 0
                    findings.append(Finding(chain=chain, number=told, problem="was changed: it cannot be read"))
            after = rows[-1].key
        return entries, findings

    async def _cut(self, chain: str, entries: Sequence[Entry], sealed: int) -> list[Finding]:
        """Compare with the chain's head, which is written with each entry: it shows what was cut off after a seal."""
        head = await self._table.get(chain, _HEAD)
        last = entries[-1].number if entries else 0
        count = int(str(head.cells["count"])) if head else 0
        if head is None and entries:
            return [Finding(chain=chain, number=last, problem="the chain's head is gone")]
        if count <= max(last, sealed):
            return []
        return [Finding(chain=chain, number=last + 1, problem=f"cut off: the chain's head says {count} entries")]

    async def _chains(self) -> list[str]:
        names: list[str] = []
        while rows := await self._table.scan(_CHAINS, after=names[-1] if names else "", limit=_PAGE):
            names += [row.key for row in rows]
        return names


def check(
    chain: str, entries: Sequence[Entry], sealed: Sequence[tuple[int, str]], unreadable: Collection[int] = ()
) -> list[Finding]:
    """Check one chain: each hash, each link, each number, and what every seal says of its length and its end then.

    Every seal counts, not the last alone: a chain that was written anew and sealed again agrees with its newest seal.
    """
    findings: list[Finding] = []
    last, expected = GENESIS, 1
    for entry in entries:
        gap = [number for number in range(expected, entry.number) if number not in unreadable]
        if gap:
            told = f"entry {gap[0]} was" if len(gap) == 1 else f"entries {gap[0]} to {gap[-1]} were"
            findings.append(Finding(chain=chain, number=gap[0], problem=f"{told} removed"))
        elif entry.number < expected:
            findings.append(Finding(chain=chain, number=expected, problem=f"entry {expected} was inserted"))
        elif entry.number == expected and entry.before != last:
            findings.append(Finding(chain=chain, number=entry.number, problem="does not follow the entry before it"))
        if _hashed(entry).hash != entry.hash:
            findings.append(Finding(chain=chain, number=entry.number, problem="was changed: its hash is another"))
        last, expected = entry.hash, entry.number + 1
    at = {entry.number: entry.hash for entry in entries}
    longest = max((count for count, _ in sealed), default=0)
    if expected <= longest and not any(number in unreadable for number in range(expected, longest + 1)):
        findings.append(Finding(chain=chain, number=expected, problem=f"cut off: the seal says {longest} entries"))
    others = sorted({count for count, digest in sealed if count in at and at[count] != digest})
    return [
        *findings,
        *(Finding(chain=chain, number=count, problem="is not the entry that was sealed") for count in others),
    ]


def _key(number: int) -> str:
    return f"e:{number:08}"


def _mark(once: str) -> str:
    return f"o:{hashlib.sha256(once.encode()).hexdigest()[:32]}"


def _entry(row: Row) -> Entry:
    text = row.cells["entry"]
    return msgspec.json.decode(text if isinstance(text, bytes) else b"", type=Entry)


def _hashed(entry: Entry) -> Entry:
    plain = msgspec.to_builtins(msgspec.structs.replace(entry, hash=""))
    text = json.dumps(plain, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return msgspec.structs.replace(entry, hash=hashlib.sha256(text.encode()).hexdigest())


def _bounded(detail: Mapping[str, Any]) -> dict[str, Any]:
    """Keep a detail small: one that is large is replaced by its digest, and the ledger has the whole."""
    plain = msgspec.to_builtins(dict(detail))
    text = json.dumps(plain, sort_keys=True, default=str)
    if len(text) <= _LARGEST:
        return dict(json.loads(text))
    return {"sha256": hashlib.sha256(text.encode()).hexdigest(), "bytes": len(text)}
