"""Pipeline and sweep jobs by the unmodified client: steps in order, trials a few at once, the best by its metric."""

import time
from pathlib import Path
from typing import Any

import pytest
from azure.ai.ml import Input, MLClient, Output, command, dsl, load_component, load_job
from azure.ai.ml.sweep import BanditPolicy, Choice, Uniform
from azure.core.exceptions import HttpResponseError
from azure.storage.blob import BlobServiceClient

from local.azureml.wire import WORKSPACE_GUID

BLOBS = f"azureml-blobstore-{WORKSPACE_GUID}"


def step(name: str, line: str, inputs: dict[str, Any], outputs: dict[str, Any] | None = None) -> Any:
    return command(name=name, command=line, inputs=inputs, outputs=outputs or {}, environment="plain@latest")


def put(laptop: Any, name: str, text: str) -> Input:
    with BlobServiceClient.from_connection_string(laptop.cloud.connection_string("landing")) as service:
        service.get_blob_client("landing", name).upload_blob(text, overwrite=True)
    return Input(type="uri_file", path=f"azureml://datastores/landing/paths/{name}")


def test_steps_run_in_the_order_of_their_data_and_the_last_output_is_the_pipelines(
    ml: MLClient, laptop: Any, unique: str, wait: Any, blobs: Any
) -> None:
    prepare = step(
        "prepare",
        "cat ${{inputs.data}} > ${{outputs.ready}}/d.txt; echo ${{inputs.factor}} >> ${{outputs.ready}}/d.txt",
        {"data": Input(type="uri_file"), "factor": Input(type="number", default=2)},
        {"ready": Output(type="uri_folder")},
    )
    train = step(
        "train",
        "cat ${{inputs.ready}}/d.txt > ${{outputs.model}}/m.txt; echo ${{inputs.note}} $[[opt=${{inputs.opt}}]] >> "
        "${{outputs.model}}/m.txt",
        {
            "ready": Input(type="uri_folder"),
            "note": Input(type="string"),
            "opt": Input(type="string", optional=True),
        },
        {"model": Output(type="custom_model")},
    )

    @dsl.pipeline(default_compute="cpu-cluster", experiment_name="pipes")
    def flow(data, note):
        first = prepare(data=data)
        second = train(ready=first.outputs.ready, note=note)
        return {"model": second.outputs.model}

    job = flow(data=put(laptop, f"{unique}.csv", "1\n"), note="hello")
    job.name = unique
    ml.jobs.create_or_update(job)

    assert wait(ml, unique).status == "Completed"
    found = blobs("mlworkspace", BLOBS, f"azureml/{unique}/model/")
    assert [content.split() for content in found.values()] == [[b"1", b"2.0", b"hello"]]
    children = list(ml.jobs.list(parent_job_name=unique))
    assert sorted(child.display_name for child in children) == ["first", "second"]
    assert {child.status for child in children} == {"Completed"}


def test_a_failing_step_fails_the_pipeline_and_what_needs_it_never_runs(
    ml: MLClient, laptop: Any, unique: str, wait: Any, tmp_path: Path
) -> None:
    (tmp_path / "pipeline.yml").write_text(
        """
$schema: https://azuremlschemas.azureedge.net/latest/pipelineJob.schema.json
type: pipeline
settings: {default_compute: azureml:cpu-cluster, continue_on_step_failure: true}
jobs:
  bad:
    command: exit 3
    environment: azureml:plain@latest
    outputs: {out: {type: uri_folder}}
  needs:
    command: ls ${{inputs.from}}
    environment: azureml:plain@latest
    inputs: {from: "${{parent.jobs.bad.outputs.out}}"}
  alone:
    command: echo fine
    environment: azureml:plain@latest
"""
    )
    job = load_job(tmp_path / "pipeline.yml")
    job.name = unique
    job.experiment_name = "pipes"
    ml.jobs.create_or_update(job)

    assert wait(ml, unique).status == "Failed"
    statuses = {child.display_name: child.status for child in ml.jobs.list(parent_job_name=unique)}
    assert statuses == {"bad": "Failed", "alone": "Completed"}


