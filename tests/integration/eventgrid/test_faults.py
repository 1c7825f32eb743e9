"""Faults on demand, set by the control endpoint, strike what they name and nothing else."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ServiceResponseError
from azure.storage.blob.aio import ContainerClient

from local.config import LANDING_ACCOUNT, Cloud
from local.eventgrid.grid import Grid
from tests.integration.eventgrid.conftest import Queue, Receiver, Serve, subscription, until
from tests.integration.eventgrid.test_delivery import control, counts, event, hook, publish

_numbers = iter(range(1_000_000))


async def fault(grid: Grid, **given: Any) -> int:
    address = f"http://127.0.0.1:{grid.cloud.eventgrid_port}/control/faults"
    async with aiohttp.ClientSession() as session, session.post(address, json=given) as answer:
        return answer.status


@pytest.fixture
async def container(storage_cloud: Cloud) -> AsyncIterator[ContainerClient]:
    """A client that does not try again by itself."""
    text = storage_cloud.connection_string(LANDING_ACCOUNT)
    name = f"faulty-{next(_numbers)}"
    async with ContainerClient.from_connection_string(text, name, retry_total=0) as client:
        yield client


async def test_duplicates_drops_and_delays_of_deliveries(serve: Serve, receiver: Receiver) -> None:
    async with serve(hook(receiver)) as grid:
        assert await fault(grid, kind="duplicate", times=1, copies=2) == 201
        await publish(grid, event(1), event(2))
        await until(lambda: len(receiver.events) == 4)
        assert sorted(one["id"] for one in receiver.events) == ["id-1", "id-1", "id-1", "id-2"]

        assert await fault(grid, kind="drop", times=1, type="ModelRegistered") == 201
        await publish(grid, event(3), event(4))
        await until(lambda: len(receiver.events) == 5)
        assert receiver.events[-1]["id"] == "id-4"
        await until(lambda: counts(grid).get("droppedOnDemand") == 1)

        assert await fault(grid, kind="delay", seconds=0.5, subscription="hook") == 201
        began = time.monotonic()
        await publish(grid, event(5))
        await until(lambda: len(receiver.events) == 6)
        assert time.monotonic() - began > 0.4
        assert await control(grid, "DELETE", "faults") == {"cleared": 1}
        assert await control(grid, "GET", "faults") == []


async def test_reordering(serve: Serve, receiver: Receiver) -> None:
    async with serve(hook(receiver)) as grid:
        assert await fault(grid, kind="reorder", seconds=1) == 201
        await publish(grid, *(event(number) for number in range(30)))
        await until(lambda: len(receiver.events) == 30)
    assert [one["id"] for one in receiver.events] != [f"id-{number}" for number in range(30)]


@pytest.mark.parametrize(
    "given",
    [{}, {"kind": "explode"}, {"kind": "drop", "times": 0}, {"kind": "drop", "share": 2}, {"kind": "drop", "x": 1},
     {"kind": "status", "status": 200}, {"kind": "delay", "seconds": "1"}, {"kind": "duplicate", "copies": 0}],
)  # fmt: skip
async def test_a_fault_that_makes_no_sense_is_refused(serve: Serve, receiver: Receiver, given: dict[str, Any]) -> None:
    async with serve(hook(receiver)) as grid:
        assert await fault(grid, **given) == 400


async def test_storage_answers_an_error_n_times(serve: Serve, container: ContainerClient, queue: Queue) -> None:
    async with serve(subscription("blobs", "storage", {"type": "StorageQueue", "queue": queue.name})) as grid:
        await container.create_container()
        await fault(grid, kind="status", status=503, times=2, account="landing", api="PutBlob")
        for _ in range(2):
            with pytest.raises(HttpResponseError) as caught:
                await container.upload_blob("a", b"x" * 100_000)
            assert caught.value.status_code == 503
            assert caught.value.error_code == "ServerBusy"
        await container.upload_blob("a", b"x" * 100_000)
        assert len(await queue.take(2, seconds=1)) == 1


async def test_a_lost_response_after_the_effect(serve: Serve, container: ContainerClient, queue: Queue) -> None:
    async with serve(subscription("blobs", "storage", {"type": "StorageQueue", "queue": queue.name})) as grid:
        await container.create_container()
        await fault(grid, kind="lost-response", times=1, method="put")
        with pytest.raises((ServiceResponseError, ResourceExistsError)):  # aiohttp may send a PUT again by itself
            await container.upload_blob("a", b"1")
        assert [blob.name async for blob in container.list_blobs()] == ["a"]
        assert len(await queue.take(1)) == 1


async def test_latency(serve: Serve, container: ContainerClient, queue: Queue) -> None:
    async with serve(subscription("blobs", "storage", {"type": "StorageQueue", "queue": queue.name})) as grid:
        await container.create_container()
        await fault(grid, kind="latency", seconds=0.5, times=1)
        began = time.monotonic()
        await asyncio.gather(container.upload_blob("a", b"1"), container.upload_blob("b", b"1"))
        assert time.monotonic() - began > 0.45
