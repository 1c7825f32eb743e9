"""Retention: drops events that are older than the ledger keeps them, in bounded batches, by a timer.

What goes: events with their claims and payloads, what collections gathered (the frozen lists hold it), dead letters.
What stays: activities, their frozen lists, accepted files, approvals and the audit trail, on which receipts stand.

Events and their claims go in one transaction, so no claim is left that names nothing and no event that could come
twice. One table in place of a table a month: a claim is found by one insert whatever month it fell in.
"""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from shared.ledger.activities import Activities
from shared.ledger.collections import Collections
from shared.ledger.deadletters import DeadLetters
from shared.ledger.journal import SHARDS, Journal, Stored, claim_key, old_keys, received
from shared.ledger.protocol import (
    MAX_OPERATIONS,
    Blobs,
    ChangedError,
    Delete,
    NotFoundError,
    Row,
    Store,
    Table,
    Upsert,
)
from shared.ledger.records import SCHEMA

_SHARE: Final = 100
_PARTITION: Final = "retention"
_LOOK_BACK: Final = timedelta(days=60)
"""The first run looks for collections that ended so long before what it keeps."""
_STRETCH: Final = timedelta(days=10)


@dataclass(frozen=True, slots=True)
class Dropped:
    """How much went; `whole` says that nothing is left that should go."""

    events: int = 0
    letters: int = 0
    collections: int = 0
    whole: bool = True


class Retention:
    """Drops what is older than `keep`. A run is cut off after `most` seconds by `elapsed`; the next one goes on."""

    def __init__(
        self,
        store: Store,
        journal: Journal,
        collections: Collections,
        activities: Activities,
        letters: DeadLetters,
        keep: timedelta,
    ) -> None:
        self._marks = store.table("reconciler")
        self._events = _Events(store.table("journal"), store.blobs, journal)
        self._collections = collections
        self._activities = activities
        self._letters = letters
        self._keep = keep

    async def run(self, now: datetime, elapsed: Callable[[], float], most: float = 240.0) -> Dropped:
        """Drop what is too old. Any number of runs at once, or one cut off anywhere, drop nothing else."""

        def more() -> bool:
            return elapsed() < most

        before = now - self._keep
        counts = await asyncio.gather(
            *(self._events.shard(f"s{n:02d}", before, more) for n in range(SHARDS)), self._gathered(before, more)
        )
        letters = 0
        while more() and (dropped := await self._letters.drop(before, limit=_SHARE)):
            letters += dropped
        return Dropped(sum(counts[:-1]), letters, counts[-1], more())

    async def _gathered(self, before: datetime, more: Callable[[], bool]) -> int:
        """Drop what the collections of old activities had gathered, from where the last run ended."""
        row = await self._marks.get(_PARTITION, "members")
        upto = datetime.fromisoformat(str(row.cells["at"])) if row else before - _LOOK_BACK
        count = 0
        while more() and upto < before:
            end = min(upto + _STRETCH, before)
            async for activity in self._activities.newest(end, until=upto):
                if activity.cause.collection and upto <= activity.created < end:
                    await self._collections.forget(activity.cause.collection, activity.cause.generation)
                    count += 1
                if not more():
                    return count
            upto = end
            mark = Row(_PARTITION, "members", {"schema": SCHEMA, "at": upto.isoformat()})
            await self._marks.apply([Upsert(mark)])
        return count


class _Events:
    """Drops parts of the journal, each with the claims of its events."""

    def __init__(self, table: Table, blobs: Blobs, journal: Journal) -> None:
        self._table = table
        self._blobs = blobs
        self._journal = journal

    async def shard(self, shard: str, before: datetime, more: Callable[[], bool]) -> int:
        """Drop what one shard decided before a time, as many parts a transaction as fit; give how many events."""
        after, until = old_keys(before)
        count = 0
        while more() and (rows := await self._table.scan(shard, after=after, before=until, limit=_SHARE)):
            batch: list[Delete] = []
            names: list[str] = []
            for row in rows:
                operations = await self._operations(row)
                count += max(1, len(operations) - 1)
                if len(batch) + len(operations) > MAX_OPERATIONS:
                    await self._apply(batch, names)
                    batch, names = [], []
                batch += operations
                names += _payloads(row)
            await self._apply(batch, names)
        return count

    async def _operations(self, row: Row) -> list[Delete]:
        """Give what goes with a part: itself, and the claims that name it. Folded deliveries have none of their own."""
        part = Delete(row.partition, row.key)
        try:
            events = await self._journal.read(Stored(received(row.key), row))
        except NotFoundError:
            return [part]  # its payload went with a run that was cut off
        claims = [one.claim for one in events if not any(outcome.what == "folded" for outcome in one.outcomes)]
        return [*(Delete(row.partition, claim_key(claim)) for claim in dict.fromkeys(claims)), part]

    async def _apply(self, batch: Sequence[Delete], payloads: Sequence[str]) -> None:
        if not batch:
            return
        try:
            await self._table.apply(batch)
        except NotFoundError:
            for one in batch:
                with contextlib.suppress(NotFoundError, ChangedError):
                    await self._table.apply([one])
        for name in payloads:
            await self._blobs.delete(name)


def _payloads(row: Row) -> list[str]:
    """Give the blobs of a part whose events no row could hold: as it was claimed, and as it was decided."""
    name = str(row.cells.get("blob", ""))
    return [name, f"{name.removesuffix('t.z')}o.z"] if name else []
