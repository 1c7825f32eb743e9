"""The receipt of a version that was checked, trained, released by steps and has scored: every link of it."""

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.unit.api.desk import Desk

CARRIERS = ("UA", "B6", "EV", "DL", "AA", "MQ", "US", "9E", "WN", "VX", "FL", "AS", "F9", "YV", "HA", "OO")
LOGGED = {
    "mae": 17.6,
    "mse": 2059.41,
    "rmse": 45.38,
    "r2": 0.051,
    "bias": -9.2,
    "cost_per_flight": 20.79,
    "baseline_mae": 21.3,
    "rows": 23_988,
    "rows_holdout": 4_811,
    "champion.mae": 18.1,
    "difference.mae.low": -1.0,
    "difference.mae.high": -0.1,
    **{f"importance.{name}": 3.1 / (place + 1) for place, name in enumerate(("sched_dep_time", "humid", "dest"))},
    **{f"mae.carrier.{name}": 15.0 + place / 4 for place, name in enumerate(CARRIERS)},
    **{f"rows.carrier.{name}": 900.0 - 40 * place for place, name in enumerate(CARRIERS)},
    **{f"bias.carrier.{name}": -9.0 for name in CARRIERS},
}
RULES = """
name: delay-train
on:
  - blob-created:
      container: landing
      path: "flights/{month}/**/*.csv"
      collect: {by: [month], quiet: 2m, max-wait: 2h, until: {marker: "flights/{month}/_SUCCESS"}}
dataset: {name: flights, from: accepted, window: 90d}
check: {job: jobs/check.yml}
do:
  train: {job: jobs/train.yml, inputs: {data: "${{ dataset }}"}, register: {model: arrival-delay, from: model}}
---
name: delay-release
on: [{model-registered: {model: arrival-delay}}]
do:
  deploy:
    endpoint: endpoints/endpoint.yml
    deployment: endpoints/deployment.yml
    evaluate: {job: jobs/evaluate.yml, data: "azureml:delay-golden:1"}
    gates:
      - metrics: {mae: "<= 25"}
      - champion: {metric: mae, better: lower, tolerance: 1%, when-none: pass-with-note}
      - fairness: {metric: mae, slices: carrier, max-gap: {relative: 40%}, min-rows: 200}
      - approval: {roles: [approver], quorum: 1, expires: 48h}
    rollout:
      - shadow: {traffic: 20%, for: 10m}
      - canary: {traffic: 10%, for: 15m}
      - canary: {traffic: 50%, for: 15m}
    analysis: {error-rate: "< 1%", p95-latency: "< 300ms", min-requests: 50, settle: 3m, inconclusive: hold}
    on-failure: rollback
---
name: delay-score
on: [{blob-created: {container: scoring, path: "flights/**/*.csv", collect: {quiet: 1m, max-wait: 15m}}}]
do: {score: {endpoint: delay-batch, inputs: {data: "${{ files }}"}, output: scored}}
"""


class Priced(Desk):
    """A desk of these rules, with the price of a compute."""

    environment = {"HUB_COMPUTE_PRICES": '{"cpu-cluster": {"amount": 0.36, "currency": "USD"}}'}  # noqa: RUF012


@pytest.fixture
def desk(tmp_path: Path) -> Any:
    return Priced(tmp_path, RULES)


async def released(desk: Any, month: str, minutes: int = 90) -> str:
    """Given a month that became a model, which was approved and released: its version."""
    desk.azureml.logged = LOGGED
    files = [desk.blob_event(f"flights/{month}/EWR-{day:02}.csv", f"0x{month}{day}", number=day) for day in range(1, 9)]
    await desk.send(*files, desk.blob_event(f"flights/{month}/_SUCCESS", f"0xF{month}", number=99))
    await desk.run(5)
    for _ in range(4):
        desk.now += timedelta(minutes=3)
        desk.azureml.end_jobs()
        await desk.run(60)
    version = max(version for _, version in desk.azureml.models)
    waiting = next(one for one in await desk.activities() if one.status == "waiting-approval")
    assert (await desk.ask("activity_approve", {"reason": "better on every carrier"}, id=waiting.id)).status in {
        200,
        202,
    }
    await desk.run(60 * minutes)
    return str(version)


async def scored(desk: Any, version: str) -> str:
    """Given flights that were scored by the version: the activity."""
    desk.batch.live = type(desk.batch.live)("blue", f"arrival-delay:{version}")
    await desk.send(desk.blob_event("flights/2013-07/a.csv", "0x5C", container="scoring"))
    await desk.run(120)
    (activity,) = [one for one in await desk.activities() if one.automation == "delay-score"]
    desk.data.contents[f"{activity.id}/1/flights/2013-07/a.csv"] = b"prediction\n1\n"
    entry = {"path": "flights/2013-07/a.csv", "rows_in": 10, "rows_out": 10, "errors": 0, "nulls": 0}
    desk.data.contents[f"{activity.id}/1/manifest.json"] = b'{"files": [%s]}' % str(entry).replace("'", '"').encode()
    desk.azureml.end_jobs()
    await desk.run(120)
    return str(activity.id)