def test_a_pipeline_is_cancelled_with_its_steps(ml: MLClient, unique: str, wait_for: Any) -> None:
    slow = step("slow", "sleep 300", {})

    @dsl.pipeline(default_compute="cpu-cluster")
    def flow():
        slow()

    job = flow()
    job.name = unique
    ml.jobs.create_or_update(job)
    end = time.monotonic() + 20
    while time.monotonic() < end:
        children = list(ml.jobs.list(parent_job_name=unique))
        if children and children[0].status == "Running":
            break
        time.sleep(0.1)

    ml.jobs.begin_cancel(unique).result(timeout=30)

    assert ml.jobs.get(unique).status == "Canceled"
    assert [child.status for child in ml.jobs.list(parent_job_name=unique)] == ["Canceled"]


def test_a_registered_component_is_a_step_with_its_own_code(
    ml: MLClient, laptop: Any, unique: str, wait: Any, code: Any, blobs: Any
) -> None:
    folder = code("import sys; print('component says', sys.argv[1])")
    (folder / "component.yml").write_text(
        f"""
$schema: https://azuremlschemas.azureedge.net/latest/commandComponent.schema.json
type: command
name: c{unique}
version: "4"
code: .
command: python main.py ${{{{inputs.word}}}}
environment: azureml:plain@latest
inputs: {{word: {{type: string}}}}
"""
    )
    ml.components.create_or_update(load_component(folder / "component.yml"))
    say = ml.components.get(f"c{unique}", version="4")

    @dsl.pipeline(default_compute="cpu-cluster")
    def flow():
        say(word="yes")

    job = flow()
    job.name = unique
    ml.jobs.create_or_update(job)

    assert wait(ml, unique).status == "Completed"
    child = next(iter(ml.jobs.list(parent_job_name=unique)))
    log = blobs("mlworkspace", "azureml", f"ExperimentRun/dcid.{child.name}/user_logs/std_log.txt")
    assert list(log.values()) == [b"component says yes\n"]


TRIAL = """
import sys, time, mlflow
depth, rate = int(sys.argv[1]), float(sys.argv[2])
with mlflow.start_run():
    mlflow.log_param("depth", depth)
    mlflow.log_metric("mae", 10 - depth)
"""


def test_a_grid_sweep_runs_every_combination_a_few_at_once_and_names_the_best(
    ml: MLClient, unique: str, code: Any, wait: Any
) -> None:
    base = command(
        code=str(code(TRIAL)),
        command="python main.py ${{inputs.depth}} ${{inputs.rate}}",
        inputs={"depth": 1, "rate": 0.1},
        environment="tracked@latest",
        compute="cpu-cluster",
    )
    sweep = base(depth=Choice([1, 2, 4]), rate=Choice([0.5])).sweep(
        sampling_algorithm="grid", primary_metric="mae", goal="minimize"
    )
    sweep.name, sweep.experiment_name = unique, f"sweep-{unique}"
    sweep.set_limits(max_total_trials=10, max_concurrent_trials=2, timeout=600)
    ml.jobs.create_or_update(sweep)

    done = wait(ml, unique, 120)

    assert done.status == "Completed"
    assert done.properties["best_child_run_id"] == f"{unique}_2"
    assert float(done.properties["score"]) == 6
    trials = list(ml.jobs.list(parent_job_name=unique))
    assert sorted(trial.name for trial in trials) == [f"{unique}_{number}" for number in range(3)]
    assert {trial.status for trial in trials} == {"Completed"}


def test_a_random_sweep_fails_where_no_trial_completes_and_odd_ones_are_refused(
    ml: MLClient, unique: str, wait: Any
) -> None:
    def sweep(**more: Any) -> Any:
        base = command(
            command="exit ${{inputs.depth}}",
            inputs={"depth": 1.0},
            environment="plain@latest",
            compute="cpu-cluster",
        )
        made = base(depth=Uniform(1.0, 1.5)).sweep(primary_metric="mae", goal="maximize", **more)
        made.set_limits(max_total_trials=2)
        made.experiment_name = "sweeps"
        return made

    random = sweep(sampling_algorithm="random", early_termination_policy=BanditPolicy(slack_factor=0.1))
    random.name = unique
    ml.jobs.create_or_update(random)
    with pytest.raises(HttpResponseError, match="bayesian"):
        ml.jobs.create_or_update(sweep(sampling_algorithm="bayesian"))
    with pytest.raises(HttpResponseError, match="choices only"):
        ml.jobs.create_or_update(sweep(sampling_algorithm="grid"))
    assert wait(ml, unique).status == "Failed"
