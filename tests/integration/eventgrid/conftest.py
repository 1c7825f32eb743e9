"""A cloud's storage and Event Grid: real Azurite, the real process or its parts in the test's own loop."""

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from azure.storage.blob import BlobServiceClient
from azure.storage.queue.aio import QueueServiceClient

from local import azurite as azurite_program
from local.config import HUB_ACCOUNT, LANDING_ACCOUNT, Cloud
from local.eventgrid.grid import Grid
from local.eventgrid.server import serving
from local.ports import free_base
from local.process import spawn, stop
from local.provision import provision
from tests.conftest import wait_for_port


@pytest.fixture(scope="session")
def storage_cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """A cloud of which only Azurite runs, behind the place of the proxy."""
    folder = tmp_path_factory.mktemp("cloud")
    cloud = Cloud(free_base(30), folder)
    log = folder / "azurite.log"
    process = spawn(
        azurite_program.command(
            folder / "azurite", blob=cloud.azurite_blob_port, queue=cloud.queue_port, table=cloud.table_port
        ),
        log=log,
        environ=azurite_program.environment(),
    )
    try:
        for port in (cloud.azurite_blob_port, cloud.queue_port, cloud.table_port):
            wait_for_port(port, log)
        provision(cloud)
        yield cloud
    finally:
        stop(process)


@dataclass
class Receiver:
    """A webhook of the test: agrees, keeps what it gets, and answers as it is told."""

    url: str = ""
    requests: list[tuple[dict[str, str], Any]] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    always: int = 200
    handshake: bool = True
    times: list[float] = field(default_factory=list)

    @property
    def notifications(self) -> list[tuple[dict[str, str], Any]]:
        return [one for one in self.requests if one[0].get("aeg-event-type") == "Notification"]

    @property
    def events(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        for _, body in self.notifications:
            found += body if isinstance(body, list) else [body]
        return found

    async def handle(self, request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.times.append(time.monotonic())
        if request.method == "OPTIONS":
            self.requests.append((headers, None))
            allowed = {"WebHook-Allowed-Origin": headers["webhook-request-origin"]} if self.handshake else {}
            return web.Response(headers=allowed)
        body = await request.json()
        self.requests.append((headers, body))
        if headers["aeg-event-type"] == "SubscriptionValidation":
            code = body[0]["data"]["validationCode"] if self.handshake else "something else"
            return web.json_response({"validationResponse": code})
        return web.Response(status=self.statuses.pop(0) if self.statuses else self.always)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    application = web.Application(client_max_size=16 * 1024 * 1024)
    application.router.add_route("*", "/hook", receiver.handle)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    yield receiver
    await runner.cleanup()


def subscription(name: str, topic: str, destination: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"name": name, "topic": topic, "destination": destination, **more}


TOPICS = {
    "storage": {"topicType": "Microsoft.Storage.StorageAccounts"},
    "workspace": {"topicType": "Microsoft.MachineLearningServices.Workspaces"},
    "hub": {"inputSchema": "CloudEventSchemaV1_0", "laptopInputSchemas": ["CloudEventSchemaV1_0", "EventGridSchema"]},
    "classic": {"inputSchema": "EventGridSchema"},
    "cloud": {"inputSchema": "CloudEventSchemaV1_0"},
}

Serve = Callable[..., AbstractAsyncContextManager[Grid]]


@pytest.fixture
def serve(storage_cloud: Cloud, tmp_path: Path) -> Serve:
    """Serve Event Grid with given subscriptions, time scale and folder of the journal."""

    @asynccontextmanager
    async def run(*subscriptions: dict[str, Any], scale: float = 1.0, wakes: bool = True) -> AsyncIterator[Grid]:
        file = tmp_path / "subscriptions.json"
        file.write_text(json.dumps({"topics": TOPICS, "subscriptions": subscriptions}))
        cloud = Cloud(storage_cloud.port_base, tmp_path, scale)
        async with serving(cloud, file=file, wakes=wakes) as grid:
            yield grid

    return run


@dataclass
class Queue:
    """A queue of the hub's account, read as a function would."""

    name: str
    client: Any

    async def take(self, count: int, seconds: float = 10.0) -> list[dict[str, Any]]:
        """Take `count` messages, or what has come after `seconds`."""
        found: list[dict[str, Any]] = []
        end = asyncio.get_running_loop().time() + seconds
        while len(found) < count and asyncio.get_running_loop().time() < end:
            async for message in self.client.receive_messages(messages_per_page=32):
                found.append(json.loads(base64.b64decode(message.content, validate=True)))
                await self.client.delete_message(message)
            await asyncio.sleep(0.05)
        return found


_numbers = iter(range(1_000_000))


@pytest.fixture
async def queue(storage_cloud: Cloud) -> AsyncIterator[Queue]:
    name = f"events-{next(_numbers)}"
    async with QueueServiceClient.from_connection_string(storage_cloud.connection_string(HUB_ACCOUNT)) as service:
        async with service.get_queue_client(name) as client:
            await client.create_queue()
            yield Queue(name, client)


@pytest.fixture
def direct_blobs(storage_cloud: Cloud) -> Iterator[BlobServiceClient]:
    """The landing account past the proxy."""
    with BlobServiceClient.from_connection_string(storage_cloud.direct_connection_string(LANDING_ACCOUNT)) as client:
        yield client


async def until(true: Callable[[], bool], seconds: float = 10.0) -> None:
    """Wait until something holds; fails after `seconds`."""
    end = asyncio.get_running_loop().time() + seconds
    while not true():
        assert asyncio.get_running_loop().time() < end, "it did not come true in time"
        await asyncio.sleep(0.02)
