"""The way from a burst of files to a registered model, in memory and by the shipped code."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

World = Any


def burst(world: World, count: int = 200) -> list[dict[str, object]]:
    files = [world.blob_event(f"flights/2013-01/EWR/{n:03}.csv", f"0x{n}", number=n) for n in range(count)]
    return [*files, world.blob_event("flights/2013-01/_SUCCESS", "0xFFF", number=count)]


async def test_a_burst_and_its_marker_become_one_model(world: World) -> None:
    for event in burst(world):
        await world.send(event)
    await world.run(10)
    (activity,) = await world.activities()
    assert activity.status == "running"
    assert activity.files.count == 200
    world.azureml.end_jobs()
    await world.run(60)
    world.azureml.end_jobs()
    await world.run(60)
    (activity,) = await world.activities()
    assert (activity.status, activity.reason) == ("succeeded", "")
    assert [step.state for step in activity.steps] == ["done"] * 7
    assert list(world.azureml.models) == [("arrival-delay", activity.id)]
    model = world.azureml.models["arrival-delay", activity.id]
    assert model.properties["hub.dataset"] == f"flights:{activity.id}"
    assert len(world.data.copies) == 400
    assert [request.name for request in world.azureml.requests] == [
        f"hub-{activity.id}-check-1",
        f"hub-{activity.id}-train-1",
    ]


async def test_everything_again_changes_nothing(world: World) -> None:
    events = burst(world)
    await world.send(*events)
    await world.run(10)
    for _ in range(3):
        world.azureml.end_jobs()
        await world.run(60)
    await world.send(*events)
    for event in events[:20]:
        await world.send(event)
    await world.run(7200)
    assert len(await world.activities()) == 1
    assert len(world.azureml.requests) == 2


async def test_without_a_marker_the_burst_waits_and_is_held(world: World) -> None:
    await world.send(*burst(world)[:-1])
    await world.run(3 * 3600)
    assert await world.activities() == []
    await world.send(burst(world)[-1])
    await world.run(10)
    assert [activity.files.count for activity in await world.activities()] == [200]


@pytest.mark.parametrize(("limit", "files"), [("max-files: 40", 40), ("max-bytes: 400", 40)])
async def test_a_burst_closes_soon_after_it_is_large_enough(
    world_of: Callable[[str], Any], limit: str, files: int
) -> None:
    world = world_of(
        "name: large\non: [{blob-created: {container: landing, path: 'in/*', "
        f"collect: {{quiet: 1h, max-wait: 2h, {limit}}}}}}}]\n"
        "do: {job: {job: jobs/train.yml, inputs: {data: '${{ files }}'}}}"
    )
    for number in range(files - 1):
        await world.send(world.blob_event(f"in/{number}", f"0x{number}"))
    await world.run(10)
    assert await world.activities() == []
    assert len(world.store.queue("hub-work").messages) == 1, "looks do not multiply"
    await world.send(world.blob_event("in/last", "0xF"))
    await world.run(2)
    (activity,) = await world.activities()
    assert (activity.files.count, activity.cause.closed_by.rpartition(" reached ")[2][:9]) == (files, limit[:9])


async def test_a_rewritten_file_counts_once_with_its_newest_content(world: World) -> None:
    await world.send(
        world.blob_event("flights/2013-01/a.csv", "0xB", number=9),
        world.blob_event("flights/2013-01/a.csv", "0xA", number=3),
        world.blob_event("flights/2013-01/_SUCCESS", "0xFFF", number=10),
    )
    await world.run(10)
    (activity,) = await world.activities()
    files = await world.hub.rulebook._files(activity.files)
    assert [(file.path, file.etag) for file in files] == [("flights/2013-01/a.csv", "0xB")]


async def test_a_file_after_the_close_starts_the_next_collection(world: World) -> None:
    await world.send(*burst(world, 3))
    await world.run(10)
    await world.send(
        world.blob_event("flights/2013-01/late.csv", "0xL"), world.blob_event("flights/2013-01/_SUCCESS", "0x2")
    )
    await world.run(10)
    assert sorted(activity.files.count for activity in await world.activities()) == [1, 3]


async def test_a_failing_check_stops_the_training_with_its_reason(world: World) -> None:
    await world.send(*burst(world, 3))
    await world.run(10)
    world.azureml.fate = "Failed"
    world.azureml.end_jobs()
    await world.run(60)
    (activity,) = await world.activities()
    assert activity.status == "failed"
    assert "check job" in activity.reason
    assert "it broke" in activity.reason
    assert world.azureml.models == {}


async def test_the_service_s_own_registration_event_folds(world: World) -> None:
    await world.send(*burst(world, 3))
    for _ in range(4):
        await world.run(60)
        world.azureml.end_jobs()
    (activity,) = await world.activities()
    await world.send(
        {
            "topic": "/subscriptions/s/resourceGroups/rg/providers/Microsoft.MachineLearningServices/workspaces/ws",
            "subject": f"models/arrival-delay:{activity.id}",
            "eventType": "Microsoft.MachineLearningServices.ModelRegistered",
            "id": "from-the-service",
            "eventTime": world.now.isoformat(),
            "data": {"ModelName": "arrival-delay", "ModelVersion": activity.id},
            "dataVersion": "",
        }
    )
    page, _ = await world.hub.journal.newest(limit=5)
    assert [outcome.what for outcome in page[0][1].outcomes] == ["folded"]


async def test_a_lost_message_is_found_by_the_sweep(world: World) -> None:
    await world.send(*burst(world, 3))
    world.store.queue("hub-work").messages.clear()
    world.now += timedelta(minutes=3)
    await world.hub.sweep.run()
    await world.run(1)
    (activity,) = await world.activities()
    world.store.queue("hub-work").messages.clear()
    world.now += timedelta(minutes=10)
    await world.hub.sweep.run()
    await world.run(1)
    world.azureml.end_jobs()
    assert world.azureml.requests[0].name == f"hub-{activity.id}-check-1"


async def test_a_broken_event_costs_the_others_nothing(world: World) -> None:
    await world.send({"nonsense": True}, *burst(world, 3))
    await world.run(10)
    assert len(await world.activities()) == 1
    page, _ = await world.hub.journal.newest(limit=50)
    assert any(outcome.what == "quarantined" for _, event in page for outcome in event.outcomes)


async def test_started_by_hand_twice_with_one_key_is_one_activity(world: World) -> None:
    first, new = await world.hub.rulebook.open_by_hand("delay-train", {}, "key:ops", "k", world.now)
    world.now += timedelta(seconds=5)
    second, again = await world.hub.rulebook.open_by_hand("delay-train", {}, "key:ops", "k", world.now)
    assert (first, new, again) == (second, True, False)
    await world.run(5)
    (activity,) = await world.activities()
    assert activity.reason.startswith("dataset flights is empty")
    with pytest.raises(ValueError, match="note of delay-train is 3"):
        await world.hub.rulebook.open_by_hand("delay-train", {"note": 3}, "key:ops", "k2", world.now)


async def test_what_hands_files_on_is_not_started_by_hand_without_any(world_of: Callable[[str], World]) -> None:
    world = world_of(
        "name: each\non: [{blob-created: {container: landing, path: 'in/*.csv'}}]\n"
        "do: {job: {job: jobs/train.yml, inputs: {data: '${{ files }}'}}}\n"
    )
    with pytest.raises(ValueError, match=r"hands the files on that began it \(do\.job\.inputs\.data\)"):
        await world.hub.rulebook.open_by_hand("each", {}, "key:ops", "k", world.now)
    assert await world.activities() == []
