"""Models that no event told of are found, once, and only those registered since the automation is there."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from shared.azureml.protocol import Registered
from shared.engine.outcomes import TransientError
from shared.reconcile import reconcile

RULE = """
name: watch-models
on: [{model-registered: {model: "arrival-*", tags: {team: delay}}}]
do: {job: {job: jobs/train.yml, inputs: {data: 'azureml:x:1'}}}
"""


@pytest.fixture
def world(world_of: Callable[[str], Any]) -> Any:
    return world_of(RULE)


def listed(world: Any, version: str, name: str = "arrival-delay", **tags: str) -> None:
    world.azureml.listed.append(Registered(name, version, world.now, {"team": "delay", **tags}, {}))


async def test_a_registration_that_no_event_told_of_is_found_once(world: Any) -> None:
    listed(world, "1")
    world.now += timedelta(minutes=1)
    assert await reconcile(world.hub, world.now) == 0
    world.now += timedelta(minutes=10)
    listed(world, "9")
    listed(world, "10")
    listed(world, "11", team="other")
    listed(world, "1", name="cancellations")
    event = world.model_event("arrival-delay", "9")
    await world.send({**event, "data": {**event["data"], "ModelTags": {"team": "delay"}}})
    world.now += timedelta(minutes=10)
    assert await reconcile(world.hub, world.now) == 2
    assert await reconcile(world.hub, world.now) == 0
    opened = sorted(one.cause.event["data"]["ModelVersion"] for one in await world.activities())
    assert opened == ["10", "9"]
    await world.send(
        {
            **event,
            "id": "late",
            "subject": "models/arrival-delay:10",
            "data": {**event["data"], "ModelVersion": "10", "ModelTags": {"team": "delay"}},
        }
    )
    assert len(await world.activities()) == 2


async def test_a_workspace_that_does_not_answer_is_looked_at_again(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert await reconcile(world.hub, world.now) == 0
    world.now += timedelta(minutes=1)
    listed(world, "9")
    world.now += timedelta(minutes=10)

    async def silent(since: Any) -> Any:
        raise TransientError("503")

    monkeypatch.setattr(world.azureml, "registered", silent)
    assert await reconcile(world.hub, world.now) == 0
    monkeypatch.undo()
    assert await reconcile(world.hub, world.now) == 1
