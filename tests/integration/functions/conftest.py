"""A host of its own for every module of tests and both workers, on real Azurite."""

import base64
import contextlib
import sys
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from azure.core.exceptions import ResourceExistsError
from azure.storage.queue import QueueClient

from local.config import REPOSITORY, Cloud
from local.functions import core_tools
from local.process import spawn, stop
from tests.integration.functions.hosting import Host, Start, answers, environment, free_port, prepared, until

EMBEDDED = ["runtime", "library"]
ON_FUNC = {"test_event_grid.py", "test_http.py", "test_outputs.py", "test_queues.py"}
"""Modules that the real host runs too; the others look at what is the embedded host's own."""
KEYS = {
    "test_a_level_asks_for_its_key",
    "test_the_header_goes_before_the_query",
    "test_the_webhook_asks_for_the_extension_s_key",
    "test_a_missing_key_is_told_before_anything_else",
    "test_options_is_the_handshake_of_cloud_events",
}
"""`func start` checks no keys."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave out, for the real host, what it does not do."""
    items[:] = [item for item in items if not _is_embedded_only(item)]


def _is_embedded_only(item: pytest.Item) -> bool:
    called = getattr(item, "callspec", None)
    if called is None or called.params.get("worker") != "func":
        return False
    return item.path.name not in ON_FUNC or getattr(item, "originalname", item.name) in KEYS


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say that the real host was not there."""
    if not core_tools.found():
        terminalreporter.write_line("`func` is not on the path: the host's tests ran on both embedded workers only")


@pytest.fixture(scope="session", params=[*EMBEDDED, *(["func"] if core_tools.found() else [])])
def worker(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="session")
def starter(azurite: Cloud, tmp_path_factory: pytest.TempPathFactory, worker: str) -> Start:
    """Start a host by one worker; whoever starts it ends it."""

    def start(
        *,
        host: Mapping[str, Any] | None = None,
        app: str = "",
        files: Mapping[str, str | None] | None = None,
        folder: Path | None = None,
        names: Mapping[str, str] | None = None,
        wait: bool = True,
        **settings: str,
    ) -> Host:
        port = free_port()
        place = folder or tmp_path_factory.mktemp("host")
        own = uuid.uuid4().hex[:12]
        named = dict(names or {"QUEUE": f"in-{own}", "OUT_QUEUE": f"out-{own}", "OUT_CONTAINER": f"c-{own}"})
        state = place / "state"
        environ = environment(azurite, named, HUB_PORT_BASE=str(port), HUB_LOCAL_DIR=str(state), **settings)
        log = place / "host.log"
        command = [sys.executable, "-m", "local.functions", "--app", str(prepared(place, host, app, files))]
        command += ["--worker", worker, "--port", str(port)]
        process = spawn(command, log=log, environ=environ, folder=REPOSITORY)
        secrets = Cloud(port, state).keys
        found = Host(f"http://127.0.0.1:{port}", log, secrets, place, environ["STORE"], named, process)
        if wait:
            until(lambda: process.poll() is not None or answers(found), 60)
            assert process.poll() is None, log.read_text()
        return found

    return start


@pytest.fixture
def starts(starter: Start) -> Iterator[Start]:
    """Start hosts that end with the test."""
    running: list[Host] = []

    def start(**how: Any) -> Host:
        running.append(starter(**how))
        return running[-1]

    yield start
    for host in running:
        stop(host.process)


@pytest.fixture(scope="session")
def host(starter: Start) -> Iterator[Host]:
    """One host that the tests of a worker share; each looks at what only it caused."""
    shared = starter()
    yield shared
    stop(shared.process)


@pytest.fixture
def send() -> Callable[..., str]:
    def send_to(queue: QueueClient, text: str | bytes, *, plain: bool = False) -> str:
        with contextlib.suppress(ResourceExistsError):
            queue.create_queue()
        content = text if isinstance(text, bytes) else text.encode()
        return str(queue.send_message(content.decode() if plain else base64.b64encode(content).decode()).id)

    return send_to
