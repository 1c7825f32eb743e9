"""The hub's own way to online endpoints, against the laptop's: making them, why they failed, quota, calls, queries."""

import asyncio
import json
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from azure.ai.ml import MLClient
from azure.ai.ml.entities import Model
from azure.storage.blob import BlobServiceClient

from local.azureml.region import LOGS
from local.config import REPOSITORY, RESOURCE_GROUP, SUBSCRIPTION, WORKSPACE
from local.eventgrid.bearer import Bearer
from local.eventgrid.faults import Faults
from local.eventgrid.relay import Relay
from shared.azureml.client import AzureMLClient
from shared.azureml.endpoints import DeploymentView
from shared.azureml.online import AzureEndpoints
from shared.azureml.queries import LogQueries
from shared.deciding.traffic import Traffic
from shared.engine.outcomes import PermanentError
from tests.integration.eventgrid.test_relay import Notes

SCORE = """
import json
def init():
    FAIL
def run(raw):
    return {"value": json.loads(raw)["value"]}
"""

COLLECT = """
import json, os, pathlib, sys
sys.path.insert(0, str(pathlib.Path(__file__).parent))
from collect import Collector
def init():
    global kept
    kept = Collector.from_environ(os.environ)
def run(raw):
    row = json.loads(raw)
    kept.add([{**row, "prediction": 2 * row["value"]}])
    return {"value": row["value"]}
"""


@pytest.fixture
def azureml(ml: MLClient) -> AzureMLClient:
    return AzureMLClient(SUBSCRIPTION, RESOURCE_GROUP, WORKSPACE)


@pytest.fixture
def cores(laptop: Any) -> Iterator[Any]:
    """Sets the quota of each family, in cores."""

    def put(number: int) -> None:
        body, headers = json.dumps({"cores": number}).encode(), {"Content-Type": "application/json"}
        url = f"http://127.0.0.1:{laptop.cloud.azureml_port}/control/quota"
        with urllib.request.urlopen(urllib.request.Request(url, body, headers, method="PUT"), timeout=10):
            pass

    yield put
    put(100)


def written(folder: Path, name: str, fail: str, more: str) -> None:
    (folder / "score").mkdir(exist_ok=True)
    if not (folder / "score" / "main.py").exists():
        (folder / "score" / "main.py").write_text(SCORE.replace("FAIL", fail or "pass"))
    (folder / "endpoint.yml").write_text(f"name: {name}\nauth_mode: key\n")
    (folder / "deployment.yml").write_text(
        f"name: any\nendpoint_name: {name}\ninstance_type: Standard_DS2_v2\ninstance_count: 1\n"
        "environment: azureml:served@latest\ncode_configuration: {code: ./score, scoring_script: main.py}\n"
        f"{more}\n"
    )


async def made(endpoints: AzureEndpoints, name: str, deployment: str) -> DeploymentView:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        for one in await endpoints.deployments(name):
            if one.name == deployment and one.state in {"Succeeded", "Failed"}:
                return one
        await asyncio.sleep(0.5)
    raise AssertionError("the deployment is not ready")


def registered(ml: MLClient, laptop: Any, name: str) -> None:
    with BlobServiceClient.from_connection_string(laptop.cloud.connection_string("landing")) as service:
        service.get_blob_client("landing", f"{name}/m/a.txt").upload_blob("a", overwrite=True)
    path = f"azureml://datastores/landing/paths/{name}/m"
    ml.models.create_or_update(Model(name=name, version="1", path=path, type="custom_model"))


async def deployed(
    endpoints: AzureEndpoints, ml: MLClient, laptop: Any, folder: Path, name: str, fail: str = "", more: str = ""
) -> tuple[str, DeploymentView]:
    """Make endpoint and deployment by the hub; give the operation, and the deployment once it is ready or failed."""
    written(folder, name, fail, more)
    await asyncio.to_thread(registered, ml, laptop, name)
    await endpoints.create_endpoint(folder, "endpoint.yml", {"hub": "yes"})
    for _ in range(100):
        view = await endpoints.endpoint(name)
        if view is not None and not view.busy:
            break
        await asyncio.sleep(0.2)
    operation = await endpoints.create_deployment(folder, "deployment.yml", "blue", f"{name}:1", {"hub": "yes"})
    return operation, await made(endpoints, name, "blue")


async def test_the_service_says_why_a_deployment_failed(
    ml: MLClient, azureml: AzureMLClient, laptop: Any, tmp_path: Path, unique: str
) -> None:
    endpoints = AzureEndpoints(azureml)
    operation, found = await deployed(endpoints, ml, laptop, tmp_path, unique, "raise ValueError('no such column')")
    assert found.state == "Failed"
    said = await endpoints.failure(operation)
    assert ": " in said
    assert "ValueError: no such column" in await endpoints.logs(unique, "blue")
    assert await endpoints.failure("https://example.com/elsewhere") == ""
    assert await endpoints.failure("") == ""


