"""Online endpoints by the unmodified client, served by Microsoft's own inference server behind the weighted router."""

import asyncio
import contextlib
import json
import os
import signal
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from azure.ai.ml import MLClient, Output, command
from azure.ai.ml.entities import (
    CodeConfiguration,
    ManagedOnlineDeployment,
    ManagedOnlineEndpoint,
    Model,
    OnlineRequestSettings,
)
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.identity import DefaultAzureCredential

JSON = {"Content-Type": "application/json"}
SCORE = """
import json, os, pathlib, time
def init():
    global color
    color = pathlib.Path(os.environ["AZUREML_MODEL_DIR"], "m", "color.txt").read_text()
    print("model loaded:", color)
def run(raw):
    given = json.loads(raw)
    if given.get("fail"):
        raise ValueError("asked to fail")
    time.sleep(given.get("sleep", 0))
    return {"color": color}
"""


def put_model(ml: MLClient, laptop: Any, name: str, version: str, color: str) -> None:
    from azure.storage.blob import BlobServiceClient

    with BlobServiceClient.from_connection_string(laptop.cloud.connection_string("landing")) as service:
        service.get_blob_client("landing", f"{name}/{version}/m/color.txt").upload_blob(color, overwrite=True)
    path = f"azureml://datastores/landing/paths/{name}/{version}/m"
    ml.models.create_or_update(Model(name=name, version=version, path=path, type="custom_model"))


def deployment(endpoint: str, name: str, model: str, code: Path, **more: Any) -> ManagedOnlineDeployment:
    return ManagedOnlineDeployment(
        name=name,
        endpoint_name=endpoint,
        model=model,
        environment="served@latest",
        code_configuration=CodeConfiguration(code=str(code), scoring_script="main.py"),
        instance_type="Standard_DS2_v2",
        instance_count=1,
        request_settings=OnlineRequestSettings(max_concurrent_requests_per_instance=8, request_timeout_ms=2000),
        **more,
    )


@pytest.fixture
def endpoint(ml: MLClient, laptop: Any, unique: str, code: Any) -> Any:
    """An endpoint with the deployments blue and green, without traffic."""
    ml.online_endpoints.begin_create_or_update(ManagedOnlineEndpoint(name=unique, auth_mode="key")).result()
    folder = code(SCORE)
    for number, color in enumerate(("blue", "green"), 1):
        put_model(ml, laptop, unique, str(number), color)
        ml.online_deployments.begin_create_or_update(deployment(unique, color, f"{unique}:{number}", folder)).result()
    yield ml.online_endpoints.get(unique)
    ml.online_endpoints.begin_delete(unique).result()


def share(ml: MLClient, name: str, traffic: dict[str, int], mirror: dict[str, int] | None = None) -> None:
    found = ml.online_endpoints.get(name)
    found.traffic = traffic
    found.mirror_traffic = mirror or {}
    ml.online_endpoints.begin_create_or_update(found).result()


async def ask(ml: MLClient, found: Any, bodies: list[Any], **headers: str) -> list[tuple[int, str, Any]]:
    key = (await asyncio.to_thread(ml.online_endpoints.get_keys, found.name)).primary_key
    headers = {"Authorization": f"Bearer {key}", **headers}
    async with aiohttp.ClientSession(headers=headers) as session:

        async def one(body: Any) -> tuple[int, str, Any]:
            async with session.post(found.scoring_uri, json=body) as answer:
                text = await answer.text()
                deployment = answer.headers.get("azureml-model-deployment", "")
                return answer.status, deployment, json.loads(text) if answer.status == 200 else text

        gate = asyncio.Semaphore(6)

        async def gated(body: Any) -> tuple[int, str, Any]:
            async with gate:
                return await one(body)

        return list(await asyncio.gather(*(gated(body) for body in bodies)))


