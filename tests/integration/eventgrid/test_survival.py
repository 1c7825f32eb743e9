"""A SIGKILL of the process loses no event; a day's ladder is seen in seconds."""

import asyncio
import json
import os
import signal
import sqlite3
import sys
import time
from itertools import pairwise
from pathlib import Path

import pytest
from azure.core.exceptions import AzureError
from azure.storage.blob import BlobServiceClient
from azure.storage.blob.aio import ContainerClient

from local.config import LANDING_ACCOUNT, Cloud
from local.eventgrid.framing import Request
from local.eventgrid.intents import Intents
from local.eventgrid.operations import Write, write_of
from local.process import spawn, stop
from tests.conftest import wait_for_port
from tests.integration.eventgrid.conftest import TOPICS, Queue, Receiver, Serve, subscription, until
from tests.integration.eventgrid.test_delivery import counts, dead_letters, event, hook, publish


async def test_a_killed_process_loses_no_event_that_a_client_was_told_of(
    storage_cloud: Cloud, tmp_path: Path, queue: Queue
) -> None:
    file = tmp_path / "subscriptions.json"
    one = subscription("blobs", "storage", {"type": "StorageQueue", "queue": queue.name})
    file.write_text(json.dumps({"topics": TOPICS, "subscriptions": [one]}))
    environ = {**os.environ, "HUB_PORT_BASE": str(storage_cloud.port_base), "HUB_LOCAL_DIR": str(tmp_path)}

    command = [sys.executable, "-m", "local.eventgrid", "--subscriptions", str(file)]
    log = tmp_path / "log"
    stored: set[str] = set()
    process = spawn(command, log=log, environ=environ)
    try:
        await asyncio.to_thread(wait_for_port, storage_cloud.eventgrid_port, log)
        text = storage_cloud.connection_string(LANDING_ACCOUNT)
        async with ContainerClient.from_connection_string(text, f"killed-{os.getpid()}", retry_total=0) as container:
            await container.create_container()

            async def upload(worker: int) -> None:
                for number in range(1000):
                    try:
                        await container.upload_blob(f"{worker}-{number}", b"x")
                    except AzureError:
                        return
                    stored.add(f"{worker}-{number}")

            uploads = asyncio.gather(*(upload(worker) for worker in range(8)))
            await until(lambda: len(stored) >= 100)
            os.kill(process.pid, signal.SIGKILL)
            await uploads
        process.wait(5)
        process = spawn(command, log=log, environ=environ)
        await asyncio.to_thread(wait_for_port, storage_cloud.eventgrid_port, log)
        told: set[str] = set()
        end = time.monotonic() + 20
        while not stored <= told and time.monotonic() < end:
            told |= {one["subject"].rpartition("/")[2] for one in await queue.take(1, seconds=1)}
        assert stored <= told
        direct = storage_cloud.direct_connection_string(LANDING_ACCOUNT)
        with BlobServiceClient.from_connection_string(direct) as service:
            there = {blob.name for blob in service.get_container_client(f"killed-{os.getpid()}").list_blobs()}
        told |= {one["subject"].rpartition("/")[2] for one in await queue.take(100, seconds=2)}
        assert there == told, "what Azurite stored without the client's knowledge is told of too"
    finally:
        stop(process)


def write(method: str, name: str) -> Write:
    headers = {"x-ms-blob-type": "BlockBlob"} if method == "PUT" else {}
    found = write_of(Request(method, f"/landing/landing/{name}", headers, b""), frozenset({"landing"}))
    assert found is not None
    return found


