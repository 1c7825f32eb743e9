"""From a monitor's breach to a retraining, to a word to people, or to nothing; in memory and by the shipped code."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from shared.azureml.protocol import MonitorRun

RETRAIN = """
name: delay-train
on:
  - blob-created:
      container: landing
      path: "flights/{month}/**/*.csv"
      collect: {by: [month], quiet: 2m, max-wait: 2h, until: {marker: "flights/{month}/_SUCCESS"}}
  - drift: {monitor: delay-monitor, model: arrival-delay, persists: 2 of 3, min-samples: 200, then: THEN}
dataset: {name: flights, from: accepted, window: 90d}
do:
  train: {job: jobs/train.yml, inputs: {data: "${{ dataset }}"}, register: {model: arrival-delay, from: model}}
limits: {concurrency: {group: arrival-delay, max: 1}}
"""
THEN = "{minor: notify, major: retrain, performance: retrain}"


@pytest.fixture
def world(world_of: Callable[[str], Any]) -> Any:
    return world_of(RETRAIN.replace("THEN", THEN))


async def trained(world: Any) -> None:
    """One month has landed and was trained on."""
    files = [world.blob_event(f"flights/2013-01/{n}.csv", f"0x{n}") for n in range(3)]
    await world.send(*files, world.blob_event("flights/2013-01/_SUCCESS", "0xF"))
    await world.run(10)
    await world.finish()
    assert [one.status for one in await world.activities()] == ["succeeded"]


def report(share: float, rows: int = 1000) -> bytes:
    """A monitor's report in which a feature of that share of all importance drifts."""

    def feature(name: str, weight: float, value: float) -> dict[str, Any]:
        return {"name": name, "weight": weight, "metrics": {"psi": {"value": value, "threshold": 0.2}}}

    features = [feature("hour", share, 0.5), feature("origin", 1 - share, 0.05)]
    return json.dumps({"rows": rows, "signals": [{"signal": "data-drift", "features": features}]}).encode()


def monitored(world: Any, run: str, content: bytes | None) -> dict[str, object]:
    """Let a run of the monitor end with this report; give its event."""
    world.now += timedelta(days=1)
    world.azureml.monitors.append(MonitorRun(run, world.now - timedelta(minutes=5), world.now))
    if content is not None:
        world.data.contents[f"ExperimentRun/dcid.{run}/outputs/signals.json"] = content
    return breach(world, run)


def breach(world: Any, run: str, signal: str = "data-drift") -> dict[str, object]:
    sentence = f"delay-monitor_{signal} has failed due to one or more features violating metric thresholds."
    return {
        "topic": "/subscriptions/s/resourceGroups/rg/providers/Microsoft.MachineLearningServices/workspaces/ws",
        "subject": f"experiments/e/runs/{run}",
        "eventType": "Microsoft.MachineLearningServices.RunStatusChanged",
        "id": f"{run}-{signal}",
        "eventTime": world.now.isoformat(),
        "data": {
            "experimentId": "e",
            "experimentName": "delay-monitor",
            "runId": run,
            "runType": "azureml.scriptrun",
            "RunTags": {"azureml_modelmonitor_threshold_breached": sentence},
            "runStatus": "Completed",
        },
        "dataVersion": "1.0",
        "metadataVersion": "1",
    }


async def newest(world: Any) -> Any:
    return (await world.activities())[0]


async def test_drift_that_persists_retrains_and_the_first_breach_does_not(world: Any) -> None:
    await trained(world)
    await world.send(monitored(world, "m1", report(0.8)))
    await world.run(5)
    first = await newest(world)
    assert first.status == "refused"
    assert "2 of 3 are needed" in first.reason
    await world.send(monitored(world, "m2", report(0.8)))
    await world.run(5)
    await world.finish()
    second = await newest(world)
    assert (second.status, second.reason) == ("succeeded", "")
    triage = second.step("triage").detail
    assert (triage["outcome"], triage["severity"], triage["model"]) == ("retrain", "major", "arrival-delay")
    assert second.step("register").detail["model"] == "arrival-delay"


async def test_a_retraining_reads_what_came_since_the_drift_began_even_where_the_window_is_shorter(
    world_of: Callable[[str], Any],
) -> None:
    world = world_of(RETRAIN.replace("THEN", THEN).replace("window: 90d", "window: 1d"))
    await trained(world)
    await world.send(monitored(world, "m1", report(0.8)))
    world.now += timedelta(hours=1)
    await world.send(world.blob_event("flights/2013-02/0.csv", "0xA"))
    await world.send(world.blob_event("flights/2013-02/_SUCCESS", "0xE"))
    await world.run(10)
    await world.finish()
    world.now += timedelta(days=3)
    await world.send(world.blob_event("flights/2013-03/0.csv", "0xB"))
    await world.send(world.blob_event("flights/2013-03/_SUCCESS", "0xD"))
    await world.run(10)
    await world.finish()
    assert (await newest(world)).step("dataset").detail["files"] == 1
    await world.send(monitored(world, "m2", report(0.8)))
    await world.run(5)
    await world.finish()
    retraining = await newest(world)
    assert retraining.status == "succeeded"
    assert retraining.step("triage").detail["since"] < world.now.isoformat()
    assert retraining.step("dataset").detail["files"] == 2


async def test_a_thousand_breaches_lead_to_one_retraining(world: Any) -> None:
    await trained(world)
    monitored(world, "m1", report(0.8))
    monitored(world, "m2", report(0.8))
    world.azureml.monitors = world.azureml.monitors[:1]
    events = []
    for number in range(1000):
        run = f"m2-{number // 4}"
        if number % 4 == 0:
            world.azureml.monitors.append(MonitorRun(run, world.now, world.now))
            world.data.contents[f"ExperimentRun/dcid.{run}/outputs/signals.json"] = report(0.8)
        events.append(breach(world, run, f"signal-{number % 4}"))
    for start in range(0, 1000, 100):
        await world.send(*events[start : start + 100])
    await world.run(120)
    await world.finish()
    await world.run(3600)
    found = await world.activities()
    models = [one for one in found if one.step("register") and one.step("register").state == "done"]
    assert len(found) == 251
    assert len(models) == 2


async def test_what_cannot_be_read_is_told_and_retrains_nothing(world: Any) -> None:
    await trained(world)
    await world.send(monitored(world, "m1", None))
    await world.run(5)
    found = await newest(world)
    assert found.status == "succeeded"
    assert found.reason.startswith("notify: the numbers of m1 cannot be read")
    assert [step.state for step in found.steps][1:] == ["skipped"] * (len(found.steps) - 1)


async def test_a_small_share_tells_people(world: Any) -> None:
    await trained(world)
    for run in ("m1", "m2"):
        await world.send(monitored(world, run, report(0.1)))
    await world.run(5)
    assert (await newest(world)).reason.startswith("notify: minor")


async def test_shadow_training_measures_and_registers_nothing(world_of: Callable[[str], Any]) -> None:
    world = world_of(RETRAIN.replace("THEN", "{minor: notify, major: shadow-train, performance: retrain}"))
    await trained(world)
    for run in ("m1", "m2"):
        await world.send(monitored(world, run, report(0.8)))
    await world.run(5)
    await world.finish()
    found = await newest(world)
    assert found.status == "succeeded"
    assert found.reason.startswith("shadow training")
    assert len(world.azureml.models) == 1
