"""How many deliveries are under way at once, and what is done when one breaks."""

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path

import aiohttp
import pytest

from local.config import Cloud
from local.eventgrid.delivery import CONCURRENT, CONCURRENT_WHILE_BUSY, Subscriber
from local.eventgrid.journal import Journal, Stored
from local.eventgrid.storage import Storage
from local.eventgrid.subscriptions import Destination, Subscription


class Slow:
    """A destination that takes its time and remembers how many came at once."""

    resource = True
    port = 1

    def __init__(self) -> None:
        self.now = self.most = self.count = 0
        self.broken = 0
        self.wanted = -1
        self.done = asyncio.Event()

    async def ready(self) -> bool:
        return True

    async def send(self, events: Sequence[Stored], attempts: int) -> int:
        self.now += 1
        self.most = max(self.most, self.now)
        await asyncio.sleep(0.01)
        self.now -= 1
        if self.broken:
            self.broken -= 1
            raise RuntimeError("a mistake in the program")
        self.count += 1
        if self.count == self.wanted:
            self.done.set()
        return 201


async def deliver(folder: Path, slow: Slow, count: int, *, busy: bool, scale: float = 1.0) -> None:
    journal = Journal(folder)
    async with aiohttp.ClientSession() as session:
        storage = Storage(Cloud(10_000, folder), session)
        one = Subscription("hook", "storage", Destination(queue="q"))
        subscriber = Subscriber(one, slow, journal, storage, scale=scale, busy=lambda: busy)
        slow.wanted = count
        running = asyncio.create_task(subscriber.run())
        for number in range(count):
            now = time.time()
            event = Stored(journal.next_key(), "storage", "EventGridSchema", str(number), "T", "/s", now, b"{}")
            await journal.add(event, ["hook"])
            subscriber.offer(event, [now], now)
        async with asyncio.timeout(10):
            await slow.done.wait()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    journal.close()


@pytest.mark.parametrize(("busy", "most"), [(True, CONCURRENT_WHILE_BUSY), (False, CONCURRENT)])
async def test_deliveries_let_writes_go_first(tmp_path: Path, busy: bool, most: int) -> None:
    slow = Slow()
    await deliver(tmp_path, slow, 40, busy=busy)
    assert slow.most == most


async def test_a_delivery_that_breaks_is_tried_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    slow = Slow()
    slow.broken = 2
    await deliver(tmp_path, slow, 5, busy=False, scale=100)
    assert slow.count == 5
    assert "a delivery broke" in caplog.text
