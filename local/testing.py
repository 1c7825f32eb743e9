"""A pytest plugin: laptop clouds of a test's own, on free ports, many at once. `pytest_plugins = ["local.testing"]`.

    def test_a_drop_becomes_a_model(laptop_cloud):                 # one cloud for the tests of a module
        laptop_cloud.upload({"flights/2013-01/EWR.csv": b"..."})
        laptop_cloud.activity("delay-train", "succeeded")

    def test_it_survives(start_laptop):                            # a cloud of the test's own
        laptop = start_laptop(hosts=2, settings={"HUB_STORM_OPENINGS": "10"})
        laptop.act("host", "kill")

A module says whose rules its cloud runs, and with which settings, by the fixtures `laptop_root` (a folder with
automations and jobs; the project's own by default), `laptop_settings` and `laptop_time_scale`. What a cloud left is in
its folder of logs, which pytest keeps for the last runs.
"""

import asyncio
import os
import shlex
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest
import requests
from azure.storage.blob import BlobServiceClient
from azure.storage.blob.aio import BlobServiceClient as AsyncBlobServiceClient
from azure.storage.blob.aio import ExponentialRetry

from local.config import PORTS, REPOSITORY, WORKSPACE_ACCOUNT, Cloud
from local.demo.clients import ENDED, EventGridControl, HubClient, StoryError, wait_until
from local.ports import free_base, is_free
from local.process import stop
from local.running import start

_ACT_SECONDS: Final = 90
_AT_ONCE: Final = 64


class LaptopCloud:
    """A laptop cloud under test: started, stopped, killed and started again on the same ports and state."""

    def __init__(
        self, folder: Path, root: Path, settings: Mapping[str, str], hosts: int = 1, time_scale: float = 1.0
    ) -> None:
        self.cloud = Cloud(free_base(PORTS), folder, time_scale)
        self.settings = {**settings, "HUB_ROOT": str(root), "HUB_HOSTS": str(hosts)}
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, or start it again where it left off; returns once all of it answers. Raises NotStartedError."""
        self.process = start(self.cloud, self.settings)

    def end(self, number: int = signal.SIGTERM, seconds: float = 30) -> int:
        """Send a signal to the supervisor as a terminal would, and give its exit status."""
        if self.process is None:
            raise RuntimeError("this laptop cloud does not run")
        os.killpg(self.process.pid, number)
        return self.process.wait(seconds)

    def close(self) -> None:
        """End whatever is left."""
        if self.process is not None:
            stop(self.process, patience=30)

    @property
    def environment(self) -> dict[str, str]:
        """The variables of the `env` file, as a shell that sourced it has them."""
        found: dict[str, str] = {}
        for line in self.cloud.env_file.read_text().splitlines():
            name, _, value = line.removeprefix("export ").partition("=")
            found[name] = shlex.split(value)[0] if value else ""
        return found

    @property
    def hub(self) -> HubClient:
        """The hub's HTTP API, with all roles."""
        return HubClient(self.cloud)

    @property
    def event_grid(self) -> EventGridControl:
        """What Event Grid does, and deliveries anew."""
        return EventGridControl(self.cloud)

    @property
    def said(self) -> str:
        """What the supervisor has printed."""
        return (self.cloud.logs / "cloud.log").read_text()

    def upload(self, files: Mapping[str, bytes], container: str = "landing") -> None:
        """Upload all files at once, by an unmodified client with the connection string of the `env` file."""
        asyncio.run(_upload(self.environment["AZURE_STORAGE_CONNECTION_STRING"], container, files))

    def listed(self, prefix: str = "", container: str = "landing") -> set[str]:
        """Give the paths of the blobs that lie in a container, under a prefix."""
        with BlobServiceClient.from_connection_string(self.environment["AZURE_STORAGE_CONNECTION_STRING"]) as service:
            blobs = service.get_container_client(container).list_blobs(name_starts_with=prefix, timeout=30)
            return {blob.name for blob in blobs}

    def parts(self) -> dict[str, dict[str, Any]]:
        """Give the parts by name, as the supervisor sees them."""
        answer = requests.get(f"{self._control}/parts", timeout=10)
        answer.raise_for_status()
        return {str(part["name"]): part for part in answer.json()["items"]}

    def act(self, part: str, act: str) -> None:
        """Have the supervisor kill, stop, start or restart a part; a killed one is started again at once."""
        requests.post(f"{self._control}/parts/{part}/{act}", timeout=_ACT_SECONDS).raise_for_status()

    def fault(self, fault: Mapping[str, Any]) -> None:
        """Have something go wrong, as the page about the laptop cloud says; raises HTTPError where it cannot be set."""
        requests.post(f"{self._control}/faults", json=dict(fault), timeout=10).raise_for_status()

    def faults(self) -> dict[str, list[dict[str, Any]]]:
        """Give the faults that are set, by part."""
        return dict(requests.get(f"{self._control}/faults", timeout=10).json())

    def no_faults(self) -> None:
        """End all faults."""
        requests.delete(f"{self._control}/faults", timeout=10).raise_for_status()

    @property
    def _control(self) -> str:
        return f"http://127.0.0.1:{self.cloud.control_port}"

    def activity(self, automation: str, *statuses: str, seconds: float = 240, **captures: str) -> dict[str, Any]:
        """Wait for the newest activity of an automation, of those with these captures, to get one of the statuses.

        Without statuses: to end. Gives it with its files; raises AssertionError with what it was last.
        """
        wanted, last = set(statuses) or ENDED, "there is none"

        def look() -> dict[str, Any] | None:
            nonlocal last
            try:
                found = [
                    item for item in self.hub.activities(automation) if captures.items() <= item["captures"].items()
                ]
            except (requests.RequestException, StoryError) as error:  # while a part is away
                last = str(error) or type(error).__name__
                return None
            if not found:
                return None
            last = f"{found[0]['status']}, {[(s['name'], s['state'], s['reason']) for s in found[0]['steps']]}"
            return found[0] if found[0]["status"] in wanted else None

        try:
            activity = wait_until(f"{automation} {' or '.join(sorted(wanted))}", look, seconds)
        except StoryError as error:
            raise AssertionError(f"{error}; last: {last}; logs: {self.cloud.logs}") from None
        return dict(self.hub.get(f"activities/{activity['id']}"))

    def quiet(self, seconds: float = 90) -> None:
        """Wait until Event Grid and the intake queue hold nothing any more."""

        def empty() -> bool:
            try:
                waiting = sum(int(item["waiting"]) for item in self.event_grid.state()["subscriptions"])
                return waiting == 0 and int(self.hub.get("status")["queues"]["hub-events"]["messages"]) == 0
            except (requests.RequestException, StoryError):  # while a part is away
                return False

        wait_until("the intake is empty", empty, seconds)

    def job_log(self, job: str) -> str:
        """Give the log of a job, from the workspace's storage."""
        path = f"ExperimentRun/dcid.{job}/user_logs/std_log.txt"
        with BlobServiceClient.from_connection_string(self.cloud.connection_string(WORKSPACE_ACCOUNT)) as service:
            with service.get_blob_client("azureml", path) as blob:
                return blob.download_blob(timeout=30).readall().decode()

    def processes(self) -> list[str]:
        """Give the processes of this cloud, jobs included, as "id command" (Linux)."""
        return processes_of(self.cloud.local_dir)

    def open_ports(self) -> list[int]:
        """Give the ports of this cloud on which something listens."""
        return [port for port in range(self.cloud.port_base, self.cloud.port_base + PORTS) if not is_free(port)]


