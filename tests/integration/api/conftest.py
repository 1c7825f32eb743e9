"""The app under the embedded Functions host, on a real Azurite."""

import json
import os
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from local import environment
from local.config import Cloud
from local.process import spawn, stop


@dataclass(frozen=True)
class Answer:
    """What came back over the wire."""

    status: int
    body: bytes
    headers: Mapping[str, str]

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Site:
    """A hub that listens."""

    cloud: Cloud

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.cloud.hub_port}"

    def ask(
        self, method: str, path: str, body: Any = None, *, key: str = "hub", headers: Mapping[str, str] | None = None
    ) -> Answer:
        data = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
        given = {**({"x-functions-key": self.cloud.keys[key]} if key else {}), **(headers or {})}
        request = urllib.request.Request(f"{self.url}{path}", data=data, headers=given, method=method)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=60) as answer:
                return Answer(answer.status, answer.read(), dict(answer.headers))
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, error.read(), dict(error.headers))


@pytest.fixture(scope="session")
def site(azurite: Cloud) -> Iterator[Site]:
    """The hub's app, started once for all tests of its API."""
    settings = {**os.environ, **environment.hub(azurite), "WEBSITE_AUTH_ENABLED": "false"}
    settings |= {"HUB_PORT_BASE": str(azurite.port_base), "HUB_LOCAL_DIR": str(azurite.local_dir)}
    log = azurite.local_dir / "host.log"
    command = [sys.executable, "-m", "local.functions", "--port", str(azurite.hub_port)]
    process = spawn(command, log=log, environ=settings)
    try:
        found = Site(azurite)
        end = time.monotonic() + 60
        while time.monotonic() < end:
            try:
                if found.ask("GET", "/api/health", key="").status == 200:
                    break
            except OSError:
                time.sleep(0.1)
            assert process.poll() is None, log.read_text()[-3000:]
        else:
            raise RuntimeError(log.read_text()[-3000:])
        yield found
    finally:
        stop(process)