def measured(laptop: Any, found: Any, name: str, split: str, **query: str) -> dict[str, float]:
    token = DefaultAzureCredential().get_token("https://management.azure.com/.default").token
    from urllib.parse import urlencode

    given = {"metricnames": name, "$filter": split, "interval": "PT1M", "api-version": "2018-01-01", **query}
    request = urllib.request.Request(
        f"http://127.0.0.1:{laptop.cloud.azureml_port}{found.id}/providers/microsoft.insights/metrics?{urlencode(given)}",
        headers={"Authorization": f"Bearer {token}"},
    )
    with urllib.request.urlopen(request, timeout=20) as answer:
        series = json.load(answer)["value"][0]["timeseries"]
    return {
        "/".join(part["value"] for part in line["metadatavalues"]): sum(point["average"] for point in line["data"])
        for line in series
    }


async def test_traffic_is_split_mirrored_measured_and_failures_are_told(
    ml: MLClient, laptop: Any, endpoint: Any
) -> None:
    name = endpoint.name
    none = await ask(ml, endpoint, [{}])
    assert none[0][0] == 404

    await asyncio.to_thread(share, ml, name, {"blue": 90, "green": 10})
    answers = await ask(ml, endpoint, [{}] * 300)
    assert {status for status, _, _ in answers} == {200}
    assert all(body["color"] == deployment for _, deployment, body in answers)
    counts = Counter(deployment for _, deployment, _ in answers)
    assert counts["green"] == 30
    named = await ask(ml, endpoint, [{}] * 3, **{"azureml-model-deployment": "green"})
    assert [deployment for _, deployment, _ in named] == ["green"] * 3

    failed = await ask(ml, endpoint, [{"fail": True}], **{"azureml-model-deployment": "green"})
    assert failed[0][0] == 424

    await asyncio.to_thread(share, ml, name, {"blue": 100}, {"green": 50})
    before = counts["green"] + 3
    mirrored = await ask(ml, endpoint, [{}] * 100)
    assert {deployment for _, deployment, _ in mirrored} == {"blue"}

    await asyncio.sleep(2.5)
    by = await asyncio.to_thread(
        measured, laptop, endpoint, "RequestsPerMinute", "deployment eq '*' and statusCodeClass eq '*'"
    )
    with pytest.raises(urllib.error.HTTPError) as refused:
        await asyncio.to_thread(
            measured, laptop, endpoint, "RequestsPerMinute", "deployment eq '*'", aggregation="Count"
        )
    with refused.value as answer:
        assert (answer.status, b"'Count' is not documented" in answer.read()) == (400, True)
    assert by["blue/2xx"] == counts["blue"] + 100
    assert by["green/4xx"] == 1
    assert 25 <= by["green/2xx"] - before <= 75
    latency = await asyncio.to_thread(measured, laptop, endpoint, "RequestLatency_P95", "deployment eq 'blue'")
    assert 0 < latency["blue"] < 2000

    slow = await ask(ml, endpoint, [{"sleep": 4}], **{"azureml-model-deployment": "green"})
    assert slow[0][0] == 408

    logs = await asyncio.to_thread(ml.online_deployments.get_logs, "blue", name, 5000)
    assert "model loaded: blue" in logs


def test_a_wrong_key_is_401_and_invoke_uses_the_right_one(
    ml: MLClient, laptop: Any, endpoint: Any, tmp_path: Path
) -> None:
    request = urllib.request.Request(endpoint.scoring_uri, b"{}", {"Authorization": "Bearer wrong"})
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request, timeout=10)
    caught.value.close()
    assert caught.value.code == 401

    (tmp_path / "request.json").write_text("{}")
    answer = ml.online_endpoints.invoke(
        endpoint_name=endpoint.name, request_file=str(tmp_path / "request.json"), deployment_name="green"
    )
    assert json.loads(answer) == {"color": "green"}