def processes_of(folder: Path) -> list[str]:
    """Give the processes whose command, variables or working directory name a folder of state."""
    found, name = [], os.fsencode(folder)
    for entry in Path("/proc").glob("[0-9]*"):
        if int(entry.name) == os.getpid():
            continue
        try:
            if (entry / "stat").read_text().rpartition(")")[2].split()[0] == "Z":
                continue
            command = (entry / "cmdline").read_bytes()
            told = command + b"\0" + (entry / "environ").read_bytes() + os.fsencode((entry / "cwd").readlink())
        except OSError:
            continue
        if name in told:
            found.append(f"{entry.name} {command.replace(bytes(1), b' ').decode(errors='replace')}")
    return found


async def _upload(connection: str, container: str, files: Mapping[str, bytes]) -> None:
    gate = asyncio.Semaphore(_AT_ONCE)
    patience = ExponentialRetry(initial_backoff=1, increment_base=2, retry_total=6)
    service = AsyncBlobServiceClient.from_connection_string(
        connection, connection_timeout=10, read_timeout=60, retry_policy=patience
    )
    async with service, service.get_container_client(container) as client:

        async def one(path: str, content: bytes) -> None:
            async with gate:
                await client.upload_blob(path, content, overwrite=True)

        await asyncio.gather(*(one(path, content) for path, content in files.items()))


@pytest.fixture(scope="module")
def laptop_root() -> Path:
    """The folder of the rules that the module's cloud runs."""
    return REPOSITORY


@pytest.fixture(scope="module")
def laptop_settings() -> Mapping[str, str]:
    """Settings of the hub in the module's cloud, and HUB_LOCAL_NODES."""
    return {}


@pytest.fixture(scope="module")
def laptop_time_scale() -> float:
    """How many times faster than in Azure the services' own waits pass in the module's cloud."""
    return 1.0


@pytest.fixture(scope="module")
def laptop_cloud(
    laptop_root: Path,
    laptop_settings: Mapping[str, str],
    laptop_time_scale: float,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[LaptopCloud]:
    """A laptop cloud that runs for the tests of a module."""
    folder = tmp_path_factory.mktemp("cloud")
    laptop = LaptopCloud(folder, laptop_root, laptop_settings, time_scale=laptop_time_scale)
    try:
        laptop.start()
        yield laptop
    finally:
        laptop.close()


@pytest.fixture
def start_laptop(
    laptop_root: Path, laptop_settings: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., LaptopCloud]]:
    """Start laptop clouds: `start_laptop(root=…, settings={…}, hosts=2, time_scale=20)`; they end with the test."""
    started: list[LaptopCloud] = []

    def begin(
        *,
        root: Path | None = None,
        settings: Mapping[str, str] | None = None,
        hosts: int = 1,
        time_scale: float = 1.0,
    ) -> LaptopCloud:
        merged = {**laptop_settings, **(settings or {})}
        laptop = LaptopCloud(tmp_path_factory.mktemp("cloud"), root or laptop_root, merged, hosts, time_scale)
        started.append(laptop)
        laptop.start()
        return laptop

    try:
        yield begin
    finally:
        for laptop in started:
            laptop.close()
