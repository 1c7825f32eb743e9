"""Records of any size: in one cell, in pieces, compressed, or in a blob; they come back as they were."""

import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from shared.ledger.activities import Activities
from shared.ledger.cells import pack, pieces, unpack
from shared.ledger.collections import Collections
from shared.ledger.gathered import Member
from shared.ledger.marks import Mark, Marks, Waiting
from shared.ledger.memory import MemoryStore
from shared.ledger.protocol import Insert, Row
from shared.ledger.records import Activity, Cause, File, Head, activity_id
from shared.ledger.usage import Spent, UsageRow, Usages

NOW = datetime(2026, 3, 1, 10, 0, tzinfo=UTC)


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore(lambda: NOW)


@pytest.mark.parametrize(
    ("size", "packable", "names"),
    [
        (0, True, ["usage"]),
        (60_000, True, ["usage"]),
        (60_001, True, ["usage", "usage1"]),
        (120_001, True, ["z0"]),
        (5_000_000, True, ["z0"]),
        (300_000, False, ["z0", "z1", "z2", "z3", "z4", "z5"]),
        (5_000_000, False, ["blob"]),
    ],
)
async def test_a_text_of_any_size_comes_back(store: MemoryStore, size: int, packable: bool, names: list[str]) -> None:
    text = b"[1]" * (size // 3) + b" " * (size % 3) if packable else random.Random(7).randbytes(size)
    cells = await pack(text, store.blobs, "rows", "usage")
    assert list(cells) == names
    await store.table("t").apply([Insert(Row("p", "k", {"schema": 1, **cells}))])
    row = await store.table("t").get("p", "k")
    assert row is not None
    assert await unpack(row.cells, store.blobs, "usage") == text


async def test_an_activity_whose_event_no_row_could_hold_is_kept_and_listed(store: MemoryStore) -> None:
    activities = Activities(store, store.queue("work"))
    event = {"data": {"text": random.Random(1).randbytes(700_000).hex()}}
    one = Activity(
        id=activity_id(NOW, "x"),
        automation="a",
        content="c",
        action="train",
        cause=Cause(kind="events", event=event),
        created=NOW,
        updated=NOW,
    )
    await activities.open(one)
    read, etag = await activities.load(one.id)
    assert read == one
    read.status = "running"
    await activities.save(read, etag)
    assert [item.status async for item in activities.newest(NOW, until=NOW)] == ["running"]


async def test_hundreds_of_files_with_the_longest_names_are_one_member(store: MemoryStore) -> None:
    collections = Collections(store, store.queue("work"))
    path = f"{'é' * 500}/{{n}}"
    files = tuple(
        File(account="a", container="c", path=path.replace("{n}", str(n)), etag=f"{n}", size=1, time=NOW)
        for n in range(100)
    )
    wanted = Head(automation="a", content="c", trigger=0)
    await collections.put("name", Member(arrived=NOW, files=files), "part", wanted, NOW, timedelta(minutes=1))
    assert len((await collections.gathered("name", 1)).files) == 100


async def test_an_all_of_keeps_thousands_of_events(store: MemoryStore) -> None:
    marks = Marks(store)
    waiting = tuple(
        Waiting(claim=f"{n:032}", time=NOW, kinds=(0,), event={"id": str(n), "subject": "x" * 400}) for n in range(4000)
    )
    etag = await marks.write("all", 0, Mark(waiting=waiting), "")
    assert await marks.read("all", 0) == (Mark(waiting=waiting), etag)


async def test_a_rate_of_the_most_openings_and_a_month_s_costs_are_counted_to_the_last(store: MemoryStore) -> None:
    usages = Usages(store)
    row = await usages.read("automation:a")
    row.usage.openings = [NOW + timedelta(seconds=n) for n in range(10_000)]
    row.usage.spent = [
        Spent(
            activity=f"a{n}",
            at=NOW - timedelta(days=27) + timedelta(minutes=n),
            estimated=Decimal("0.02"),
            currency="USD",
            actual=Decimal("0.01") if n < 30_000 else None,
        )
        for n in range(38_000)
    ]
    await usages.write([row])
    read = (await usages.read("automation:a")).usage
    assert read.openings == row.usage.openings
    assert sum(one.actual or one.estimated for one in read.spent) == Decimal("460.00")
    assert len(read.spent) < 12_000


async def test_what_is_still_running_keeps_its_own_estimate_and_last_year_s_costs_go(store: MemoryStore) -> None:
    usages = Usages(store)
    row = UsageRow(key="automation:a", usage=(await usages.read("automation:a")).usage)
    old, new = NOW - timedelta(days=300), NOW
    row.usage.spent = [
        Spent(activity="old", at=old, estimated=Decimal(9), currency="USD", actual=Decimal(9)),
        Spent(activity="new", at=new, estimated=Decimal(1), currency="USD"),
    ]
    await usages.write([row])
    assert [one.activity for one in (await usages.read("automation:a")).usage.spent] == ["new"]


def test_pieces_of_the_first_version_are_named_as_they_were() -> None:
    assert list(pieces(b"x" * 60_001, "d0")) == ["d0", "d1"]
    assert list(pieces(b"", "m0")) == ["m0"]