def test_traffic_that_cannot_be_is_refused(ml: MLClient, endpoint: Any) -> None:
    for traffic, mirror in (
        ({"blue": 60, "green": 30}, {}),
        ({"blue": 100, "red": 0}, {"red": 10}),
        ({"blue": 100}, {"green": 60}),
        ({"blue": 90, "green": 10}, {"green": 10}),
    ):
        with pytest.raises((HttpResponseError, Exception), match=r"(?i)traffic|deployment"):
            share(ml, endpoint.name, traffic, mirror)
    assert not any(ml.online_endpoints.get(endpoint.name).traffic.values())


def test_a_deployment_is_replaced_without_a_failed_request_and_one_with_traffic_is_not_deleted(
    ml: MLClient, laptop: Any, endpoint: Any, code: Any
) -> None:
    share(ml, endpoint.name, {"blue": 100})
    with pytest.raises(HttpResponseError, match="live traffic"):
        ml.online_deployments.begin_delete("blue", endpoint.name).result()
    put_model(ml, laptop, endpoint.name, "3", "navy")
    key = ml.online_endpoints.get_keys(endpoint.name).primary_key
    seen: list[Any] = []
    done = threading.Event()

    def load() -> None:
        while not done.is_set():
            request = urllib.request.Request(endpoint.scoring_uri, b"{}", {"Authorization": f"Bearer {key}", **JSON})
            with urllib.request.urlopen(request, timeout=10) as answer:
                seen.append(json.load(answer)["color"])
            time.sleep(0.01)

    thread = threading.Thread(target=load)
    thread.start()
    try:
        ml.online_deployments.begin_create_or_update(
            deployment(endpoint.name, "blue", f"{endpoint.name}:3", code(SCORE))
        ).result()
        time.sleep(0.5)
    finally:
        done.set()
        thread.join()
    assert list(dict.fromkeys(seen)) == ["blue", "navy"]


def test_a_deployment_whose_script_fails_ends_as_failed_with_its_log(
    ml: MLClient, laptop: Any, unique: str, code: Any
) -> None:
    ml.online_endpoints.begin_create_or_update(ManagedOnlineEndpoint(name=unique)).result()
    put_model(ml, laptop, unique, "1", "x")
    folder = code("def init():\n    raise RuntimeError('no weights')\ndef run(raw):\n    return 1\n")
    with pytest.raises(HttpResponseError, match="no weights"):
        ml.online_deployments.begin_create_or_update(deployment(unique, "blue", f"{unique}:1", folder)).result()
    assert ml.online_deployments.get("blue", unique).provisioning_state == "Failed"
    with pytest.raises(HttpResponseError, match="failed"):
        share(ml, unique, {"blue": 100})
    ml.online_endpoints.begin_delete(unique).result()
    with pytest.raises(ResourceNotFoundError):
        ml.online_endpoints.get(unique)


def test_a_deployment_on_an_endpoint_that_is_updating_is_a_conflict(
    ml: MLClient, laptop: Any, endpoint: Any, code: Any, fault: Any
) -> None:
    """https://learn.microsoft.com/azure/machine-learning/how-to-troubleshoot-online-endpoints: 409, conflict error:
    another operation is going on.
    """
    fault({"fault": "operation", "match": f"onlineEndpoints/{endpoint.name}$", "seconds": 3})
    found = ml.online_endpoints.get(endpoint.name)
    found.traffic = {"blue": 100}
    poller = ml.online_endpoints.begin_create_or_update(found)
    folder = code(SCORE)
    with pytest.raises(HttpResponseError) as caught:
        ml.online_deployments.begin_create_or_update(
            deployment(endpoint.name, "red", f"{endpoint.name}:1", folder)
        ).result()
    assert caught.value.status_code == 409
    poller.result()
    assert ml.online_endpoints.get(endpoint.name).provisioning_state == "Succeeded"


