"""Fixtures of all tests: real Azurite on free ports, and the store in both kinds."""

import socket
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from local import azurite as azurite_program
from local.config import HUB_ACCOUNT, PORTS, Cloud
from local.ports import free_base
from local.process import spawn, stop

pytest_plugins = ["local.testing"]


def wait_for_port(port: int, log: Path, seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with socket.socket() as probe:
            probe.settimeout(1)
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise RuntimeError(f"nothing listens on {port} after {seconds} s:\n{log.read_text()[-2000:]}")


@pytest.fixture(scope="session")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """A real Azurite whose blob port stands where the proxy of a cloud would."""
    folder = tmp_path_factory.mktemp("azurite")
    cloud = Cloud(free_base(PORTS), folder)
    log = folder / "azurite.log"
    process = spawn(
        azurite_program.command(folder, blob=cloud.blob_port, queue=cloud.queue_port, table=cloud.table_port),
        log=log,
        environ=azurite_program.environment(),
    )
    try:
        for port in (cloud.blob_port, cloud.queue_port, cloud.table_port):
            wait_for_port(port, log)
        yield cloud
    finally:
        stop(process)


@pytest.fixture
def hub_connection(azurite: Cloud) -> str:
    """The connection string of the app's own account in the test's Azurite."""
    return azurite.connection_string(HUB_ACCOUNT)


@pytest.fixture(params=["memory", "azure"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[object]:
    """The store in both kinds; every test gets names of its own by its own tables."""
    if request.param == "memory":
        from shared.ledger.memory import MemoryStore

        yield MemoryStore()
        return
    from shared.ledger.azure import AzureStore
    from shared.settings import Connection

    azure = AzureStore(Connection("HUB_STORAGE", request.getfixturevalue("hub_connection")))
    yield azure
    await azure.close()
