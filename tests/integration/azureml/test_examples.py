"""Files in the style of the public azureml-examples, run by plain MLClient calls; computes and images alone are ours.

The way of https://learn.microsoft.com/azure/machine-learning/how-to-train-model, how-to-create-component-pipelines-cli,
how-to-tune-hyperparameters, how-to-deploy-online-endpoints and how-to-use-batch-model-deployments.
"""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from azure.ai.ml import (
    Input,
    MLClient,
    load_batch_deployment,
    load_batch_endpoint,
    load_job,
    load_online_deployment,
    load_online_endpoint,
)
from azure.ai.ml.entities import Model
from azure.core.exceptions import HttpResponseError


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A copy of the files, as a person has them in a folder of their own."""
    return Path(shutil.copytree(Path(__file__).parent / "examples", tmp_path / "examples"))


def deployed(ml: MLClient, endpoint: str, deployment: Any) -> None:
    ml.online_deployments.begin_create_or_update(deployment).result()
    found = ml.online_endpoints.get(endpoint)
    found.traffic = {deployment.name: 100}
    ml.online_endpoints.begin_create_or_update(found).result()


def served(ml: MLClient, endpoint: str, request: Path) -> Any:
    answer = ml.online_endpoints.invoke(endpoint_name=endpoint, request_file=str(request))
    return json.loads(answer)


def test_a_command_job_trains_a_model_that_is_registered_and_served_without_a_script(
    ml: MLClient, files: Path, unique: str, wait: Any
) -> None:
    job = ml.jobs.create_or_update(load_job(files / "command" / "job.yml", params_override=[{"name": unique}]))
    assert wait(ml, job.name, 90).status == "Completed"
    model = ml.models.create_or_update(
        Model(name=f"flowers-{unique}", path=f"azureml://jobs/{job.name}/outputs/model", type="mlflow_model")
    )
    assert (model.version, model.type) == ("1", "mlflow_model")
    ml.online_endpoints.begin_create_or_update(
        load_online_endpoint(files / "online" / "endpoint.yml", params_override=[{"name": unique}])
    ).result()
    text = f"name: green\nendpoint_name: {unique}\nmodel: azureml:flowers-{unique}:1\ninstance_type: Standard_DS3_v2\n"
    (files / "green.yml").write_text(f"{text}instance_count: 1\n")
    deployed(ml, unique, load_online_deployment(files / "green.yml"))
    (files / "rows.json").write_text(
        json.dumps({"input_data": {"columns": ["petal", "sepal"], "data": [[1.5, 4.8], [4.9, 6.6]]}})
    )
    assert served(ml, unique, files / "rows.json") == ["a", "b"]
    ml.online_endpoints.begin_delete(unique).result()


def test_a_sweep_finds_the_best_trial(ml: MLClient, files: Path, unique: str, wait: Any) -> None:
    override = [{"name": unique}, {"trial.environment": "azureml:sklearn-1.5:1"}]
    job = ml.jobs.create_or_update(load_job(files / "sweep" / "job.yml", params_override=override))
    done = wait(ml, job.name, 120)
    assert done.status == "Completed"
    assert done.properties["best_child_run_id"] in {one.name for one in ml.jobs.list(parent_job_name=unique)}
    assert 0.5 <= float(done.properties["score"]) <= 1.0


def test_a_pipeline_of_component_files_runs(ml: MLClient, files: Path, unique: str, wait: Any) -> None:
    pipeline = load_job(files / "pipeline" / "pipeline.yml", params_override=[{"name": unique}])
    for step in ("prep", "train"):
        pipeline.jobs[step].component.environment = "azureml:sklearn-1.5:1"
    job = ml.jobs.create_or_update(pipeline)
    assert wait(ml, job.name, 120).status == "Completed"
    ml.jobs.download(name=job.name, output_name="report", download_path=files / "down")
    assert (files / "down" / "named-outputs" / "report" / "report.txt").read_text() == "15 rows, mean 2.99"


def test_an_online_endpoint_answers_with_a_local_model_and_a_local_script(
    ml: MLClient, files: Path, unique: str
) -> None:
    name = [{"name": unique}]
    ml.online_endpoints.begin_create_or_update(
        load_online_endpoint(files / "online" / "endpoint.yml", params_override=name)
    ).result()
    deployment = load_online_deployment(
        files / "online" / "blue-deployment.yml", params_override=[{"endpoint_name": unique}]
    )
    deployed(ml, unique, deployment)
    assert ml.online_endpoints.get(unique).traffic == {"blue": 100}
    assert served(ml, unique, files / "online" / "sample-request.json") == [3, 6, 9]
    ml.online_endpoints.begin_delete(unique).result()


@pytest.mark.filterwarnings("ignore:This class is intended as a base class:UserWarning")
def test_a_batch_endpoint_scores_a_folder(ml: MLClient, files: Path, unique: str, wait: Any) -> None:
    ml.batch_endpoints.begin_create_or_update(
        load_batch_endpoint(files / "batch" / "endpoint.yml", params_override=[{"name": unique}])
    ).result()
    deployment = load_batch_deployment(files / "batch" / "deployment.yml", params_override=[{"endpoint_name": unique}])
    ml.batch_deployments.begin_create_or_update(deployment).result()
    endpoint = ml.batch_endpoints.get(unique)
    endpoint.defaults.deployment_name = "classifier"
    ml.batch_endpoints.begin_create_or_update(endpoint).result()
    job = ml.batch_endpoints.invoke(
        endpoint_name=unique, input=Input(type="uri_folder", path=str(files / "batch" / "data"))
    )
    assert wait(ml, job.name, 90).status == "Completed"
    ml.jobs.download(name=job.name, download_path=str(files / "down"), output_name="score")
    found = next((files / "down").rglob("predictions.csv"))
    assert sorted(found.read_text().split()) == ["0.txt,0", "1.txt,4", "2.txt,8"]


@pytest.mark.parametrize(
    ("file", "reason"),
    [("job.yml", "is built from a Dockerfile, and images are not built on a laptop"), ("cuda.yml", "has no Python")],
)
def test_what_needs_an_image_is_refused_with_what_to_do(ml: MLClient, files: Path, file: str, reason: str) -> None:
    with pytest.raises(HttpResponseError, match=reason):
        ml.jobs.create_or_update(load_job(files / "docker" / file))
