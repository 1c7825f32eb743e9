"""What the router of online endpoints costs: the same requests to it and to the server behind it, in turns."""

import asyncio
import json
import statistics
import sys
import time
import urllib.request
from collections.abc import Iterator
from typing import Any, Final

from azure.storage.blob import BlobServiceClient

from bench.figures import Figure
from bench.proxy import running
from local.config import LANDING_ACCOUNT, REPOSITORY, Cloud
from local.ports import is_free
from local.process import spawn, stop

CLIENTS: Final = 4
REQUESTS: Final = 400
ROUNDS: Final = 5
SHARE: Final = 0.3
"""What the router should reach of the bare server, whose script does nothing at all."""
_PATIENCE: Final = 60.0
_SCRIPT: Final = "def init():\n    pass\n\n\ndef run(raw):\n    return [1]\n"


def figures() -> Iterator[Figure]:
    """Deploy a script that does nothing, and ask it over the router and directly."""
    with running() as cloud:
        log = cloud.logs / "azureml.log"
        environ = {"HUB_PORT_BASE": str(cloud.port_base), "HUB_LOCAL_DIR": str(cloud.local_dir)}
        process = spawn([sys.executable, "-m", "local.azureml"], log=log, environ=environ, folder=REPOSITORY)
        try:
            key = _deployed(cloud)
            yield from _figures(asyncio.run(_measure(cloud, key)))
        finally:
            stop(process)


def _figures(found: dict[str, list[float]]) -> Iterator[Figure]:
    rates = {name: statistics.median(values) for name, values in found.items()}
    yield Figure("router of online endpoints", rates["router"], "/s", "bare server", rates["server"], least=SHARE)


def _deployed(cloud: Cloud) -> str:
    """Make an endpoint with one deployment; gives its key."""
    _until(lambda: not is_free(cloud.azureml_port), "Azure ML answers")
    with BlobServiceClient.from_connection_string(cloud.connection_string(LANDING_ACCOUNT)) as service:
        service.get_blob_client("landing", "bench/code/score.py").upload_blob(_SCRIPT, overwrite=True)
    workspace = _Workspace(cloud)
    code = f"http://127.0.0.1:{cloud.blob_port}/{LANDING_ACCOUNT}/landing/bench/code"
    workspace.ask("PUT", "codes/bench/versions/1", {"properties": {"codeUri": code}})
    model = {"modelUri": "azureml://datastores/landing/paths/bench/code/score.py", "modelType": "custom_model"}
    workspace.ask("PUT", "models/bench/versions/1", {"properties": model})
    endpoint = {"location": "laptop", "kind": "Managed", "properties": {"authMode": "Key"}}
    workspace.ask("PUT", "onlineEndpoints/bench", endpoint)
    _until(lambda: workspace.state("onlineEndpoints/bench"), "the endpoint is there")
    deployment = {
        "location": "laptop",
        "sku": {"name": "Default", "capacity": 1},
        "properties": {
            "endpointComputeType": "Managed",
            "codeConfiguration": {
                "codeId": f"{cloud.workspace_id}/codes/bench/versions/1",
                "scoringScript": "score.py",
            },
            "model": f"{cloud.workspace_id}/models/bench/versions/1",
            "environmentId": "azureml:laptop-serving:1",
            "instanceType": "Standard_DS3_v2",
            "requestSettings": {"maxConcurrentRequestsPerInstance": 100},
        },
    }
    workspace.ask("PUT", "onlineEndpoints/bench/deployments/blue", deployment)
    _until(lambda: workspace.state("onlineEndpoints/bench/deployments/blue"), "the deployment is there")
    _until(lambda: workspace.state("onlineEndpoints/bench"), "the endpoint can be changed")
    endpoint["properties"] = {"authMode": "Key", "traffic": {"blue": 100}}
    workspace.ask("PUT", "onlineEndpoints/bench", endpoint)
    _until(lambda: workspace.state("onlineEndpoints/bench"), "the traffic is changed")
    return str(workspace.ask("POST", "onlineEndpoints/bench/listKeys")["primaryKey"])


class _Workspace:
    def __init__(self, cloud: Cloud) -> None:
        self._base = f"http://127.0.0.1:{cloud.azureml_port}{cloud.workspace_id}/"
        url = f"http://127.0.0.1:{cloud.azureml_port}/msi/token?resource=https://management.azure.com/"
        request = urllib.request.Request(url, headers={"X-IDENTITY-HEADER": cloud.keys["identity"]})
        with urllib.request.urlopen(request, timeout=10) as answer:
            self._token = json.load(answer)["access_token"]

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        data = json.dumps(body or {}).encode() if method != "GET" else None
        request = urllib.request.Request(self._base + path, data, headers, method=method)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.loads(answer.read() or b"{}")

    def state(self, path: str) -> bool:
        state = self.ask("GET", path)["properties"]["provisioningState"]
        if state == "Failed":
            raise RuntimeError(f"{path} failed: see the logs of Azure ML")
        return bool(state == "Succeeded")


def _until(true: Any, what: str) -> None:
    end = time.monotonic() + _PATIENCE
    while not true():
        if time.monotonic() > end:
            raise RuntimeError(f"after {_PATIENCE:.0f} s it is not so that {what}")
        time.sleep(0.1)


async def _measure(cloud: Cloud, key: str) -> dict[str, list[float]]:
    bare = next(port for port in reversed(cloud.extra_ports) if not is_free(port))
    places = {"server": (bare, "/score", ""), "router": (cloud.azureml_port, "/online/bench/score", key)}
    found: dict[str, list[float]] = {name: [] for name in places}
    for number in range(ROUNDS + 1):
        for name, (port, path, token) in places.items():
            rate = await _rate(port, path, token)
            if number:  # the first round only warms up
                found[name].append(rate)
    return found


async def _rate(port: int, path: str, token: str) -> float:
    head = f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: 2\r\n"
    signed = f"authorization: Bearer {token}\r\n" if token else ""
    message = f"{head}{signed}\r\n{{}}".encode()

    async def client() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(REQUESTS // CLIENTS):
            if reader.at_eof():  # the server closed the connection, as some do after every answer
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(message)
            answer = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
            if " 200 " not in answer.partition("\r\n")[0]:
                raise RuntimeError(f"{path} was answered {answer.partition(chr(13))[0]}")
            await reader.readexactly(int(answer.partition("content-length:")[2].split("\r\n", 1)[0]))
            if "connection: close" in answer:
                await reader.read()
                writer.close()
        writer.close()

    began = time.perf_counter()
    async with asyncio.timeout(_PATIENCE):
        await asyncio.gather(*(client() for _ in range(CLIENTS)))
    return REQUESTS / (time.perf_counter() - began)
