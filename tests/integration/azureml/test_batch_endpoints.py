"""Batch endpoints by the unmodified client: a scoring script or an MLflow model over files, results in storage."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
from azure.ai.ml import Input, MLClient, Output
from azure.ai.ml.entities import (
    BatchEndpoint,
    BatchRetrySettings,
    CodeConfiguration,
    Model,
    ModelBatchDeployment,
    ModelBatchDeploymentSettings,
)
from azure.core.exceptions import HttpResponseError
from azure.storage.blob import BlobServiceClient

SCRIPT = """
import os, pathlib
def init():
    global factor
    factor = int(pathlib.Path(os.environ["AZUREML_MODEL_DIR"], "m", "factor.txt").read_text())
def run(mini_batch):
    print("mini-batch of", len(mini_batch))
    return [f"{pathlib.Path(name).name},{int(pathlib.Path(name).read_text()) * factor}" for name in mini_batch]
"""
TRAINED = """
import sys, mlflow, numpy, pandas
from sklearn.linear_model import LinearRegression
rows = pandas.DataFrame({"a": [1.0, 2.0, 3.0], "b": [1.0, 0.0, 1.0]})
model = LinearRegression().fit(rows, rows["a"] * 2 + rows["b"])
from mlflow.models import infer_signature
signature = infer_signature(rows, model.predict(rows))
mlflow.sklearn.save_model(model, sys.argv[1], signature=signature, serialization_format="cloudpickle")
"""


def put(laptop: Any, name: str, content: bytes | str, container: str = "landing") -> None:
    with BlobServiceClient.from_connection_string(laptop.cloud.connection_string("landing")) as service:
        service.get_blob_client(container, name).upload_blob(content, overwrite=True)


def deploy(ml: MLClient, endpoint: str, name: str, model: str, code: Path | None, **more: Any) -> None:
    settings = {"mini_batch_size": 2, "max_concurrency_per_instance": 2, "output_file_name": "out.csv", **more}
    ml.batch_deployments.begin_create_or_update(
        ModelBatchDeployment(
            name=name,
            endpoint_name=endpoint,
            model=model,
            environment="plain@latest" if code else None,
            code_configuration=CodeConfiguration(code=str(code), scoring_script="main.py") if code else None,
            compute="cpu-cluster",
            settings=ModelBatchDeploymentSettings(
                output_action="append_row", retry_settings=BatchRetrySettings(max_retries=1, timeout=30), **settings
            ),
        )
    ).result()


@pytest.fixture
def endpoint(ml: MLClient, laptop: Any, unique: str, code: Any) -> Any:
    """A batch endpoint whose default deployment multiplies by 3."""
    put(laptop, f"{unique}/m/factor.txt", "3")
    ml.models.create_or_update(
        Model(name=unique, version="1", path=f"azureml://datastores/landing/paths/{unique}/m", type="custom_model")
    )
    ml.batch_endpoints.begin_create_or_update(BatchEndpoint(name=unique)).result()
    deploy(ml, unique, "times", f"{unique}:1", code(SCRIPT))
    found = ml.batch_endpoints.get(unique)
    found.defaults = {"deployment_name": "times"}
    ml.batch_endpoints.begin_create_or_update(found).result()
    yield ml.batch_endpoints.get(unique)
    ml.batch_endpoints.begin_delete(unique).result()


def test_files_are_scored_in_mini_batches_and_the_results_lie_where_they_were_asked_for(
    ml: MLClient, laptop: Any, endpoint: Any, wait: Any, blobs: Any
) -> None:
    name = endpoint.name
    for number in range(5):
        put(laptop, f"{name}/in/f{number}.txt", str(number), "scoring")

    job = ml.batch_endpoints.invoke(
        endpoint_name=name,
        inputs={"data": Input(type="uri_folder", path=f"azureml://datastores/scoring/paths/{name}/in")},
        outputs={"score": Output(type="uri_file", path=f"azureml://datastores/scored/paths/{name}/1/out.csv")},
        experiment_name="scoring",
        job_name=f"{name}-run",
    )

    assert job.name == f"{name}-run"
    assert wait(ml, job.name).status == "Completed"
    found = blobs("landing", "scored", f"{name}/1")
    assert found == {f"{name}/1/out.csv": b"f0.txt,0\nf1.txt,3\nf2.txt,6\nf3.txt,9\nf4.txt,12\n"}
    assert [item.name for item in ml.batch_endpoints.list_jobs(name)] == [f"{name}-run"]
    again = ml.batch_endpoints.invoke(
        endpoint_name=name,
        inputs={"data": Input(type="uri_folder", path=f"azureml://datastores/scoring/paths/{name}/in")},
        outputs={"score": Output(type="uri_file", path=f"azureml://datastores/scored/paths/{name}/1/out.csv")},
        experiment_name="scoring",
        job_name=f"{name}-run",
    )
    assert again.name == job.name
    assert len(list(ml.batch_endpoints.list_jobs(name))) == 1


def test_one_output_file_and_a_single_input_file(
    ml: MLClient, laptop: Any, endpoint: Any, wait: Any, blobs: Any
) -> None:
    name = endpoint.name
    put(laptop, f"{name}/one.txt", "7", "scoring")
    job = ml.batch_endpoints.invoke(
        endpoint_name=name,
        input=Input(type="uri_file", path=f"azureml://datastores/scoring/paths/{name}/one.txt"),
        outputs={"score": Output(type="uri_file", path=f"azureml://datastores/scored/paths/{name}/p.csv")},
        deployment_name="times",
    )
    assert wait(ml, job.name).status == "Completed"
    assert blobs("landing", "scored", f"{name}/p.csv") == {f"{name}/p.csv": b"one.txt,21\n"}


def test_an_output_that_is_a_folder_is_refused_in_the_service_s_words(ml: MLClient, laptop: Any, endpoint: Any) -> None:
    with pytest.raises(HttpResponseError, match=r"(?s)OutputData\.Values\[0\]\.JobOutputType.*must be 'uri_file'"):
        ml.batch_endpoints.invoke(
            endpoint_name=endpoint.name,
            input=Input(type="uri_folder", path=f"azureml://datastores/scoring/paths/{endpoint.name}/in"),
            outputs={"score": Output(type="uri_folder", path=f"azureml://datastores/scored/paths/{endpoint.name}/1")},
        )


def test_more_failures_than_the_threshold_fail_the_job(
    ml: MLClient, laptop: Any, endpoint: Any, wait: Any, code: Any
) -> None:
    name = endpoint.name
    deploy(ml, name, "strict", f"{name}:1", code(SCRIPT), error_threshold=0, mini_batch_size=1)
    deploy(ml, name, "loose", f"{name}:1", code(SCRIPT), error_threshold=1, mini_batch_size=1)
    put(laptop, f"{name}/bad/a.txt", "1", "scoring")
    put(laptop, f"{name}/bad/b.txt", "no number", "scoring")
    data = Input(type="uri_folder", path=f"azureml://datastores/scoring/paths/{name}/bad")
    strict = ml.batch_endpoints.invoke(endpoint_name=name, input=data, deployment_name="strict")
    loose = ml.batch_endpoints.invoke(endpoint_name=name, input=data, deployment_name="loose")
    assert wait(ml, strict.name).status == "Failed"
    assert wait(ml, loose.name).status == "Completed"


def test_an_mlflow_model_needs_no_script(
    ml: MLClient, laptop: Any, endpoint: Any, wait: Any, blobs: Any, tmp_path: Path
) -> None:
    name = endpoint.name
    folder = tmp_path / "model"
    python = laptop.cloud.interpreter("serving")
    environ = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path}/m.db"}
    subprocess.run([str(python), "-c", TRAINED, str(folder)], check=True, timeout=90, env=environ, capture_output=True)
    for path in folder.rglob("*"):
        if path.is_file():
            put(laptop, f"{name}/flow/{path.relative_to(folder).as_posix()}", path.read_bytes())
    ml.models.create_or_update(
        Model(name=f"{name}f", version="1", path=f"azureml://datastores/landing/paths/{name}/flow", type="mlflow_model")
    )
    deploy(ml, name, "flow", f"{name}f:1", None)
    put(laptop, f"{name}/rows/r.csv", "a,b,extra\n1,1,x\n5,0,y\n", "scoring")
    job = ml.batch_endpoints.invoke(
        endpoint_name=name,
        input=Input(type="uri_folder", path=f"azureml://datastores/scoring/paths/{name}/rows"),
        outputs={"score": Output(type="uri_file", path=f"azureml://datastores/scored/paths/{name}/f/out.csv")},
        deployment_name="flow",
    )
    assert wait(ml, job.name, 90).status == "Completed"
    lines = [
        line.split() for line in blobs("landing", "scored", f"{name}/f")[f"{name}/f/out.csv"].decode().splitlines()
    ]
    assert [(row, round(float(value)), file) for row, value, file in lines] == [("0", 3, "r.csv"), ("1", 10, "r.csv")]


def test_without_a_default_deployment_an_invocation_is_refused(ml: MLClient, laptop: Any, unique: str) -> None:
    ml.batch_endpoints.begin_create_or_update(BatchEndpoint(name=unique)).result()
    with pytest.raises(Exception, match="no default deployment"):
        ml.batch_endpoints.invoke(
            endpoint_name=unique, input=Input(type="uri_folder", path="azureml://datastores/scoring/paths/x")
        )
    found = ml.batch_endpoints.get(unique)
    found.defaults = {"deployment_name": "none"}
    with pytest.raises(HttpResponseError, match="default"):
        ml.batch_endpoints.begin_create_or_update(found)
