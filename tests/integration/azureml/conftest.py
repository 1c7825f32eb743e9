"""A laptop's Azure ML as a process over real Azurite, and the unmodified client that reaches it by variables alone."""

import json
import os
import sys
import time
import urllib.error
import urllib.request
import uuid
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from local.azureml.env import client_environment
from local.config import REPOSITORY, RESOURCE_GROUP, SUBSCRIPTION, WORKSPACE, Cloud
from local.process import spawn, stop

with warnings.catch_warnings():
    # azure-ai-ml uses what marshmallow has deprecated: no concern of these tests.
    warnings.simplefilter("ignore")
    import azure.ai.ml  # noqa: F401

OWN_WARNINGS = (
    "ignore::marshmallow.warnings.RemovedInMarshmallow4Warning",
    "ignore:The use of a 'BlobProperties':DeprecationWarning",
    "ignore:content_as_bytes is deprecated:DeprecationWarning",
)
"""What azure-ai-ml itself does that its libraries have deprecated."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let azure-ai-ml's own deprecations pass in these tests, and nothing else."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            for text in OWN_WARNINGS:
                item.add_marker(pytest.mark.filterwarnings(text))


class Laptop:
    """The emulator's process; ended and started again at will."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.log = cloud.logs / "azureml.log"
        self.process: Any = None

    def start(self) -> None:
        environ = {
            **os.environ,
            "HUB_PORT_BASE": str(self.cloud.port_base),
            "HUB_LOCAL_DIR": str(self.cloud.local_dir),
            "PYTHONWARNINGS": "",
        }
        self.process = spawn([sys.executable, "-m", "local.azureml"], log=self.log, environ=environ, folder=REPOSITORY)
        end = time.monotonic() + 30
        while time.monotonic() < end and self.process.poll() is None:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.cloud.azureml_port}/healthz", timeout=2):
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(0.05)
        raise RuntimeError(f"the emulator did not start:\n{self.log.read_text()[-3000:]}")

    def stop(self) -> None:
        stop(self.process)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(10)


@pytest.fixture(scope="session")
def laptop(azurite: Cloud) -> Iterator[Laptop]:
    """The emulator, with environments whose Python is that of the tests and of MLflow."""
    environments = {
        "environments": {
            "plain": sys.executable,
            "tracked": "mlflow",
            "served": "serving",
            "online-endpoint-mir-test": "serving",
            "AzureML-sklearn-*": sys.executable,
            "absent": "/nowhere/bin/python",
        },
        "images": {"plain-image*": sys.executable},
        "computes": ["testCompute"],
    }
    (azurite.local_dir / "environments.json").write_text(json.dumps(environments))
    running = Laptop(azurite)
    running.start()
    try:
        yield running
    finally:
        running.stop()


@pytest.fixture
def ml(laptop: Laptop, monkeypatch: pytest.MonkeyPatch) -> Any:
    """MLClient as a person makes it: nothing but environment variables tells it of the laptop."""
    for key, value in client_environment(laptop.cloud).items():
        monkeypatch.setenv(key, value)
    # azure-ai-ml names its cloud in the environment: no process that a later test starts may inherit it.
    monkeypatch.setenv("AZUREML_CURRENT_CLOUD", "")
    monkeypatch.delenv("AZUREML_CURRENT_CLOUD")
    from azure.ai.ml import MLClient
    from azure.ai.ml.constants._endpoint import EndpointInvokeFields
    from azure.identity import DefaultAzureCredential

    # azure-ai-ml keeps the deployment of one invocation for all later ones, of other endpoints too.
    EndpointInvokeFields.DEFAULT_HEADER.pop("azureml-model-deployment", None)
    return MLClient(DefaultAzureCredential(), SUBSCRIPTION, RESOURCE_GROUP, WORKSPACE, show_progress=False)


@pytest.fixture
def unique() -> str:
    """A name that no other test uses."""
    return f"t{uuid.uuid4().hex[:10]}"


@pytest.fixture
def code(tmp_path: Path) -> Callable[[str], Path]:
    """Write a script main.py into a folder of its own, and give the folder."""

    def write(text: str) -> Path:
        folder = tmp_path / f"code{uuid.uuid4().hex[:6]}"
        folder.mkdir()
        (folder / "main.py").write_text(text)
        return folder

    return write


def ended(ml: Any, name: str, seconds: float = 60) -> Any:
    """Wait for the end of a job, and give it."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        job = ml.jobs.get(name)
        if job.status in {"Completed", "Failed", "Canceled"}:
            return job
        time.sleep(0.2)
    raise AssertionError(f"{name} is still {job.status}")


def reached(ml: Any, name: str, status: str, seconds: float = 30) -> None:
    """Wait until a job has a status."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = ml.jobs.get(name).status
        if found == status:
            return
        time.sleep(0.1)
    raise AssertionError(f"{name} is {found}, not {status}")


@pytest.fixture
def wait() -> Callable[..., Any]:
    """`wait(ml, name)` gives the ended job."""
    return ended


@pytest.fixture
def wait_for() -> Callable[..., None]:
    """`wait_for(ml, name, status)`."""
    return reached


@pytest.fixture
def blobs(laptop: Laptop) -> Callable[[str, str, str], dict[str, bytes]]:
    """Give name and content of the blobs of an account's container under a prefix."""
    from azure.storage.blob import BlobServiceClient

    def read(account: str, container: str, prefix: str) -> dict[str, bytes]:
        with BlobServiceClient.from_connection_string(laptop.cloud.connection_string(account)) as service:
            client = service.get_container_client(container)
            return {
                blob.name: client.download_blob(blob.name).readall()
                for blob in client.list_blobs(name_starts_with=prefix)
            }

    return read


@pytest.fixture
def fault(laptop: Laptop) -> Iterator[Callable[[dict[str, Any]], None]]:
    """Set faults; they are gone after the test."""
    url = f"http://127.0.0.1:{laptop.cloud.azureml_port}/control/faults"

    def send(method: str, body: dict[str, Any]) -> None:
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(url, json.dumps(body).encode(), headers, method=method)
        with urllib.request.urlopen(request, timeout=10):
            pass

    yield lambda given: send("POST", given)
    send("DELETE", {})