async def test_writes_that_were_not_told_of_are_told_of_at_the_next_start(
    serve: Serve, direct_blobs: BlobServiceClient, queue: Queue, tmp_path: Path
) -> None:
    container = direct_blobs.get_container_client("landing")
    container.upload_blob("old", b"1", overwrite=True)
    await asyncio.sleep(1.1)  # Last-Modified has whole seconds
    (tmp_path / "eventgrid").mkdir()
    intents = Intents(tmp_path / "eventgrid" / "intents")
    for method, name, existed in (
        ("PUT", "happened", True),
        ("PUT", "never", True),
        ("PUT", "old", True),
        ("DELETE", "deleted", True),
        ("DELETE", "was-not-there", False),
        ("DELETE", "old", True),
    ):
        intents.begin(write(method, name), existed=existed)
    intents.end(intents.begin(write("PUT", "told"), existed=True))
    intents.close()
    container.upload_blob("happened", b"12345", overwrite=True)
    container.upload_blob("told", b"12345", overwrite=True)
    one = subscription("blobs", "storage", {"type": "StorageQueue", "queue": queue.name})
    async with serve(one):
        found = await queue.take(3, seconds=2)
    told = {(one["data"]["api"], one["subject"].rpartition("/")[2]): one["data"] for one in found}
    assert set(told) == {("PutBlob", "happened"), ("DeleteBlob", "deleted")}
    assert told["PutBlob", "happened"]["contentLength"] == 5
    async with serve(one):
        assert await queue.take(1, seconds=0.5) == []


async def test_a_ladder_of_24_hours_in_seconds(serve: Serve, receiver: Receiver, storage_cloud: Cloud) -> None:
    """https://learn.microsoft.com/azure/event-grid/delivery-and-retry#retry-schedule."""
    scale = 10_000
    receiver.always = 500
    one = {**hook(receiver, deadLetter={"container": "hub-dead-letters"}), "name": "a-day"}
    async with serve(one, scale=scale) as grid:
        await publish(grid, event(1))
        await until(lambda: counts(grid, "a-day").get("deadLettered") == 1, seconds=20)
    [(_, [letter])] = await asyncio.to_thread(dead_letters, storage_cloud, "a-day")
    assert letter["deadLetterReason"] == "TimeToLiveExceeded"
    assert letter["deliveryAttempts"] in {10, 11}, "after 12 h more the day is over, or nearly so"
    times = [at for at, (headers, _) in zip(receiver.times, receiver.requests, strict=True)
             if headers["aeg-event-type"] == "Notification"]  # fmt: skip
    assert len(times) == letter["deliveryAttempts"]
    minutes = [(late - early) * scale / 60 for early, late in pairwise(times)]
    for gap, expected in zip(minutes, (1 / 6, 0.5, 1, 5, 10, 30, 60, 180, 360, 720), strict=False):
        assert 0.89 * expected <= gap <= 1.11 * expected + 40, "the machine may be late by 0.25 s"


async def test_events_without_data_do_not_hinder_a_start(serve: Serve, receiver: Receiver) -> None:
    destination = {"type": "WebHook", "endpointUrl": receiver.url}
    one = subscription("bare", "cloud", destination, eventDeliverySchema="CloudEventSchemaV1_0")
    bare = {"id": "1", "source": "/s", "type": "T", "specversion": "1.0"}
    async with serve(one) as grid:
        await grid.publish("cloud", "CloudEventSchemaV1_0", [bare, {**bare, "id": "2", "data": "text"}])
        await until(lambda: len(receiver.requests) >= 3)
    async with serve(one) as grid:
        assert await grid.recover() == 0
        assert len(grid.journal.find()) == 2


async def test_reading_a_journal_of_another_process(serve: Serve, receiver: Receiver) -> None:
    receiver.handshake = False
    async with serve(hook(receiver)) as grid:
        await publish(grid, *(event(number) for number in range(3)))
    receiver.handshake = True
    async with serve(hook(receiver)):
        await until(lambda: len(receiver.events) == 3)


async def test_a_journal_that_could_not_be_written_is_made_good_when_it_can(
    serve: Serve, storage_cloud: Cloud, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = subscription("blobs", "storage", {"type": "StorageQueue", "queue": queue.name})
    text = storage_cloud.connection_string(LANDING_ACCOUNT)
    async with serve(one) as grid:
        async with ContainerClient.from_connection_string(text, "landing", retry_total=0) as container:
            with monkeypatch.context() as patched:
                patched.setattr(grid.journal, "_write", _no_space)
                with pytest.raises(AzureError):
                    await container.upload_blob("on-a-full-disk", b"123", overwrite=True)
        [event] = await queue.take(1)
    assert event["subject"].endswith("/on-a-full-disk")
    assert event["data"]["contentLength"] == 3


def _no_space(added: object) -> None:
    raise sqlite3.OperationalError("database or disk is full")