async def test_requests_of_the_hubs_own_are_measured_and_answer_queries(
    ml: MLClient, azureml: AzureMLClient, laptop: Any, tmp_path: Path, unique: str
) -> None:
    endpoints = AzureEndpoints(azureml)
    _, found = await deployed(endpoints, ml, laptop, tmp_path, unique)
    assert (found.state, found.instance_type) == ("Succeeded", "Standard_DS2_v2")
    assert await endpoints.set_traffic(unique, Traffic.of({"blue": 100}), Traffic())
    view = await endpoints.endpoint(unique)
    assert view is not None
    statuses = [await endpoints.call(view, "blue", body) for body in [b'{"value": 1}'] * 6 + [b"{}"]]
    assert statuses == [200] * 6 + [424]

    queries = LogQueries(azureml, LOGS, f"https://127.0.0.1:{laptop.cloud.azureml_tls_port}")
    window = datetime.now(UTC) - timedelta(minutes=5), datetime.now(UTC) + timedelta(minutes=5)
    text = (
        f"AmlOnlineEndpointTrafficLog | where EndpointName == '{unique}' and DeploymentName == 'blue'"
        " | summarize value = count(), bad = countif(ResponseCode >= 400)"
    )
    end = time.monotonic() + 20
    rows: list[dict[str, Any]] = []
    while rows != [{"value": 7, "bad": 1}] and time.monotonic() < end:
        await asyncio.sleep(0.5)
        rows = await queries.rows(text, *window)
    assert rows == [{"value": 7, "bad": 1}]
    assert await queries.rows("AmlOnlineEndpointTrafficLog | where EndpointName == 'none'", *window) == []
    with pytest.raises(PermanentError, match="'Traffic' is no table here"):
        await queries.rows("Traffic | count", *window)
    with pytest.raises(PermanentError, match="404"):
        await LogQueries(azureml, "other", f"https://127.0.0.1:{laptop.cloud.azureml_tls_port}").rows(text, *window)


async def test_a_deployment_collects_where_the_hub_says_with_its_identity(
    ml: MLClient, azureml: AzureMLClient, laptop: Any, blobs: Any, tmp_path: Path, unique: str
) -> None:
    (tmp_path / "score").mkdir()
    (tmp_path / "score" / "main.py").write_text(COLLECT)
    shutil.copy(REPOSITORY / "endpoints" / "delay" / "score" / "collect.py", tmp_path / "score")
    relay = Relay(laptop.cloud.blob_port, Notes(), Faults(), Bearer(laptop.cloud))
    server = await asyncio.get_running_loop().create_server(relay.connection, "127.0.0.1", 0)
    address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/landing/collected"
    endpoints = AzureEndpoints(
        azureml, {"COLLECT_TO": f"{address}/{unique}", "COLLECT_SECONDS": "9", "COLLECT_SHARE": "0"}
    )
    more = 'environment_variables: {COLLECT_TO: "", COLLECT_SECONDS: "0.2", OTHER: ""}'
    try:
        _, found = await deployed(endpoints, ml, laptop, tmp_path, unique, more=more)
        assert found.state == "Succeeded"
        given = await asyncio.to_thread(ml.online_deployments.get, "blue", unique)
        wanted = {"COLLECT_TO": f"{address}/{unique}", "COLLECT_SECONDS": "0.2", "OTHER": ""}
        assert given.environment_variables == wanted, "only what the file names and leaves empty is filled"
        assert await endpoints.set_traffic(unique, Traffic.of({"blue": 100}), Traffic())
        view = await endpoints.endpoint(unique)
        assert view is not None
        assert await endpoints.call(view, "blue", b'{"value": 4}') == 200

        end = time.monotonic() + 20
        kept: dict[str, bytes] = {}
        while not kept and time.monotonic() < end:
            await asyncio.sleep(0.1)
            kept = await asyncio.to_thread(blobs, "landing", "collected", f"{unique}/")
        (line,) = b"".join(kept.values()).splitlines()
        assert json.loads(line)["data"] == [{"value": 4, "prediction": 8}], await endpoints.logs(unique, "blue")
    finally:
        server.close()
        await relay.close()


def test_a_token_is_given_for_the_secret_of_a_deployment_only(laptop: Any) -> None:
    query = "api-version=2017-09-01&resource=https://storage.azure.com/"
    url = f"http://127.0.0.1:{laptop.cloud.azureml_port}/msi/token?{query}"

    def asked(headers: dict[str, str]) -> Any:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=10) as answer:
            return json.load(answer)

    identity = laptop.cloud.keys["identity"]
    assert asked({"secret": identity})["resource"] == "https://storage.azure.com/"
    for wrong in ({"secret": "guessed"}, {"X-IDENTITY-HEADER": identity}, {}):
        with pytest.raises(urllib.error.HTTPError, match="401"):
            asked(wrong)


async def test_a_quota_without_room_is_told(azureml: AzureMLClient, cores: Any, ml: MLClient) -> None:
    endpoints = AzureEndpoints(azureml)
    assert await endpoints.shortage("Standard_DS2_v2", 2) == ""
    cores(3)
    said = await endpoints.shortage("Standard_DS2_v2", 1)
    assert "needs 4 free cores of standardDSv2Family" in said
    assert await endpoints.shortage("Standard_Unheard", 50) == ""
