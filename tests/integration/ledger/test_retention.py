"""Retention in memory and on real Azurite: what is old goes whole, what is kept stays, a run cut off goes on."""

import random
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest

from shared.ledger.activities import Activities
from shared.ledger.collections import Collections
from shared.ledger.deadletters import DeadLetters
from shared.ledger.gathered import Member
from shared.ledger.journal import SHARDS, Journal, claim_name
from shared.ledger.protocol import NotFoundError, Store
from shared.ledger.records import Activity, Cause, File, Head, Outcome, Taken, activity_id
from shared.ledger.retention import Dropped, Retention

KEEP = timedelta(days=30)
_days = count(0)


@pytest.fixture
def now() -> datetime:
    """A time of the test's own: tests share one Azurite, and retention drops all that is older."""
    return datetime(2030, 6, 1, tzinfo=UTC) + 2 * KEEP * next(_days)


class Ledger:
    """The parts of a ledger that retention deals with."""

    def __init__(self, store: Store) -> None:
        self.store = store
        work = store.queue("retention-work")
        self.journal = Journal(store)
        self.collections, self.activities = Collections(store, work), Activities(store, work)
        self.letters = DeadLetters(store)
        self.retention = Retention(store, self.journal, self.collections, self.activities, self.letters, KEEP)

    async def take(self, at: datetime, *names: str, **event: Any) -> list[Taken]:
        events = [Taken(claim=claim_name(f"{at} {name}", name), event={"id": name, **event}) for name in names]
        for one in await self.journal.claim(events, at):
            assert one.part is not None
            await self.journal.decide(one.part, [(Outcome(what="ignored"),)] * len(one.part.events))
        return events

    async def known(self, events: list[Taken]) -> list[bool]:
        found = [await self.journal.get(event.claim) for event in events]
        has = [await self.journal.has(event.claim) for event in events]
        assert has == [one is not None for one in found], "a claim names an event that is there"
        return has

    async def run(self, now: datetime, *elapsed: float) -> Dropped:
        times = iter(elapsed)
        return await self.retention.run(now, lambda: next(times, 0.0) if elapsed else 0.0)


async def test_old_events_go_with_their_claims_and_young_ones_stay(store: Store, now: datetime) -> None:
    ledger = Ledger(store)
    old = now - KEEP - timedelta(minutes=1)
    gone = await ledger.take(old, *(f"batch {n}" for n in range(150)))
    for number in range(12):
        gone += await ledger.take(old - timedelta(hours=number), f"alone {number}")
    await ledger.journal.fold(gone[:40], old + timedelta(seconds=5))
    kept = await ledger.take(now - KEEP + timedelta(minutes=1), *(f"young {n}" for n in range(50)))
    await ledger.journal.fold(gone[:3], now - timedelta(days=1))
    dropped = await ledger.run(now)
    assert (dropped.events >= 162, dropped.whole) == (True, True)
    assert await ledger.known(gone) == [False] * len(gone)
    assert await ledger.known(kept) == [True] * len(kept)
    assert (await ledger.run(now)).events == 0
    again = await ledger.journal.claim(gone[:1], now)
    assert [one.part is not None for one in again] == [True], "what was dropped can come anew"


async def test_an_event_in_a_blob_goes_with_its_blobs(store: Store, now: datetime) -> None:
    ledger = Ledger(store)
    text = random.Random(7).randbytes(540_000).hex()
    gone = await ledger.take(now - KEEP - timedelta(days=1), "large", text=text)
    kept = await ledger.take(now, "small")
    prefix = f"events/{int((now - KEEP - timedelta(days=1)).timestamp() * 1000)}"
    assert len([name async for name in store.blobs.names(prefix)]) == 2
    await ledger.run(now)
    assert [name async for name in store.blobs.names(prefix)] == []
    assert (await ledger.known(gone), await ledger.known(kept)) == ([False], [True])


async def test_an_event_that_is_not_decided_is_never_dropped(store: Store, now: datetime) -> None:
    ledger = Ledger(store)
    event = Taken(claim=claim_name(f"{now}", "open"), event={"id": "open"})
    await ledger.journal.claim([event], now - 2 * KEEP)
    await ledger.run(now)
    assert await ledger.known([event]) == [True]
    (part,) = [one for one in await ledger.journal.stale(now) if one.events[0].claim == event.claim]
    await ledger.journal.decide(part, [(Outcome(what="ignored"),)])


async def test_a_run_that_is_cut_off_is_gone_on_with(store: Store, now: datetime) -> None:
    ledger = Ledger(store)
    gone: list[Taken] = []
    for number in range(12):
        gone += await ledger.take(now - KEEP - timedelta(days=number + 1), *(f"{number}-{n}" for n in range(9)))
    cut = await ledger.run(now, *[0.0] * SHARDS, 999.0, *[999.0] * 99)
    assert cut.whole is False
    assert (await ledger.run(now)).whole
    assert await ledger.known(gone) == [False] * len(gone)


async def test_what_a_collection_gathered_goes_and_its_list_and_activity_stay(store: Store, now: datetime) -> None:
    ledger = Ledger(store)
    name, at = f"name-{now:%Y%m%d}", now - KEEP - timedelta(days=3)
    files = tuple(File(account="a", container="c", path=f"{n}", etag="1", size=1, time=at) for n in range(120))
    wanted = Head(automation="a", content="c", trigger=0)
    for number, file in enumerate(files):
        await ledger.collections.put(name, Member(arrived=at, files=(file,)), f"p{number}", wanted, at, timedelta(1))
    found = await ledger.collections.head(name)
    assert found is not None
    closing, etag = await ledger.collections.close(name, *found, at, "marker came")
    frozen, _ = await ledger.collections.freeze(name, closing)
    cause = Cause(kind="events", count=frozen.count, collection=name, generation=1)
    identifier = activity_id(at, name, "1")
    await ledger.activities.open(
        Activity(
            id=identifier,
            automation="a",
            content="c",
            action="train",
            cause=cause,
            created=at,
            updated=at,
            files=frozen,
        )
    )
    await ledger.collections.advance(name, closing, etag, at, timedelta(1))
    dropped = await ledger.run(now)
    assert dropped.collections >= 1
    assert (await ledger.collections.gathered(name, 1)).files == ()
    assert await ledger.collections.frozen(frozen.blob) == tuple(sorted(files, key=lambda file: file.path))
    assert (await ledger.activities.load(identifier))[0].files == frozen


async def test_old_dead_letters_go_and_young_ones_stay(store: Store, now: datetime) -> None:
    ledger = Ledger(store)
    old = await ledger.letters.record("work", b"old", now - KEEP - timedelta(days=1), "it failed")
    young = await ledger.letters.record("work", b"young", now, "it failed")
    assert (await ledger.run(now)).letters >= 1
    with pytest.raises(NotFoundError):
        await ledger.letters.get(old.id)
    assert (await ledger.letters.get(young.id))[1] == b"young"
