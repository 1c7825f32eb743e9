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
from local.process import spawn, stop
from tests.integration.functions.hosting import Host, Start, answers, environment, free_port, prepared, until


@pytest.fixture(scope="session", params=["runtime", "library"])
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
