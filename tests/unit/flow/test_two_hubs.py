"""Two hubs on one workspace with the same rules and the same events: each does its own, and neither is in the way."""

from pathlib import Path
from typing import Any

import pytest

World = Any


async def test_the_same_files_are_an_activity_a_job_and_a_model_version_of_each(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(type(world).start.__globals__["ENVIRONMENT"], "HUB_ID", "second")
    other = type(world)(tmp_path)
    other.azureml = world.azureml
    other.hub = other.start()
    for one in (world, other):
        await one.send(
            one.blob_event("flights/2013-01/a.csv", "0x1"), one.blob_event("flights/2013-01/_SUCCESS", "0x2")
        )
        await one.run(10)
    for _ in range(2):
        world.azureml.end_jobs()
        for one in (world, other):
            await one.run(60)
    (first,), (second,) = await world.activities(), await other.activities()
    assert (first.status, second.status) == ("succeeded", "succeeded")
    assert first.id != second.id
    assert sorted(world.azureml.jobs) == sorted(
        f"{hub}-{activity.id}-{step}-1"
        for hub, activity in (("hub", first), ("second", second))
        for step in ("check", "train")
    )
    assert set(world.azureml.models) == {("arrival-delay", first.id), ("arrival-delay", second.id)}
    assert set(world.azureml.data) >= {("flights", first.id), ("flights", second.id)}


async def test_a_run_of_the_other_hub_wakes_nothing(world: World) -> None:
    await world.send(
        {
            "topic": "/subscriptions/s/resourceGroups/rg/providers/Microsoft.MachineLearningServices/workspaces/ws",
            "subject": "experiments/e/runs/second-20130201t060000-0123456789-train-1",
            "eventType": "Microsoft.MachineLearningServices.RunCompleted",
            "id": "r",
            "eventTime": world.now.isoformat(),
            "data": {"experimentName": "e", "runId": "second-20130201t060000-0123456789-train-1", "runTags": {}},
            "dataVersion": "",
            "metadataVersion": "1",
        }
    )
    assert world.store.queue("hub-work").receive(60) is None
