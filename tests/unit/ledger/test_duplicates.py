"""Duplicates cost little: a delivery that is repeated is recognised by its parts, not event by event."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from shared.ledger.journal import Journal, UndecidedError, claim_name
from shared.ledger.memory import MemoryStore, MemoryTable
from shared.ledger.records import Outcome, Taken

NOW = datetime(2013, 2, 1, 6, tzinfo=UTC)


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore(lambda: NOW)


@pytest.fixture
def journal(store: MemoryStore) -> Journal:
    return Journal(store)


def events(numbers: Sequence[int]) -> list[Taken]:
    return [Taken(claim=claim_name(f"subject {n}", "content"), event={"id": str(n)}) for n in numbers]


def table(store: MemoryStore) -> MemoryTable:
    return store.table("journal")


async def take(journal: Journal, numbers: Sequence[int], *, decide: bool = True) -> tuple[int, int]:
    """Claim and decide; gives how many are new and how many are known."""
    new = known = 0
    for one in await journal.claim(events(numbers), NOW):
        if one.part is not None:
            new += len(one.part.events)
            if decide:
                await journal.decide(one.part, [(Outcome(what="ignored"),)] * len(one.part.events))
        known += len(one.duplicates)
    return new, known


async def test_a_batch_that_comes_again_costs_a_few_transactions_a_shard(store: MemoryStore, journal: Journal) -> None:
    assert await take(journal, range(100)) == (100, 0)
    before = table(store).transactions
    assert await take(journal, range(100)) == (0, 100)
    assert table(store).transactions - before <= 3 * 8


async def test_a_batch_of_many_single_ones_that_came_before(store: MemoryStore, journal: Journal) -> None:
    for number in range(40):
        await take(journal, [number])
    assert await take(journal, range(50)) == (10, 40)
    assert await take(journal, range(50)) == (0, 50)


async def test_one_known_event_costs_the_others_one_more_transaction(store: MemoryStore, journal: Journal) -> None:
    await take(journal, [7])
    before = table(store).transactions
    new, known = await take(journal, range(100), decide=False)
    assert (new, known) == (99, 1)
    assert table(store).transactions - before <= 8 + 3


async def test_one_that_comes_again_alone_costs_three(store: MemoryStore, journal: Journal) -> None:
    await take(journal, [1])
    before = table(store).transactions
    assert await take(journal, [1]) == (0, 1)
    assert table(store).transactions - before == 3


async def test_what_is_not_decided_yet_is_no_duplicate(journal: Journal) -> None:
    await take(journal, range(20), decide=False)
    (one,) = await journal.claim(events([3]), NOW)
    assert isinstance(one.error, UndecidedError)
    for part in await journal.stale(NOW + timedelta(minutes=5)):
        await journal.decide(part, [(Outcome(what="ignored"),)] * len(part.events))
    assert await take(journal, range(20)) == (0, 20)
