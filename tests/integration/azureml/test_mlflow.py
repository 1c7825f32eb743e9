"""MLflow over the workspace's endpoint: a job's run has the job's name, seen from inside the job and from outside."""

import json
import ssl
import subprocess
import urllib.error
import urllib.request
from typing import Any

import pytest
from azure.ai.ml import Input, MLClient, command
from azure.identity import DefaultAzureCredential

SCRIPT = """
import mlflow
with mlflow.start_run() as run:
    print("run", run.info.run_id)
    mlflow.log_param("depth", 3)
    mlflow.log_metric("mae", 9.5, step=1)
    mlflow.log_metric("mae", 7.25, step=2)
    mlflow.log_text("a note", "notes/one.txt")
"""
OUTSIDE = """
import json, sys, mlflow
run = mlflow.get_run(sys.argv[1])
client = mlflow.MlflowClient()
print(json.dumps({
    "status": run.info.status, "params": run.data.params, "name": run.info.run_name,
    "files": [item.path for item in client.list_artifacts(sys.argv[1], "notes")],
    "text": mlflow.artifacts.load_text(run.info.artifact_uri + "/notes/one.txt"),
    "found": [item.info.run_id for item in mlflow.search_runs(experiment_names=[sys.argv[2]], output_format="list")],
}))
"""


def outside(laptop: Any, script: str, *arguments: str) -> Any:
    cloud = laptop.cloud
    done = subprocess.run(
        [str(cloud.interpreter("mlflow")), "-c", script, *arguments],
        capture_output=True,
        text=True,
        timeout=90,
        env={"PATH": "/usr/bin:/bin", "MLFLOW_TRACKING_URI": cloud.mlflow_tracking_uri, "HOME": str(cloud.local_dir)},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_metrics_and_artifacts_of_a_job_are_read_by_the_name_of_the_job(
    ml: MLClient, laptop: Any, unique: str, code: Any, wait: Any, blobs: Any
) -> None:
    ml.jobs.create_or_update(
        command(
            name=unique,
            code=str(code(SCRIPT)),
            command="python main.py",
            environment="tracked@latest",
            compute="cpu-cluster",
            experiment_name=f"flights-{unique}",
        )
    )
    assert wait(ml, unique, 90).status == "Completed"

    tracking = ml.workspaces.get("laptop").mlflow_tracking_uri.replace("azureml://", "https://")
    assert tracking == ml.jobs.get(unique).services["Tracking"].endpoint.replace("azureml://", "https://").rstrip("?")
    token = DefaultAzureCredential().get_token("https://management.azure.com/.default").token
    for base in (laptop.cloud.mlflow_tracking_uri, tracking):
        request = urllib.request.Request(
            f"{base}/api/2.0/mlflow/runs/get?run_id={unique}", headers={"Authorization": f"Bearer {token}"}
        )
        context = ssl.create_default_context(cafile=str(laptop.cloud.ca_bundle))
        with urllib.request.urlopen(
            request, timeout=30, context=context if base.startswith("https") else None
        ) as answer:
            run = json.load(answer)["run"]
        assert run["info"]["run_id"] == unique
        assert {metric["key"]: metric["value"] for metric in run["data"]["metrics"]} == {"mae": 7.25}

    seen = outside(laptop, OUTSIDE, unique, f"flights-{unique}")
    assert seen["status"] == "FINISHED"
    assert seen["params"] == {"depth": "3"}
    assert seen["files"] == ["notes/one.txt"]
    assert seen["text"] == "a note"
    assert seen["found"] == [unique]
    path = f"ExperimentRun/dcid.{unique}/notes/one.txt"
    assert blobs("mlworkspace", "azureml", path) == {path: b"a note"}


def test_a_run_that_is_no_job_works_as_in_any_mlflow(laptop: Any, unique: str) -> None:
    script = """
import json, sys, mlflow
mlflow.set_experiment(sys.argv[1])
with mlflow.start_run() as run:
    mlflow.log_metric("loss", 0.5)
print(json.dumps(mlflow.get_run(run.info.run_id).data.metrics))
"""
    assert outside(laptop, script, unique) == {"loss": 0.5}


def test_a_run_that_does_not_exist_is_a_404(laptop: Any, unique: str) -> None:
    url = f"{laptop.cloud.mlflow_tracking_uri}/api/2.0/mlflow/runs/get?run_id={unique}"
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(url, timeout=30)
    with caught.value as error:
        assert error.code == 404
        assert json.load(error)["error_code"] == "RESOURCE_DOES_NOT_EXIST"


LOGGED = """
import mlflow, pandas
from sklearn.linear_model import LinearRegression
rows = pandas.DataFrame({"a": [1.0, 2.0, 3.0]})
model = LinearRegression().fit(rows, rows["a"])
with mlflow.start_run():
    mlflow.set_tag("azureml_modelmonitor_threshold_breached", "m_s has failed")
    mlflow.sklearn.log_model(
        model, name="model", registered_model_name="NAME", serialization_format="cloudpickle", input_example=rows
    )
"""


def test_a_model_that_mlflow_registers_is_one_of_the_workspace_and_tags_of_the_run_are_the_jobs(
    ml: MLClient, laptop: Any, unique: str, code: Any, wait: Any, blobs: Any
) -> None:
    ml.jobs.create_or_update(
        command(
            name=unique,
            code=str(code(LOGGED.replace("NAME", unique))),
            command="python main.py",
            environment="served@latest",
            compute="cpu-cluster",
        )
    )
    done = wait(ml, unique, 120)
    assert done.status == "Completed"
    assert done.tags["azureml_modelmonitor_threshold_breached"] == "m_s has failed"
    model = ml.models.get(unique, version="1")
    assert model.type == "mlflow_model"

    ml.jobs.create_or_update(
        command(
            name=f"{unique}-2",
            command="cat ${{inputs.model}}/MLmodel",
            inputs={"model": Input(type="mlflow_model", path=f"azureml:{unique}:1")},
            environment="plain@latest",
            compute="cpu-cluster",
        )
    )
    assert wait(ml, f"{unique}-2").status == "Completed"
    log = blobs("mlworkspace", "azureml", f"ExperimentRun/dcid.{unique}-2/user_logs/std_log.txt")
    assert b"sklearn" in next(iter(log.values()))
