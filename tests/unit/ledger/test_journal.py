"""The journal of events: claimed once, decided once, listed newest first; in batches, twice, or very large."""

import asyncio
import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.ledger.journal import STALE, Journal, TooMuchError, UndecidedError, claim_name, shard_of
from shared.ledger.memory import MemoryStore
from shared.ledger.protocol import Delete
from shared.ledger.records import Outcome, Taken

NOW = datetime(2026, 3, 1, 10, 0, tzinfo=UTC)
IGNORED = (Outcome(what="ignored", reason="nothing waits for it"),)


def taken(number: int, subject: str = "", **event: Any) -> Taken:
    return Taken(
        claim=claim_name(subject or f"subject {number}", f"content {number}"), event={"id": str(number), **event}
    )


def later(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


async def decided(journal: Journal, events: list[Taken], now: datetime) -> None:
    for claimed in await journal.claim(events, now):
        if claimed.part:
            await journal.decide(claimed.part, [IGNORED] * len(claimed.part.events))


@pytest.fixture
def journal() -> Journal:
    return Journal(MemoryStore(lambda: NOW))


async def test_an_event_is_claimed_once_and_known_ever_after(journal: Journal) -> None:
    await decided(journal, [taken(1)], NOW)
    (claimed,) = await journal.claim([taken(1)], later(60))
    assert (claimed.part, claimed.duplicates) == (None, (taken(1),))
    found = await journal.get(taken(1).claim)
    assert found is not None
    event, received, is_decided = found
    assert (event.event, event.outcomes, received, is_decided) == ({"id": "1"}, IGNORED, NOW, True)


async def test_what_was_never_received_is_none(journal: Journal) -> None:
    assert await journal.get(taken(1).claim) is None


async def test_a_batch_that_meets_known_events_claims_the_others(journal: Journal) -> None:
    await decided(journal, [taken(n) for n in range(0, 300, 3)], NOW)
    claimed = await journal.claim([taken(n) for n in range(300)], later(1))
    fresh = {event.event["id"] for one in claimed if one.part for event in one.part.events}
    known = {event.event["id"] for one in claimed for event in one.duplicates}
    assert known == {str(n) for n in range(0, 300, 3)}
    assert fresh == {str(n) for n in range(300)} - known


async def test_an_event_that_is_being_decided_is_neither_new_nor_known(journal: Journal) -> None:
    (claimed,) = await journal.claim([taken(1)], NOW)
    (again,) = await journal.claim([taken(1)], later(5))
    assert isinstance(again.error, UndecidedError)
    assert "is being decided since 2026-03-01T10:00:00" in str(again.error)
    assert ([event.event["id"] for event in again.left], again.part, again.duplicates) == (["1"], None, ())
    assert claimed.part
    await journal.decide(claimed.part, [IGNORED])
    assert (await journal.claim([taken(1)], later(6)))[0].duplicates


async def test_what_a_crash_left_open_is_found_after_a_minute_and_decided(journal: Journal) -> None:
    await journal.claim([taken(n) for n in range(5)], NOW)
    assert await journal.stale(NOW + STALE) == []
    parts = await journal.stale(NOW + STALE + timedelta(seconds=1))
    assert sorted(event.event["id"] for part in parts for event in part.events) == list("01234")
    assert all(part.received == NOW for part in parts)
    for part in parts:
        await journal.decide(part, [IGNORED] * len(part.events))
    assert await journal.stale(later(3600)) == []
    found = await journal.get(taken(3).claim)
    assert found is not None
    assert found[2] is True


async def test_deciding_twice_changes_nothing(journal: Journal) -> None:
    (claimed,) = await journal.claim([taken(1)], NOW)
    assert claimed.part
    await journal.decide(claimed.part, [IGNORED])
    await journal.decide(claimed.part, [(Outcome(what="collected"),)])
    page, _ = await journal.newest(limit=10)
    assert [event.outcomes for _, event in page] == [IGNORED]


async def test_many_that_claim_one_event_at_once_have_one_winner(journal: Journal) -> None:
    async def one(number: int) -> bool:
        try:
            (claimed,) = await journal.claim([taken(1)], later(number / 1000))
        except UndecidedError:
            return False
        return claimed.part is not None

    assert sum(await asyncio.gather(*(one(number) for number in range(32)))) == 1


async def test_events_are_listed_newest_first_page_by_page_each_once(journal: Journal) -> None:
    for number in range(40):
        await decided(journal, [taken(3 * number + n) for n in range(3)], later(number))
    seen: list[tuple[datetime, str]] = []
    token = ""
    while True:
        page, token = await journal.newest(limit=7, before=token)
        seen += [(received, event.event["id"]) for received, event in page]
        if not token:
            break
    assert len(seen) == len({name for _, name in seen}) == 120
    assert [received for received, _ in seen] == sorted((received for received, _ in seen), reverse=True)


async def test_a_repeated_delivery_is_folded_and_kept_slim(journal: Journal) -> None:
    await decided(journal, [taken(1, data="x" * 1000)], NOW)
    await journal.fold([taken(1, data="x" * 1000)], later(5))
    page, _ = await journal.newest(limit=10)
    assert next((event.event, event.outcomes[0].what) for _, event in page) == ({"id": "1"}, "folded")
    first = await journal.get(taken(1).claim)
    assert first is not None
    assert (first[1], len(first[0].event["data"])) == (NOW, 1000), "the first delivery stays the one of the claim"


async def test_an_event_of_a_megabyte_goes_to_a_blob_and_comes_back(journal: Journal) -> None:
    text = "".join(random.Random(1).choices("abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJ", k=1_000_000))
    await decided(journal, [taken(1, data=text), taken(2)], NOW)
    found = await journal.get(taken(1).claim)
    assert found is not None
    assert found[0].event["data"] == text


async def test_a_claim_that_retention_dropped_can_be_made_anew() -> None:
    store = MemoryStore(lambda: NOW)
    journal = Journal(store)
    event = taken(1)
    await decided(journal, [event], NOW)
    shard, key = shard_of(event.claim), f"k:{event.claim[:20]}:{event.claim[20:]}"
    await store.table("journal").apply([Delete(shard, key)])
    (claimed,) = await journal.claim([event], later(1))
    assert claimed.part is not None


async def test_all_that_was_told_of_one_subject_is_found_together(journal: Journal) -> None:
    events = [taken(number, "one blob") for number in range(5)]
    await decided(journal, [*events, taken(9, "another")], NOW)
    assert len({shard_of(event.claim) for event in events}) == 1
    assert sorted(await journal.about(events[0].claim[:20])) == sorted(event.claim for event in events)


async def test_a_span_holds_what_came_from_its_start_to_before_its_end(journal: Journal) -> None:
    for number in range(10):
        await decided(journal, [taken(number)], later(number))
    stored = await journal.span(later(3), later(6), most=100)
    events = [event.event["id"] for one in stored for event in await journal.read(one)]
    assert events == ["3", "4", "5"]
    assert [one.received for one in stored] == [later(3), later(4), later(5)]
    with pytest.raises(TooMuchError, match="choose a shorter one"):
        await journal.span(NOW, later(60), most=9)
    assert await journal.span(later(100), later(200), most=1) == []


@settings(max_examples=40)
@given(st.lists(st.lists(st.integers(0, 12), min_size=1, max_size=8, unique=True), min_size=1, max_size=8))
def test_each_event_is_new_exactly_once_in_any_batches(batches: list[list[int]]) -> None:
    async def run() -> None:
        journal = Journal(MemoryStore(lambda: NOW))
        new: list[str] = []
        for number, batch in enumerate(batches):
            claimed = await journal.claim([taken(n) for n in batch], later(number))
            fresh = [event for one in claimed if one.part for event in one.part.events]
            known = [event for one in claimed for event in one.duplicates]
            assert sorted(event.event["id"] for event in (*fresh, *known)) == sorted(str(n) for n in batch)
            new += [event.event["id"] for event in fresh]
            for one in claimed:
                if one.part:
                    await journal.decide(one.part, [IGNORED] * len(one.part.events))
        assert sorted(new) == sorted({str(n) for batch in batches for n in batch})

    asyncio.run(run())
