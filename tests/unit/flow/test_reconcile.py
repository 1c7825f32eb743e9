"""Files that no event told of are found, once, and only those that landed since the automation is there."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from shared.ledger.records import File
from shared.reconcile import reconcile

RULE = """
name: each-file
on: [{blob-created: {account: landing, container: landing, path: "in/*.csv"}}]
do: {job: {job: jobs/train.yml, inputs: {data: 'azureml:x:1'}}}
"""


@pytest.fixture
def world(world_of: Callable[[str], Any]) -> Any:
    return world_of(RULE)


def lies(world: Any, *names: str) -> None:
    """Put files into storage without an event."""
    world.data.lying += [
        File(account="landing", container="landing", path=f"in/{name}.csv", etag=f"0x{name}", size=10, time=world.now)
        for name in names
    ]


async def test_a_lost_event_is_found_and_a_told_one_is_not_doubled(world: Any) -> None:
    lies(world, "OLD")
    world.now += timedelta(minutes=1)
    assert await reconcile(world.hub, world.now) == 0
    world.now += timedelta(minutes=10)
    lies(world, "A", "B")
    await world.send(world.blob_event("in/A.csv", "0xA"))
    assert await reconcile(world.hub, world.now) == 0
    world.now += timedelta(minutes=10)
    assert await reconcile(world.hub, world.now) == 1
    assert await reconcile(world.hub, world.now) == 0
    opened = {one.cause.event["subject"].rpartition("/")[2] for one in await world.activities()}
    assert opened == {"A.csv", "B.csv"}


async def test_the_event_that_comes_late_after_all_folds(world: Any) -> None:
    await reconcile(world.hub, world.now)
    world.now += timedelta(minutes=1)
    lies(world, "A")
    event = world.blob_event("in/A.csv", "0xA")
    world.now += timedelta(minutes=10)
    assert await reconcile(world.hub, world.now) == 1
    await world.send(event)
    assert len(await world.activities()) == 1