async def test_every_link_of_a_version_that_is_live(desk: Any, tmp_path: Path) -> None:
    first = await released(desk, "2013-01")
    version = await released(desk, "2013-02")
    activity = await scored(desk, version)
    made = (await desk.ask("receipt", name="arrival-delay", version=version)).json

    assert made["missing"] == []
    assert (made["dataset"]["files"], made["new_files"]["files"]) == (16, 8)
    assert (made["check"]["job"], made["check"]["state"]) == (f"hub-{version}-check-1", "done")
    assert made["run"]["job"] == f"hub-{version}-train-1"
    assert made["run"]["content"] == made["made_by"]["content"]
    assert (made["metrics"]["mae"], made["metrics"]["rows"]) == (17.6, 23_988)
    assert made["metrics"]["difference.mae.low"] == -1.0
    assert made["dataset"]["listed"][0]["origin"] == "landing/landing/flights/2013-01/EWR-01.csv"
    assert list(made["importances"]) == ["sched_dep_time", "humid", "dest"]
    assert made["slices"][0] == {
        "column": "carrier",
        "value": "UA",
        "rows": 900,
        "measures": {"mae": 15.0, "bias": -9.0},
    }
    assert [(gate["gate"], gate["result"]) for gate in made["gates"]] == [
        *(("metrics", "passed"), ("champion", "passed"), ("fairness", "passed"), ("approval", "passed")),
    ]
    (said,) = made["approvals"]
    assert (said["said"], said["who"], said["person"]) == ("approve", "key:all", False)
    (rollout,) = made["rollouts"]
    assert (rollout["status"], rollout["champion"]) == ("succeeded", f"arrival-delay:{first}")
    assert rollout["traffic"][-1]["traffic"] == f"{rollout['deployment']} 100%"
    (live,) = made["live"]
    assert (live["endpoint"], live["deployment"], live["traffic"]) == ("delay", rollout["deployment"], 100)
    (run,) = made["scored"]
    assert (run["activity"], run["output"], run["rows"]) == (activity, f"scored/{activity}/1/", 10)
    costs = {one["step"]: one["amount"] for one in made["cost"]}
    assert set(costs) == {"check", "train", "evaluate"}
    assert all(amount > 0 for amount in costs.values())
    before = (await desk.ask("receipt", name="arrival-delay", version=first)).json
    assert before["live"][0]["traffic"] == 0

    answer = await desk.ask("receipt", headers={"Accept": "text/html"}, name="arrival-delay", version=version)
    (tmp_path / "receipt.html").write_text(answer.text)
    text = re.sub(r"<[^>]+>", " ", answer.text)
    for told in (
        "Live: 100%",
        "16 files",
        "better on every carrier",
        "(a key)",
        "canary 50%",
        "23,988",
        "USD",
    ):
        assert told in text


async def test_where_it_is_live_is_missing_and_nothing_else_where_azure_ml_does_not_answer(
    desk: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = await released(desk, "2013-01")
    whole = (await desk.ask("receipt", name="arrival-delay", version=version)).json

    async def silent(_: str) -> None:
        from shared.engine.outcomes import TransientError

        raise TransientError("no answer")

    monkeypatch.setattr(desk.endpoints, "endpoint", silent)
    made = (await desk.ask("receipt", name="arrival-delay", version=version)).json
    assert made["missing"] == ["where it is live on delay: TransientError: no answer"]
    assert (made["live"], made["digest"]) == ([], whole["digest"])


async def test_a_receipt_outlives_the_events(desk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    version = await released(desk, "2013-01")

    async def dropped(_: str) -> None:
        return None

    monkeypatch.setattr(desk.hub.journal, "get", dropped)
    made = (await desk.ask("receipt", name="arrival-delay", version=version)).json
    assert made["run"]["job"] == f"hub-{version}-train-1"
    assert "too old to be kept" in made["missing"][0]
    assert (await desk.ask("receipt", name="other", version=version)).status == 404


async def test_a_file_is_followed_to_the_models_that_learned_from_it_and_to_their_predictions(desk: Any) -> None:
    version = await released(desk, "2013-01")
    activity = await scored(desk, version)
    trained_on = (await desk.ask("files_used_by", query={"url": "landing/flights/2013-01/EWR-01.csv"})).json
    (use,) = trained_on["uses"]
    assert (use["model"], use["version"], use["read_as"]) == ("arrival-delay", version, ["new files", "dataset"])
    assert use["copies"] == [
        f"landing/hub-data/frozen/{version}/{kind}/flights/2013-01/EWR-01.csv" for kind in ("files", "dataset")
    ]
    (prediction,) = trained_on["predictions"]
    assert (prediction["output"], prediction["because"]) == (f"scored/{activity}/1/", "the model learned from it")
    (serving,) = trained_on["serving"]
    assert (serving["endpoint"], serving["version"], serving["status"]) == ("delay", version, "succeeded")

    was_scored = (await desk.ask("files_used_by", query={"url": "scoring/flights/2013-07/a.csv"})).json
    (prediction,) = was_scored["predictions"]
    assert prediction["output"] == f"scored/{activity}/1/flights/2013-07/a.csv"
    assert (prediction["because"], prediction["counted"], prediction["version"]) == ("it was scored", True, version)
    assert was_scored["serving"] == []