def test_servers_come_back_after_a_restart(ml: MLClient, laptop: Any, endpoint: Any) -> None:
    share(ml, endpoint.name, {"green": 100})
    laptop.kill()
    laptop.start()
    key = ml.online_endpoints.get_keys(endpoint.name).primary_key
    statuses = []
    end = time.monotonic() + 20
    while time.monotonic() < end and 200 not in statuses:
        request = urllib.request.Request(endpoint.scoring_uri, b"{}", {"Authorization": f"Bearer {key}", **JSON})
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                statuses.append(answer.status)
        except urllib.error.HTTPError as error:
            error.close()
            statuses.append(error.code)
        time.sleep(0.1)
    assert set(statuses) <= {503, 200}
    assert 200 in statuses


def test_a_server_that_is_killed_is_started_again(ml: MLClient, laptop: Any, endpoint: Any) -> None:
    share(ml, endpoint.name, {"green": 100})
    key = ml.online_endpoints.get_keys(endpoint.name).primary_key

    def status() -> int:
        request = urllib.request.Request(endpoint.scoring_uri, b"{}", {"Authorization": f"Bearer {key}", **JSON})
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            with error:
                return error.code

    assert status() == 200
    for path in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if f"deployments/{endpoint.name}/green".encode() in path.read_bytes():
                os.kill(int(path.parent.name), signal.SIGKILL)
    statuses = []
    end = time.monotonic() + 30
    while time.monotonic() < end and 200 not in statuses:
        statuses.append(status())
        time.sleep(0.1)
    assert statuses[0] in {502, 503}
    assert statuses[-1] == 200


def test_a_deployment_can_be_scaled_by_its_number_of_instances(ml: MLClient, endpoint: Any) -> None:
    found = ml.online_deployments.get("blue", endpoint.name)
    found.instance_count = 2
    ml.online_deployments.begin_create_or_update(found).result()
    assert ml.online_deployments.get("blue", endpoint.name).instance_count == 2


TRAINED = """
import sys, pandas, mlflow
from mlflow.models import infer_signature
from sklearn.linear_model import LinearRegression
rows = pandas.DataFrame({"a": [1.0, 2.0, 3.0], "b": [1.0, 0.0, 1.0]})
model = LinearRegression().fit(rows, rows["a"] * 2 + rows["b"])
signature = infer_signature(rows, model.predict(rows))
mlflow.sklearn.save_model(model, sys.argv[1], signature=signature, serialization_format="cloudpickle")
"""


def test_an_mlflow_model_from_a_job_is_served_without_a_scoring_script(
    ml: MLClient, laptop: Any, unique: str, code: Any, wait: Any
) -> None:
    ml.jobs.create_or_update(
        command(
            name=unique,
            code=str(code(TRAINED)),
            command="python main.py ${{outputs.model}}/m",
            environment="served@latest",
            compute="cpu-cluster",
            outputs={"model": Output(type="uri_folder")},
        )
    )
    assert wait(ml, unique, 90).status == "Completed"
    path = f"azureml://jobs/{unique}/outputs/model/paths/m"
    ml.models.create_or_update(Model(name=unique, version="1", path=path, type="mlflow_model"))
    ml.online_endpoints.begin_create_or_update(ManagedOnlineEndpoint(name=unique)).result()
    ml.online_deployments.begin_create_or_update(
        ManagedOnlineDeployment(
            name="blue", endpoint_name=unique, model=f"{unique}:1", instance_type="Standard_DS3_v2", instance_count=1
        )
    ).result()
    share(ml, unique, {"blue": 100})
    found = ml.online_endpoints.get(unique)
    key = ml.online_endpoints.get_keys(unique).primary_key

    def predicted(data: Any) -> list[float]:
        body = json.dumps({"input_data": data}).encode()
        request = urllib.request.Request(found.scoring_uri, body, {"Authorization": f"Bearer {key}", **JSON})
        with urllib.request.urlopen(request, timeout=20) as answer:
            return [round(value, 6) for value in json.load(answer)]

    assert predicted({"columns": ["a", "b"], "index": [0, 1], "data": [[1, 1], [5, 0]]}) == [3, 10]
    assert predicted([{"a": 1, "b": 1}]) == [3]
    ml.online_endpoints.begin_delete(unique).result()
