"""Hosts for tests: started as a process with the small app beside this file, asked by HTTP."""

import contextlib
import json
import os
import random
import shutil
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from azure.storage.blob import BlobServiceClient
from azure.storage.queue import QueueClient, QueueServiceClient

from local.config import HUB_ACCOUNT, REPOSITORY, Cloud
from local.functions.keys import Keys

APP = Path(__file__).parent / "app"
QUEUES = {
    "batchSize": 4,
    "newBatchThreshold": 2,
    "maxDequeueCount": 3,
    "visibilityTimeout": "00:00:01",
    "maxPollingInterval": "00:00:01",
}


@dataclass
class Answer:
    status: int
    body: bytes
    headers: Mapping[str, str]

    @property
    def text(self) -> str:
        return self.body.decode()

    def json(self) -> Any:
        return json.loads(self.body)


def _lower(headers: Any) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


@dataclass
class Host:
    """A running host and how to speak to it."""

    url: str
    log: Path
    secrets: Mapping[str, str]
    folder: Path
    store: str
    names: Mapping[str, str]
    process: Any = field(repr=False)

    @property
    def keys(self) -> Keys:
        return Keys(self.secrets)

    def ask(
        self,
        path: str,
        method: str = "GET",
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        key: str = "",
    ) -> Answer:
        given = {**({"x-functions-key": key} if key else {}), **(headers or {})}
        request = urllib.request.Request(self.url + path, body, given, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return Answer(answer.status, answer.read(), _lower(answer.headers))
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, error.read(), _lower(error.headers))

    def grid(self, body: bytes, *, kind: str = "Notification", name: str = "grid", key: str | None = None) -> Answer:
        code = self.secrets["eventgrid"] if key is None else key
        headers = {"aeg-event-type": kind, "content-type": "application/json"} if kind else {}
        return self.ask(f"/runtime/webhooks/eventgrid?functionName={name}&code={code}", "POST", body, headers)

    def seen(self, function: str) -> list[dict[str, Any]]:
        return [one for one in self.ask("/api/seen").json() if one["function"] == function]

    def forget(self) -> None:
        self.ask("/api/seen", "DELETE")

    def queue(self, suffix: str = "", name: str = "QUEUE") -> QueueClient:
        return QueueServiceClient.from_connection_string(self.store).get_queue_client(self.names[name] + suffix)

    def blobs(self) -> BlobServiceClient:
        return BlobServiceClient.from_connection_string(self.store)


Start = Callable[..., Host]


def until(what: Callable[[], Any], seconds: float = 20.0) -> Any:
    """Give what becomes true; fails after a while."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := what():
            return found
        time.sleep(0.1)
    raise AssertionError(f"it did not come true within {seconds} s")


def prepared(
    folder: Path,
    host: Mapping[str, Any] | None = None,
    app: str = "",
    files: Mapping[str, str | None] | None = None,
) -> Path:
    """Lay the app out in a folder of its own; `files` are written beside it, or left out where there is no text."""
    place = folder / "app"
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(APP, place)
    if app:
        (place / "function_app.py").write_text(app)
    document = {"version": "2.0", "extensions": {"queues": QUEUES}, **(host or {})}
    (place / "host.json").write_text(json.dumps(document))
    for name, text in (files or {}).items():
        if text is None:
            (place / name).unlink()
        else:
            (place / name).write_text(text)
    return place


def environment(cloud: Cloud, names: Mapping[str, str], **more: str) -> dict[str, str]:
    store = cloud.connection_string(HUB_ACCOUNT)
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return {**kept, "PYTHONPATH": str(REPOSITORY), "PYTHONDONTWRITEBYTECODE": "1", "STORE": store,
            "AzureWebJobsStorage": store, "TICK": "0 0 0 1 1 *", **names, **more}  # fmt: skip


def answers(host: Host) -> bool:
    with contextlib.suppress(OSError):
        return host.ask("/admin/host/ping").status == 200
    return False


def free_port() -> int:
    """Give a port that nothing listens on, below those that outgoing connections take."""
    while True:
        port = random.randrange(12_000, 32_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
