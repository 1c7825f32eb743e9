"""One burst of files, one batch run, and results that count only once they are checked; in memory."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from shared.azureml.batch import Target
from shared.ledger.records import Act
from shared.ledger.scorings import Scorings

SCORE = """
name: delay-score
on: [{blob-created: {container: scoring, path: "flights/**/*.csv", collect: {quiet: 1m, max-wait: 15m}}}]
do: {score: {endpoint: delay-batch, inputs: {data: "${{ files }}"}, output: scored}}
"""


MODEL = 'model: "azureml:arrival-delay:3", '


@pytest.fixture
def world(world_of: Callable[[str], Any]) -> Any:
    return world_of(SCORE)


async def land(world: Any, count: int = 3) -> Any:
    events = [world.blob_event(f"flights/{n}.csv", f"0x{n}", container="scoring") for n in range(count)]
    await world.send(*events)
    await world.run(150)
    return (await world.activities())[0]


def leave(world: Any, activity: Any, count: int = 3, beside: str = "", **changed: Any) -> None:
    """Leave results and their manifest as the scoring code does."""
    folder = f"{activity.id}/{activity.attempt}/{beside}"
    entries = []
    for number in range(count):
        path = f"flights/{number}.csv"
        world.data.contents[f"{folder}{path}"] = b"prediction\n1\n"
        entries.append({"path": path, "rows_in": 10, "rows_out": 10, "errors": 0, "nulls": 0})
    entries[0] |= changed
    world.data.contents[f"{folder}manifest-1.json"] = json.dumps({"files": entries}).encode()


async def test_a_burst_is_one_run_on_the_frozen_files(world: Any) -> None:
    activity = await land(world)
    (invocation,) = world.batch.invocations
    assert invocation.name == f"hub-{activity.id}-score-1"
    assert invocation.data == f"azureml://datastores/hub_data/paths/frozen/{activity.id}/files/"
    assert invocation.output == f"azureml://datastores/scored/paths/{activity.id}/1/"
    leave(world, activity)
    await world.finish()
    activity = (await world.activities())[0]
    assert (activity.status, activity.reason) == ("succeeded", "")
    ours = json.loads(world.data.contents[f"{activity.id}/1/hub-manifest.json"])
    assert (ours["rows_in"], ours["files"], ours["run"]) == (30, 3, invocation.name)
    assert (ours["deployment"], ours["model"]) == ("blue", "arrival-delay:7")
    assert ours["inputs"] == [f"landing/scoring/flights/{n}.csv" for n in range(3)]
    (scoring,) = await Scorings(world.store).of("arrival-delay", "7")
    assert (scoring.activity, scoring.output, scoring.rows) == (activity.id, f"scored/{activity.id}/1/", 30)


async def test_a_run_is_scored_by_the_version_that_was_the_default_when_it_began(world: Any) -> None:
    await land(world)
    world.batch.live = Target("green", "arrival-delay:8")
    await world.run(60)
    (invocation,) = world.batch.invocations
    assert invocation.deployment == "blue"
    assert invocation.tags["hub.attempt"] == "1"


async def test_a_plain_job_scores_as_an_endpoint_does(world_of: Callable[[str], Any]) -> None:
    world = world_of(SCORE.replace("endpoint: delay-batch, inputs: {", "job: jobs/score.yml, inputs: {" + MODEL))
    activity = await land(world)
    (request,) = world.azureml.requests
    assert request.name == f"hub-{activity.id}-score-1"
    assert request.inputs["data"].value == f"azureml:delay-score-files:{activity.id}"
    assert request.outputs == {"scored": f"azureml://datastores/scored/paths/{activity.id}/1/"}
    assert request.properties["hub.automation"] == "delay-score"
    leave(world, activity)
    await world.finish()
    assert (await world.activities())[0].status == "succeeded"
    (scoring,) = await Scorings(world.store).of("arrival-delay", "3")
    assert (scoring.run, scoring.endpoint) == (request.name, "")


async def test_rows_of_a_failed_run_are_never_results(world: Any) -> None:
    activity = await land(world)
    leave(world, activity)
    world.azureml.fate = "Failed"
    await world.finish()
    activity = (await world.activities())[0]
    assert (activity.status, activity.step("results").state) == ("failed", "pending")
    assert f"{activity.id}/1/hub-manifest.json" not in world.data.contents
    assert await Scorings(world.store).of("arrival-delay", "7") == []


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"rows_out": 9}, "30 rows went in and 29 came out"),
        ({"errors": 1}, "1 of 30 rows have errors, over 0.0%"),
        ({"nulls": 2}, "2 of 30 rows have nulls, over 0.0%"),
        ({"path": "flights/1.csv"}, "3 entries of the manifests name 2 files"),
        ({"path": "flights/9.csv"}, "1 files of the manifests are not there, such as flights/9.csv"),
        ({"errors": -1}, "is no manifest"),
        ({"rows_in": "many"}, "is no manifest"),
        ({"path": None, "rows_in": None}, "20 rows went in and 30 came out"),
    ],
)
async def test_rows_that_are_not_whole_are_no_results(world: Any, changed: dict[str, Any], problem: str) -> None:
    activity = await land(world)
    leave(world, activity, **changed)
    await world.finish()
    activity = (await world.activities())[0]
    assert activity.status == "failed"
    assert problem in activity.reason
    assert f"{activity.id}/1/hub-manifest.json" not in world.data.contents


async def test_results_that_the_service_put_a_folder_deeper_are_found(world: Any) -> None:
    activity = await land(world)
    leave(world, activity, beside="predictions.csv/")
    world.data.contents[f"{activity.id}/1/predictions.csv/flights/manifest.json"] = b"a file of the team's, no manifest"
    await world.finish()
    activity = (await world.activities())[0]
    assert (activity.status, activity.reason) == ("succeeded", "")
    assert json.loads(world.data.contents[f"{activity.id}/1/hub-manifest.json"])["rows_out"] == 30


async def test_a_run_that_leaves_no_manifest_has_no_results(world: Any) -> None:
    activity = await land(world)
    await world.finish()
    activity = (await world.activities())[0]
    assert activity.status == "failed"
    assert "no manifest*.json" in activity.reason


async def test_a_retry_scores_the_same_files_into_a_place_of_its_own(world: Any) -> None:
    activity = await land(world)
    world.azureml.fate = "Failed"
    await world.finish()
    world.azureml.fate = "Completed"
    await world.hub.acts.ask(activity.id, Act(kind="retry", who="ann", at=world.now))
    await world.run(5)
    first, second = world.batch.invocations
    assert first.data == second.data
    assert second.output.endswith(f"{activity.id}/2/")


async def test_results_start_nothing_where_they_land_in_what_is_watched(world_of: Callable[[str], Any]) -> None:
    world = world_of(SCORE.replace("flights/**/*.csv", "**/*.csv").replace("output: scored", "output: scoring/done"))
    activity = await land(world)
    invocation = world.batch.invocations[0]
    assert invocation.output == f"azureml://datastores/scoring/paths/done/{activity.id}/1/"
    result = f"done/{activity.id}/1/flights/0.csv"
    await world.send(world.blob_event(result, "0x9", container="scoring"))
    await world.run(150)
    assert len(await world.activities()) == 1
    await world.send(world.blob_event("done/by-hand/1/0.csv", "0x9", container="scoring"))
    await world.run(150)
    assert len(await world.activities()) == 2


async def test_a_late_file_joins_the_next_run_and_outputs_start_nothing(world: Any) -> None:
    await land(world)
    await world.send(world.blob_event("flights/late.csv", "0x9", container="scoring"))
    await world.send(world.blob_event("x/1/flights/0.csv", "0x9", container="scored"))
    await world.run(150)
    assert [one.files.count for one in await world.activities()] == [1, 3]
