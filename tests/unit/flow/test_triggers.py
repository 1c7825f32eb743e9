"""Triggers other than new files, from the event or the clock to the job; in memory and by the shipped code."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

RUN = "do: {job: {job: jobs/train.yml, inputs: {data: 'azureml:x:1'}}}"


async def test_a_registered_model_starts_its_automation_once(world_of: Callable[[str], Any]) -> None:
    world = world_of(f"name: on-model\non: [{{model-registered: {{model: arrival-*}}}}]\n{RUN}")
    await world.send(world.model_event("arrival-delay", "7"))
    await world.send(world.model_event("arrival-delay", "7"))
    await world.send(world.model_event("other", "7"))
    await world.run(1)
    (activity,) = await world.activities()
    assert activity.cause.event["data"]["ModelVersion"] == "7"
    await world.finish()
    (activity,) = await world.activities()
    assert (activity.status, activity.reason) == ("succeeded", "")


async def test_a_deleted_blob_gives_its_captures(world_of: Callable[[str], Any]) -> None:
    path = "{path: 'a/{name}.csv', container: landing}"
    world = world_of(f"name: on-delete\non: [{{blob-deleted: {path}}}]\nwhen: captures.name == 'x'\n{RUN}")
    for name in ("x", "y"):
        event = world.blob_event(f"a/{name}.csv", "0x1")
        event["eventType"] = "Microsoft.Storage.BlobDeleted"
        await world.send(event)
    await world.run(1)
    statuses = {activity.captures["name"]: activity.status for activity in await world.activities()}
    assert statuses == {"x": "running", "y": "refused"}


async def test_a_schedule_starts_at_its_times_and_once_for_those_missed(world_of: Callable[[str], Any]) -> None:
    world = world_of(f"name: nightly\non: [{{schedule: {{cron: '0 0 3 * * *'}}}}]\n{RUN}")
    await world.hub.triggers.tick(world.now)
    world.now += timedelta(hours=21, minutes=1)  # 03:01 of the next day
    assert await world.hub.triggers.tick(world.now) == 1
    assert await world.hub.triggers.tick(world.now) == 0
    world.now += timedelta(days=3)
    assert await world.hub.triggers.tick(world.now + timedelta(hours=1)) == 1
    assert [activity.cause.kind for activity in await world.activities()] == ["schedule", "schedule"]


async def test_an_expected_event_that_does_not_come_is_told_once(world_of: Callable[[str], Any]) -> None:
    expected = "{every: 1d, grace: 1h, of: {model-registered: {model: m}}}"
    world = world_of(f"name: watch\non: [{{missing: {expected}}}]\n{RUN}")
    await world.hub.triggers.tick(world.now)
    world.now += timedelta(hours=20)
    await world.send(world.model_event("m", "1"))
    world.now += timedelta(hours=10)
    assert await world.hub.triggers.tick(world.now) == 0
    world.now += timedelta(hours=16)
    assert await world.hub.triggers.tick(world.now) == 1
    assert await world.hub.triggers.tick(world.now) == 0


async def test_all_of_keeps_every_event_of_each_kind(world_of: Callable[[str], Any]) -> None:
    parts = "[{model-registered: {model: m}}, {blob-created: {container: landing, path: 'go/*'}}]"
    world = world_of(f"name: both\non: [{{all-of: {{within: 1h, of: {parts}}}}}]\n{RUN}")
    await world.send(world.model_event("m", "1"))
    await world.send(world.model_event("m", "2"))
    await world.run(5)
    assert await world.activities() == []
    await world.send(world.blob_event("go/now", "0x1"))
    await world.run(5)
    (activity,) = await world.activities()
    assert len(activity.events) == 3
    assert activity.cause.count == 3
    await world.send(world.blob_event("go/now", "0x1"))
    assert len(await world.activities()) == 1


async def test_the_probe_goes_out_and_its_way_back_is_timed(world_of: Callable[[str], Any]) -> None:
    world = world_of(f"name: on-model\non: [{{model-registered: {{model: m}}}}]\n{RUN}")
    await world.hub.probes.send(world.now)
    assert world.data.written == ["landing/hub-data/probe/latest.json"]
    event = world.blob_event("probe/latest.json", "0x1", container="hub-data")
    world.now += timedelta(seconds=2)
    await world.send(event)
    last = await world.hub.probes.last()
    assert last.latency == 2.0
