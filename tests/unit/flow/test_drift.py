"""From a monitor's breach to a retraining, to a word to people, or to nothing; in memory and by the shipped code."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
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


def signals(*given: dict[str, Any], days: tuple[str, str] = ("", "")) -> bytes:
    """A monitor's report of these signals."""
    window = {"first_day": days[0], "last_day": days[1]}
    return json.dumps({"rows": 1000, "window": window, "signals": list(given)}).encode()


def drifting(signal: str, value: float, name: str = "humid", **more: Any) -> dict[str, Any]:
    metrics = {"psi": {"value": value, "threshold": 0.2}}
    return {"signal": signal, "features": [{"name": name, "weight": 1.0, "metrics": metrics}], **more}


def performing(**windows: tuple[str, float]) -> dict[str, Any]:
    """Performance by windows: m6=("2013-06-01 2013-06-30", 12.5) is June, with a mae of 12.5; 10 was expected."""
    told = [
        {
            "window": days[:7],
            "first_day": days[:10],
            "last_day": days[11:],
            "rows": 500,
            "enough": True,
            "mae": mae,
        }
        for days, mae in windows.values()
    ]
    return {"signal": "performance", "reference_mae": 10.0, "threshold": 0.15, "windows": told}


@pytest.mark.parametrize(
    ("kind", "seasonal", "outcome"),
    [("year", 0.05, "ignore"), ("year", 0.5, "retrain"), ("rolling", 0.05, "retrain"), ("", 0.0, "retrain")],
)
async def test_a_season_that_returns_retrains_nothing(
    world_of: Callable[[str], Any], kind: str, seasonal: float, outcome: str
) -> None:
    world = world_of(RETRAIN.replace("THEN", THEN).replace("persists: 2 of 3", "persists: 1 of 3, season: year"))
    await trained(world)
    told = [drifting("data-drift", 0.9)]
    if kind:
        told.append(drifting("seasonal-drift", seasonal, kind=kind, enough=True, breached=False))
    await world.send(monitored(world, "m1", signals(*told)))
    await world.run(5)
    found = await newest(world)
    assert found.step("triage").detail["outcome"] == outcome
    if outcome == "ignore":
        assert (found.status, found.reason) == ("refused", "ignore: humid drift as in this season before: no drift")
        assert [step.state for step in found.steps][1:] == ["pending"] * (len(found.steps) - 1)


JUNE, JULY, AUGUST = "2013-06-01 2013-06-30", "2013-07-01 2013-07-31", "2013-08-01 2013-08-31"


async def test_labels_that_come_weeks_late_change_the_window_of_their_flights(world: Any) -> None:
    await trained(world)
    calm = drifting("data-drift", 0.1)
    await world.send(monitored(world, "m6", signals(calm, days=("2013-06-01", "2013-06-30"))))
    fine = performing(june=(JUNE, 10.0))
    await world.send(monitored(world, "m7", signals(calm, fine, days=("2013-07-01", "2013-07-31"))))
    await world.run(5)
    assert {one.status for one in (await world.activities())[:2]} == {"refused"}
    late = performing(june=(JUNE, 13.0), july=(JULY, 12.0))
    await world.send(monitored(world, "m8", signals(calm, late, days=("2013-08-01", "2013-08-31"))))
    await world.run(5)
    await world.finish()
    found = await newest(world)
    triage = found.step("triage").detail
    assert (found.status, triage["outcome"], triage["severity"]) == ("succeeded", "retrain", "performance")
    assert triage["reason"] == (
        "performance: mae of 2013-07 is 12, not <= 11.5, on 500 rows; in 2 of the last 3 windows with labels"
    )
    began = triage["evidence"]["windows"][0]["from"]  # where June was seen first
    assert datetime.fromisoformat(triage["since"]) == datetime.fromisoformat(began)


async def test_what_labels_say_of_windows_before_a_retraining_is_answered_by_it(world: Any) -> None:
    await trained(world)
    calm = drifting("data-drift", 0.1)
    both = performing(june=(JUNE, 13.0), july=(JULY, 12.0))
    await world.send(monitored(world, "m8", signals(calm, both, days=("2013-07-01", "2013-07-31"))))
    await world.run(5)
    await world.finish()
    assert (await newest(world)).status == "succeeded"
    again = performing(june=(JUNE, 14.0), july=(JULY, 14.0), august=(AUGUST, 10.0))
    await world.send(monitored(world, "m9", signals(calm, again, days=("2013-08-01", "2013-08-31"))))
    await world.run(5)
    found = await newest(world)
    assert (found.status, found.reason) == ("refused", "ignore: no feature is beyond its threshold")


async def test_answers_that_drift_tell_people_and_so_does_a_signal_that_is_not_known(world: Any) -> None:
    await trained(world)
    calm = drifting("data-drift", 0.1)
    for run in ("m1", "m2"):
        await world.send(monitored(world, run, signals(calm, drifting("prediction-drift", 0.9, "prediction"))))
    await world.run(5)
    assert (await newest(world)).reason.startswith("notify: minor: prediction drift in 2 of the last 2")
    await world.send(monitored(world, "m3", signals(calm, {"signal": "data-quality", "breached": True})))
    await world.run(5)
    assert (await newest(world)).reason == "notify: no feature is beyond its threshold; not known: data-quality"


