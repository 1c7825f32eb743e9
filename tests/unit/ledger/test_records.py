"""Records in their text form: yesterday's are read today, and what a later version adds does not hurt."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.ledger.activities import Activities
from shared.ledger.memory import MemoryStore
from shared.ledger.protocol import ChangedError, Insert, NotFoundError, Row
from shared.ledger.records import SCHEMA, Act, Activity, Cause, File, Head, Step, Taken, activity_id, decode, encode

NOW = datetime(2026, 3, 1, 10, 0, tzinfo=UTC)
FIRST_ACTIVITY = {
    "id": "20130201t093000-3f9a1c7b2e",
    "automation": "delay-train",
    "content": "ab" * 32,
    "action": "train",
    "cause": {"kind": "events", "claims": ["c1"], "count": 1, "collection": "k", "closed_by": "marker came"},
    "created": "2013-02-01T09:30:00Z",
    "updated": "2013-02-01T09:31:00Z",
    "status": "running",
    "files": {"count": 3, "size": 300, "blob": "files/x"},
    "steps": [{"name": "train", "kind": "job", "state": "waiting", "tries": 2, "detail": {"job": "j"}}],
    "due": "2013-02-01T09:32:00Z",
    "acts": [{"kind": "cancel", "who": "ann", "at": "2013-02-01T09:31:30Z"}],
}
"""An activity as the first version of the ledger wrote it. It stays as it is: today's code must read it."""


def test_an_activity_of_the_first_version_is_read() -> None:
    activity = decode(Activity, json.dumps(FIRST_ACTIVITY).encode())
    assert (activity.id, activity.status, activity.attempt, activity.files.count) == (
        FIRST_ACTIVITY["id"],
        "running",
        1,
        3,
    )
    step = activity.step("train")
    assert step is not None
    assert (step.state, step.attempt, step.tries) == ("waiting", 1, 2)
    act = activity.asked("cancel")
    assert act is not None
    assert (act.who, act.person) == ("ann", False)
    assert activity.due == datetime(2013, 2, 1, 9, 32, tzinfo=UTC)
    assert not activity.finished


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (File, {"account": "a", "container": "c", "path": "p", "etag": "e", "size": 1, "time": "2013-02-01T00:00:00Z"}),
        (Head, {"automation": "a", "content": "c", "trigger": 0}),
        (Taken, {"claim": "c", "event": {"id": "1"}, "outcomes": [{"what": "ignored"}]}),
        (Cause, {"kind": "manual", "who": "ann"}),
        (Step, {"name": "s", "kind": "job"}),
        (Act, {"kind": "retry", "who": "ann", "at": "2013-02-01T00:00:00Z"}),
    ],
)
def test_the_least_that_was_ever_written_is_read_and_a_later_field_is_left_alone(
    kind: Any, text: dict[str, Any]
) -> None:
    plain = decode(kind, json.dumps(text).encode())
    assert decode(kind, json.dumps({**text, "of_a_later_version": {"deep": [1]}}).encode()) == plain
    assert decode(kind, encode(plain)) == plain


async def test_a_row_of_the_first_version_is_read_by_the_ledger() -> None:
    store = MemoryStore(lambda: NOW)
    row = Row("20130201", "52200-20130201t093000-3f9a1c7b2e", {"schema": 1, "d0": json.dumps(FIRST_ACTIVITY).encode()})
    await store.table("activities").apply([Insert(row)])
    activity, etag = await Activities(store, store.queue("work")).load("20130201t093000-3f9a1c7b2e")
    assert (activity.automation, bool(etag)) == ("delay-train", True)
    listed = [one.id async for one in Activities(store, store.queue("work")).newest(
        datetime(2013, 2, 2, tzinfo=UTC), until=datetime(2013, 1, 30, tzinfo=UTC))]  # fmt: skip
    assert listed == ["20130201t093000-3f9a1c7b2e"]


def activity(created: datetime, name: str = "x", **more: Any) -> Activity:
    return Activity(
        id=activity_id(created, name),
        automation="a",
        content="c",
        action="train",
        cause=Cause(kind="manual"),
        created=created,
        updated=created,
        **more,
    )


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore(lambda: NOW)


async def test_an_activity_is_opened_once_and_saved_by_who_read_it_last(store: MemoryStore) -> None:
    activities = Activities(store, store.queue("work"))
    one = activity(NOW)
    assert [await activities.open(one), await activities.open(one)] == [True, False]
    read, etag = await activities.load(one.id)
    read.status = "running"
    fresh = await activities.save(read, etag)
    with pytest.raises(ChangedError):
        await activities.save(read, etag)
    assert await activities.load(one.id) == (read, fresh)
    assert await store.table("activities").get("20260301", "50400-" + one.id) is not None


@pytest.mark.parametrize(
    "name", ["", "x", "20130201t093000-nothing", "20130201", "../..", "20139999t999999-x", "é" * 50]
)
async def test_an_id_that_names_nothing_is_not_found(store: MemoryStore, name: str) -> None:
    with pytest.raises(NotFoundError):
        await Activities(store, store.queue("work")).load(name)


async def test_a_large_activity_is_kept_in_pieces(store: MemoryStore) -> None:
    activities = Activities(store, store.queue("work"))
    one = activity(NOW, inputs={"text": "é" * 150_000})
    await activities.open(one)
    assert (await activities.load(one.id))[0] == one
    row = await store.table("activities").get("20260301", "50400-" + one.id)
    assert row is not None
    assert row.cells["schema"] == SCHEMA
    assert "z0" in row.cells


async def test_activities_are_listed_newest_first_over_days_and_from_a_place_on(store: MemoryStore) -> None:
    activities = Activities(store, store.queue("work"))
    made = [activity(NOW - timedelta(hours=7 * number), str(number)) for number in range(20)]
    for one in reversed(made):
        await activities.open(one)
    listed = [one.id async for one in activities.newest(NOW, until=NOW - timedelta(days=30))]
    assert listed == [one.id for one in made]
    onward = [one.id async for one in activities.newest(NOW, until=NOW - timedelta(days=30), before=listed[6])]
    assert onward == listed[7:]


@given(st.datetimes(datetime(2000, 1, 1), datetime(2099, 1, 1), timezones=st.just(UTC)), st.lists(st.text(max_size=9)))
def test_an_id_is_safe_everywhere_and_the_same_for_the_same(created: datetime, identity: list[str]) -> None:
    made = activity_id(created, *identity)
    assert made == activity_id(created.replace(microsecond=0), *identity)
    assert len(made) == 26
    assert set(made) <= set("0123456789abcdeft-")
