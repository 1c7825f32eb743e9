"""What the hub's store promises, in memory and on real Azurite: one suite for both."""

import asyncio
import uuid
from datetime import UTC, datetime

import pytest

from shared.ledger.protocol import (
    AlreadyExistsError,
    ChangedError,
    Delete,
    Insert,
    NotFoundError,
    Replace,
    Row,
    Store,
    Upsert,
)


@pytest.fixture
def name() -> str:
    return "t" + uuid.uuid4().hex[:20]


async def test_a_row_comes_back_as_it_was_written(store: Store, name: str) -> None:
    cells = {
        "text": "Zürich ✈",
        "big": 2**53 + 1,
        "small": -7,
        "share": 0.25,
        "yes": True,
        "bytes": b"\x00\xff",
        "when": datetime(2013, 1, 31, 23, 59, 59, 123456, tzinfo=UTC),
        "empty": "",
    }
    await store.table(name).apply([Insert(Row("p", "k", cells))])
    row = await store.table(name).get("p", "k")
    assert row is not None
    assert dict(row.cells) == cells
    assert row.etag


async def test_what_is_not_there_is_none(store: Store, name: str) -> None:
    assert await store.table(name).get("p", "k") is None
    assert await store.table(name).scan("p") == []


async def test_an_insert_meets_what_is_there_and_says_which(store: Store, name: str) -> None:
    table = store.table(name)
    await table.apply([Insert(Row("p", "b", {}))])
    with pytest.raises(AlreadyExistsError):
        await table.apply([Insert(Row("p", "b", {}))])
    with pytest.raises(AlreadyExistsError) as caught:
        await table.apply([Insert(Row("p", "a", {})), Insert(Row("p", "b", {})), Insert(Row("p", "c", {}))])
    assert caught.value.index == 1
    assert await table.get("p", "a") is None, "all or none"


async def test_a_replace_needs_the_present_etag(store: Store, name: str) -> None:
    table = store.table(name)
    first = (await table.apply([Insert(Row("p", "k", {"n": 1}))]))[0]
    second = (await table.apply([Replace(Row("p", "k", {"m": 2}, first))]))[0]
    assert first != second
    row = await table.get("p", "k")
    assert row is not None
    assert (dict(row.cells), row.etag) == ({"m": 2}, second), "a replace leaves no old cell behind"
    with pytest.raises(ChangedError):
        await table.apply([Replace(Row("p", "k", {"n": 3}, first))])
    with pytest.raises(NotFoundError):
        await table.apply([Replace(Row("p", "other", {"n": 3}, first))])


async def test_a_delete_keeps_to_its_etag(store: Store, name: str) -> None:
    table = store.table(name)
    old = (await table.apply([Insert(Row("p", "k", {"n": 1}))]))[0]
    new = (await table.apply([Upsert(Row("p", "k", {"n": 2}))]))[0]
    with pytest.raises(ChangedError):
        await table.apply([Delete("p", "k", old)])
    await table.apply([Delete("p", "k", new)])
    with pytest.raises(NotFoundError):
        await table.apply([Delete("p", "k")])


async def test_a_transaction_mixes_operations_and_is_all_or_none(store: Store, name: str) -> None:
    table = store.table(name)
    etag = (await table.apply([Insert(Row("p", "a", {"n": 1}))]))[0]
    etags = await table.apply(
        [Replace(Row("p", "a", {"n": 2}, etag)), Insert(Row("p", "b", {"n": 1})), Upsert(Row("p", "c", {"n": 1}))]
    )
    assert [bool(one) for one in etags] == [True, True, True]
    with pytest.raises(ChangedError):
        await table.apply([Delete("p", "b"), Replace(Row("p", "a", {"n": 3}, etag))])
    assert await table.get("p", "b") is not None


async def test_the_rules_of_a_transaction_are_kept(store: Store, name: str) -> None:
    table = store.table(name)
    with pytest.raises(ValueError, match="one partition"):
        await table.apply([Insert(Row("p", "a", {})), Insert(Row("q", "a", {}))])
    with pytest.raises(ValueError, match="1 to 100"):
        await table.apply([Insert(Row("p", f"{n}", {})) for n in range(101)])
    with pytest.raises(ValueError, match="once"):
        await table.apply([Insert(Row("p", "a", {})), Upsert(Row("p", "a", {}))])
    with pytest.raises(ValueError, match="refuses"):
        await table.apply([Insert(Row("p", "a/b", {}))])
    with pytest.raises(ValueError, match="64 bits"):
        await table.apply([Insert(Row("p", "a", {"n": 2**63}))])
    with pytest.raises(ValueError, match="over 65536"):
        await table.apply([Insert(Row("p", "a", {"text": "x" * 32_769}))])
    assert len(await table.apply([Insert(Row("p", f"{n:03}", {"n": n})) for n in range(100)])) == 100


async def test_a_scan_is_in_order_and_bounded(store: Store, name: str) -> None:
    table = store.table(name)
    await table.apply([Insert(Row("p", key, {})) for key in ("b:2", "a:1", "b:1", "c:1", "b:3")])
    await table.apply([Insert(Row("q", "b:0", {}))])
    assert [row.key for row in await table.scan("p")] == ["a:1", "b:1", "b:2", "b:3", "c:1"]
    assert [row.key for row in await table.scan("p", prefix="b:")] == ["b:1", "b:2", "b:3"]
    assert [row.key for row in await table.scan("p", after="b:1", before="c:1")] == ["b:2", "b:3"]
    assert [row.key for row in await table.scan("p", prefix="b:", after="b:1", limit=1)] == ["b:2"]
    assert [(row.partition, row.key) for row in await table.partitions(after="p")] == [("q", "b:0")]


async def test_more_rows_than_one_page_are_scanned(store: Store, name: str) -> None:
    table = store.table(name)
    for start in range(0, 1200, 100):
        await table.apply([Insert(Row("p", f"{n:05}", {})) for n in range(start, start + 100)])
    assert len(await table.scan("p", limit=5000)) == 1200


async def test_many_insert_one_row_and_one_wins(store: Store, name: str) -> None:
    async def insert(who: int) -> bool:
        try:
            await store.table(name).apply([Insert(Row("p", "k", {"who": who}))])
        except AlreadyExistsError:
            return False
        return True

    assert sum(await asyncio.gather(*(insert(who) for who in range(16)))) == 1


async def test_blobs_are_written_once_where_asked(store: Store, name: str) -> None:
    blobs = store.blobs
    await blobs.put(f"{name}/a", b"one", absent=True)
    with pytest.raises(AlreadyExistsError):
        await blobs.put(f"{name}/a", b"two", absent=True)
    await blobs.put(f"{name}/a", b"three")
    await blobs.put(f"{name}/b", b"")
    assert await blobs.get(f"{name}/a") == b"three"
    assert [found async for found in blobs.names(f"{name}/")] == [f"{name}/a", f"{name}/b"]
    await blobs.delete(f"{name}/a")
    await blobs.delete(f"{name}/a")
    with pytest.raises(NotFoundError):
        await blobs.get(f"{name}/a")


async def test_a_queue_tells_its_depth(store: Store, name: str) -> None:
    queue = store.queue(name)
    assert await queue.depth() == (0, 0.0)
    await queue.send("now")
    await queue.send("later", delay=30)
    count, age = await queue.depth()
    assert count == 2
    assert 0 <= age < 60


async def test_tables_are_listed_and_dropped(store: Store, name: str) -> None:
    await store.table(name).apply([Insert(Row("p", "k", {}))])
    assert name in await store.tables()
    await store.drop(name)
    assert name not in await store.tables()
