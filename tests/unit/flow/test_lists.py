"""Files that are more than is copied: frozen by a list, looked at before and after each job that reads them."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from shared.actions import lists
from shared.azureml.protocol import JobRequest, JobView
from shared.engine.outcomes import TransientError
from shared.ledger.records import Act, Activity
from shared.settings import Settings, SettingsError
from tests.unit.flow.world import AUTOMATION, ENVIRONMENT, JOB, World

SMALL = {"HUB_FREEZE_COPY_MOST": "25"}
FILES = "name: plain\non: [{blob-created: {container: landing, path: 'in/*', collect: {quiet: 1m, max-wait: 1h}}}]\n"
JOBS = FILES + "do: {job: {job: jobs/train.yml, inputs: {data: '${{ files }}'}}}\n"
SCORED = FILES.replace("plain", "scored") + "do: {score: {endpoint: delay-batch, output: scored}}\n"


@pytest.fixture
def listing(tmp_path: Path) -> Callable[..., World]:
    """Makes a hub that copies 25 bytes at most, which is two of its files."""

    def make(automation: str = AUTOMATION, environment: Mapping[str, str] = SMALL) -> World:
        return World(tmp_path, automation, environment)

    return make


async def burst(world: World, count: int = 3) -> None:
    files = [world.blob_event(f"flights/2013-01/{n}.csv", f"0x{n}", number=n) for n in range(count)]
    await world.send(*files, world.blob_event("flights/2013-01/_SUCCESS", "0xF", number=count))
    await world.run(10)


async def one(world: World) -> Activity:
    (activity,) = await world.activities()
    return activity


def detail(activity: Activity, step: str) -> dict[str, Any]:
    found = activity.step(step)
    assert found is not None
    return found.detail


async def test_much_data_is_a_table_of_paths_and_no_copies(listing: Callable[..., World]) -> None:
    world = listing()
    await burst(world)
    await world.finish()
    activity = await one(world)
    assert (activity.status, activity.reason) == ("succeeded", "")
    assert (world.data.copies, world.azureml.data) == ([], {})
    for step, asset in (("files", "delay-train-files"), ("dataset", "flights")):
        made = detail(activity, step)
        folder = f"frozen/{activity.id}/{step}-list"
        uri, refers = world.azureml.tables[asset, activity.id]
        base = "azureml://subscriptions/s/resourcegroups/rg/workspaces/ws/datastores/landing/paths/"
        assert (uri, refers) == (f"azureml://datastores/hub_data/paths/{folder}/", (base,))
        assert (made["frozen_as"], made["files"], made["size"], made["uri"]) == ("list", 3, 30, uri)
        table = world.data.contents[f"{folder}/MLTable"].decode()
        assert table.splitlines()[1:4] == ["type: mltable", "paths:", f'  - file: "{base}flights/2013-01/0.csv"']
        entries = json.loads(world.data.contents[f"{folder}/files.json"])["files"]
        assert entries[2] == {"path": "landing/landing/flights/2013-01/2.csv", "etag": "0x2", "size": 10}
    inputs = [request.inputs["data"] for request in world.azureml.requests]
    assert [(one.kind, one.frozen) for one in inputs] == [("mltable", "files"), ("mltable", "dataset")]
    model = world.azureml.models["arrival-delay", activity.id]
    assert model.properties["hub.dataset"] == f"flights:{activity.id}"


@pytest.mark.parametrize(
    ("environment", "count", "how"),
    [({}, 3, "copies"), (SMALL, 2, "copies"), (SMALL, 3, "list"), ({"HUB_FREEZE_COPY_MOST": "1 KB"}, 3, "copies")],
)
async def test_the_size_of_the_whole_list_decides(
    listing: Callable[..., World], environment: Mapping[str, str], count: int, how: str
) -> None:
    world = listing(environment=environment)
    await burst(world, count)
    assert detail(await one(world), "files")["frozen_as"] == how
    assert len(world.data.copies) == (count if how == "copies" else 0)


@pytest.mark.parametrize(
    ("automation", "job", "path", "because"),
    [
        (SCORED, JOB, "in/0.csv", "the batch endpoint delay-batch reads a folder"),
        (JOBS, JOB.replace("uri_folder}", "uri_folder, mode: direct}"), "in/0.csv", "by its address"),
        (JOBS, JOB.replace("command: python", "type: pipeline\njobs: {}\nx:"), "in/0.csv", "is a pipeline"),
        (JOBS, JOB, "in/[0] ü.csv", "characters that an MLTable may read as something else"),
        (JOBS, JOB, "in/a%20b.csv", "characters that an MLTable may read as something else"),
    ],
)
async def test_what_a_list_cannot_do_is_copied_and_says_why(
    listing: Callable[..., World], tmp_path: Path, automation: str, job: str, path: str, because: str
) -> None:
    (tmp_path / "jobs").mkdir()
    world = listing(automation)
    (tmp_path / "jobs" / "train.yml").write_text(job)
    world.hub = world.start()
    await world.send(*(world.blob_event(name, "0x1") for name in (path, "in/1.csv", "in/2.csv")))
    await world.run(120)
    made = detail(await one(world), "files")
    assert (made["frozen_as"], len(world.data.copies)) == ("copies", 3)
    assert because in made["copied_because"]


@pytest.mark.parametrize("found", [None, "elsewhere"])
async def test_a_container_without_a_datastore_fails_and_says_what_to_do(
    listing: Callable[..., World], found: str | None
) -> None:
    world = listing()
    del world.azureml.datastores["landing"]
    world.azureml.datastores |= {"landing": found} if found else {}
    await burst(world)
    activity = await one(world)
    assert activity.status == "failed"
    for said in ("a datastore of landing/landing", "az ml datastore create", "HUB_FREEZE_COPY_MOST (25)", "retry"):
        assert said in activity.reason
    world.azureml.datastores["landing"] = "landing"
    await world.hub.acts.ask(activity.id, Act(kind="retry", who="ann", at=world.now))
    await world.finish()
    assert (await one(world)).status == "succeeded"


async def test_another_account_s_datastore_is_named_by_the_setting(listing: Callable[..., World]) -> None:
    world = listing(
        environment={**SMALL, "HUB_DATA_ACCOUNT": "other", "HUB_DATASTORES": '{"landing/landing": "drops"}'}
    )
    world.azureml.datastores["drops"] = "landing"
    await burst(world)
    activity = await one(world)
    assert detail(activity, "files")["datastores"] == {"landing/landing": "drops"}
    table = world.data.contents[f"frozen/{activity.id}/files-list/MLTable"].decode()
    assert "/datastores/drops/paths/flights/2013-01/0.csv" in table


async def test_a_long_list_is_looked_at_in_portions(
    listing: Callable[..., World], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lists, "A_LOOK", 70)
    world = listing()
    await burst(world, 200)
    await world.finish()
    activity = await one(world)
    assert activity.status == "succeeded"
    assert detail(activity, "dataset")["listed"] == 200
    # Twice frozen, two jobs: each looked at before and after.
    assert len(world.data.looks) == 6 * 200
    assert world.data.contents[f"frozen/{activity.id}/dataset-list/MLTable"].count(b"  - file: ") == 200


async def test_a_slow_storage_makes_the_portions_smaller(
    listing: Callable[..., World], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.actions.lists.monotonic", iter(range(10**6)).__next__)
    monkeypatch.setattr(lists, "_SECONDS", 1.5)
    world = listing()
    await burst(world, 200)
    await world.finish()
    assert (await one(world)).status == "succeeded"


@pytest.mark.parametrize(("now", "said"), [("", "is gone"), ("0xNEW", "was rewritten (its etag is 0xNEW, it was 0x1)")])
async def test_a_file_that_changed_before_a_job_stops_it(listing: Callable[..., World], now: str, said: str) -> None:
    world = listing()
    await burst(world)
    world.data.now["flights/2013-01/1.csv"] = now
    world.azureml.end_jobs()
    await world.run(70)
    activity = await one(world)
    assert activity.status == "failed"
    assert f"landing/landing/flights/2013-01/1.csv {said}" in activity.reason
    assert [request.name.split("-")[-2] for request in world.azureml.requests] == ["check"]
    assert world.azureml.models == {}


async def test_a_file_that_changed_after_the_dataset_was_frozen_stops_the_training_before_it_is_submitted(
    listing: Callable[..., World],
) -> None:
    world = listing()
    await burst(world)

    seen = world.data.looks

    async def look(file: Any) -> Any:
        # The fourth time that this file is looked at is right before the training.
        if seen.count("flights/2013-01/2.csv") == 4 and file.path.endswith("2.csv"):
            world.data.now[file.path] = "0xNEW"
        return await type(world.data).look(world.data, file)

    world.data.look = look  # type: ignore[method-assign]
    await world.finish()
    activity = await one(world)
    assert activity.status == "failed"
    assert activity.reason.startswith("the train job was not started: landing/landing/flights/2013-01/2.csv was")
    assert [request.name.split("-")[-2] for request in world.azureml.requests] == ["check"]


async def test_a_file_that_changes_while_a_job_runs_fails_it_before_anything_is_registered(
    listing: Callable[..., World],
) -> None:
    world = listing()
    await burst(world)
    world.azureml.end_jobs()
    await world.run(10)
    assert len(world.azureml.requests) == 2
    world.data.now |= {f"flights/2013-01/{n}.csv": "0xNEW" for n in range(3)}
    world.azureml.end_jobs()
    await world.run(70)
    activity = await one(world)
    job = f"hub-{activity.id}-train-1"
    assert activity.status == "failed"
    assert activity.reason.startswith(f"train job {job} completed, but what it read may be something else")
    assert activity.reason.count(" was rewritten ") == 3
    assert world.azureml.models == {}
    await world.hub.acts.ask(activity.id, Act(kind="retry", who="ann", at=world.now))
    await world.finish()
    again = await one(world)
    assert (again.status, again.attempt) == ("failed", 2)
    assert again.reason.startswith("the train job was not started")
    assert len(world.azureml.requests) == 2


async def test_a_retry_looks_again_and_runs_where_nothing_changed(listing: Callable[..., World]) -> None:
    world = listing()
    await burst(world)
    world.azureml.end_jobs()
    await world.run(10)
    world.azureml.fate = "Failed"
    world.azureml.end_jobs()
    await world.run(70)
    failed = await one(world)
    assert failed.status == "failed"
    before = len(world.data.looks)
    world.azureml.fate = "Completed"
    await world.hub.acts.ask(failed.id, Act(kind="retry", who="ann", at=world.now))
    await world.finish()
    again = await one(world)
    assert (again.status, again.attempt) == ("succeeded", 2)
    assert len(world.data.looks) - before == 6
    assert detail(again, "dataset") == detail(failed, "dataset")


async def test_a_dataset_of_lists_and_copies_names_each_where_it_lies(listing: Callable[..., World]) -> None:
    world = listing()
    await burst(world, 2)
    await world.finish()
    world.now = world.now.replace(day=world.now.day + 1)
    files = [world.blob_event(f"flights/2013-02/{n}.csv", f"0xA{n}", number=10 + n) for n in range(2)]
    await world.send(*files, world.blob_event("flights/2013-02/_SUCCESS", "0xG", number=20))
    await world.run(10)
    await world.finish()
    second, first = await world.activities()
    assert (first.status, second.status) == ("succeeded", "succeeded"), (first.reason, second.reason)
    assert detail(second, "files")["frozen_as"] == "copies"
    assert (detail(second, "dataset")["frozen_as"], detail(second, "dataset")["files"]) == ("list", 4)
    table = world.data.contents[f"frozen/{second.id}/dataset-list/MLTable"].decode()
    for one_ in (first, second):
        assert f"/datastores/hub_data/paths/frozen/{one_.id}/files/flights/" in table


async def test_a_dataset_of_copies_does_not_take_what_was_not_accepted(listing: Callable[..., World]) -> None:
    world = listing()
    await burst(world, 3)
    await world.finish()
    world.given["HUB_FREEZE_COPY_MOST"] = "1 GB"
    world.hub = world.start()
    world.data.now["flights/2013-01/2.csv"] = "0xBAD"
    await world.send(
        world.blob_event("flights/2013-02/0.csv", "0xB"), world.blob_event("flights/2013-02/_SUCCESS", "0xG")
    )
    await world.run(10)
    await world.finish()
    second = (await world.activities())[0]
    assert second.status == "failed"
    assert "the dataset cannot be frozen: landing/landing/flights/2013-01/2.csv was rewritten" in second.reason


async def test_a_job_whose_answer_was_lost_is_followed_and_looked_at_after_it(listing: Callable[..., World]) -> None:
    world = listing(JOBS)
    answer = world.azureml.submit

    async def unheard(request: JobRequest) -> JobView:
        view = await answer(request)
        if len(world.azureml.requests) == 1:
            world.data.now["in/1.csv"] = "0xNEW"
            raise TransientError("no answer")
        return view

    world.azureml.submit = unheard  # type: ignore[method-assign]
    await world.send(*(world.blob_event(f"in/{n}.csv", f"0x{n}") for n in range(3)))
    await world.run(200)
    assert (await one(world)).status == "running"
    await world.finish()
    assert (await one(world)).reason.startswith(
        f"job job hub-{(await one(world)).id}-job-1 completed, but what it read"
    )


async def test_a_scoring_job_reads_a_list_too(listing: Callable[..., World]) -> None:
    world = listing(SCORED.replace("endpoint: delay-batch", "job: jobs/score.yml, inputs: {model: 'azureml:m:3'}"))
    await world.send(*(world.blob_event(f"in/{n}.csv", f"0x{n}") for n in range(3)))
    await world.run(200)
    (request,) = world.azureml.requests
    assert (request.inputs["data"].kind, request.inputs["data"].frozen) == ("mltable", "files")
    world.data.now["in/1.csv"] = ""
    await world.finish()
    assert "landing/landing/in/1.csv is gone" in (await one(world)).reason


async def test_the_address_of_a_list_is_the_list(listing: Callable[..., World]) -> None:
    named = AUTOMATION.replace('"${{ dataset }}"', '"azureml:${{ dataset.asset }}:${{ dataset.version }}"')
    world = listing(named)
    await burst(world)
    await world.finish()
    assert (await one(world)).status == "succeeded"
    data = world.azureml.requests[1].inputs["data"]
    assert (data.kind, data.frozen) == ("mltable", "dataset")


@pytest.mark.parametrize("text", ["0", "much", "-1 GB", "1.5 GB"])
def test_a_size_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match=r"HUB_FREEZE_COPY_MOST: .* is no size"):
        Settings.read({**ENVIRONMENT, "HUB_FREEZE_COPY_MOST": text}, Path())


@pytest.mark.parametrize(("text", "most"), [("", 100 * 10**9), ("2 GiB", 2 * 2**30), ("1000", 1000)])
def test_the_size_up_to_which_is_copied(text: str, most: int) -> None:
    assert Settings.read({**ENVIRONMENT, "HUB_FREEZE_COPY_MOST": text}, Path()).freeze_copy_most == most