OLD = {
    "topic": "/subscriptions/s/resourceGroups/rg/providers/Microsoft.MachineLearningServices/workspaces/ws",
    "subject": "datadrifts/1/runs/old",
    "eventType": "Microsoft.MachineLearningServices.DatasetDriftDetected",
    "id": "old",
    "eventTime": "2013-02-01T06:00:30Z",
    "data": {"DataDriftName": "delay-monitor", "RunId": "old", "DriftCoefficient": 0.83},
    "dataVersion": "1.0",
}
ALERT = {
    "schemaId": "azureMonitorCommonAlertSchema",
    "data": {
        "essentials": {
            "alertId": "/subscriptions/s/providers/Microsoft.AlertsManagement/alerts/1",
            "alertRule": "delay-monitor",
            "monitorCondition": "Fired",
            "firedDateTime": "2013-02-01T06:00:30Z",
        },
        "alertContext": {},
    },
}
CUSTOM = {
    "specversion": "1.0",
    "id": "7",
    "source": "/teams/flights",
    "type": "Flights.Drift",
    "data": {"monitor": "delay-monitor", "signal": "data-drift"},
}


@pytest.mark.parametrize("event", [OLD, ALERT, CUSTOM], ids=["first generation", "alert", "custom"])
async def test_what_tells_of_drift_without_numbers_is_told_to_people(world: Any, event: dict[str, Any]) -> None:
    await trained(world)
    await world.send(event, event)
    await world.run(5)
    assert len(await world.activities()) == 2
    found = await newest(world)
    assert (found.status, found.action) == ("succeeded", "train")
    assert found.reason.startswith("notify: the numbers of ")
    assert len(world.azureml.requests) == 1


async def test_an_alert_and_an_event_that_name_the_monitors_run_are_weighed_by_its_numbers(world: Any) -> None:
    await trained(world)
    monitored(world, "m1", report(0.8))
    monitored(world, "m2", report(0.8))
    await world.send({**ALERT, "data": {**ALERT["data"], "customProperties": {"run": "m2"}}})  # type: ignore[dict-item]
    await world.send({**CUSTOM, "data": {"monitor": "delay-monitor", "run": "m2"}})
    await world.run(5)
    await world.finish()
    retraining, first = await world.activities()  # one run of a monitor is one activity, whoever tells of it
    assert first.step("triage") is None
    assert retraining.step("triage").detail["outcome"] == "retrain"


async def test_a_small_share_tells_people(world: Any) -> None:
    await trained(world)
    for run in ("m1", "m2"):
        await world.send(monitored(world, run, report(0.1)))
    await world.run(5)
    assert (await newest(world)).reason.startswith("notify: minor")


RELEASE = """
---
name: delay-release
on: [{model-registered: {model: arrival-delay}}]
do:
  deploy:
    endpoint: endpoints/endpoint.yml
    deployment: endpoints/deployment.yml
    evaluate: {job: jobs/evaluate.yml, data: "azureml:delay-golden:1"}
    gates:
      - champion: {metric: mae, better: lower, tolerance: 1%, when-none: pass-with-note}
      - approval: {roles: [approver], quorum: 1, expires: 48h}
"""


@pytest.mark.parametrize(
    ("release", "mae", "status", "said"),
    [
        (RELEASE, 17.0, "succeeded", "shadow training: 1 of 1 gates passed; it is not released"),
        (RELEASE, 19.0, "refused", "shadow training: worse than the champion: mae 19 against 17.5 (tolerance 1%)"),
        (RELEASE.partition("    gates:")[0], 19.0, "succeeded", "shadow training: it is not released"),
    ],
)
async def test_a_shadow_training_is_trained_evaluated_and_judged_and_never_released(
    world_of: Callable[[str], Any], release: str, mae: float, status: str, said: str
) -> None:
    gates = release.replace("      - approval: {roles: [approver], quorum: 1, expires: 48h}\n", "")
    shadow = RETRAIN.replace("THEN", "{minor: notify, major: shadow-train, performance: retrain}")
    world = world_of(shadow + gates)
    files = [world.blob_event(f"flights/2013-01/{n}.csv", f"0x{n}") for n in range(3)]
    await world.send(*files, world.blob_event("flights/2013-01/_SUCCESS", "0xF"))
    await world.run(10)
    await world.finish()
    champion = dict(world.endpoints.traffic["delay"].live)
    assert sum(champion.values()) == 100
    world.azureml.logged = {"mae": mae, "champion.mae": 17.5}
    for run in ("m1", "m2"):
        await world.send(monitored(world, run, report(0.8)))
    await world.run(5)
    await world.finish()
    by_name = {one.automation: one for one in reversed(await world.activities())}
    trained_one, judged = by_name["delay-train"], by_name["delay-release"]
    assert trained_one.status == "succeeded"
    assert trained_one.reason.startswith("shadow training: registered")
    model = world.azureml.models["arrival-delay", trained_one.id]
    assert model.tags["hub.shadow"] == "true"
    assert judged.step("evaluate").detail["challenger"] == f"arrival-delay:{trained_one.id}"
    assert (judged.status, judged.reason) == (status, said)
    assert world.endpoints.traffic["delay"].live == champion
    assert set(world.endpoints.found["delay"]) == set(champion)


async def test_nobody_is_asked_to_approve_a_shadow_training(world_of: Callable[[str], Any]) -> None:
    world = world_of(RELEASE.removeprefix("\n---"))
    event = world.model_event("arrival-delay", "9")
    event["data"]["ModelTags"] = {"hub.shadow": "true"}
    await world.send(event)
    await world.run(5)
    await world.finish()
    (judged,) = await world.activities()
    assert (judged.status, judged.reason) == ("succeeded", "shadow training: 1 of 1 gates passed; it is not released")
