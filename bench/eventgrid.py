"""How many events Event Grid of the laptop takes and delivers a second."""

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final

import aiohttp

from bench.figures import Figure, at_least
from bench.proxy import running
from local.config import Cloud

EVENTS: Final = 3_000
PUBLISHED: Final = 2_000.0
SINGLY: Final = 200.0
DELIVERED: Final = 200.0
"""What a laptop must do at least, so that a month's files are told of within seconds."""
_BATCH: Final = 100
_CLIENTS: Final = 4
_TIMEOUT: Final = aiohttp.ClientTimeout(total=120)


def figures() -> Iterator[Figure]:
    """Publish to a topic whose subscription is a queue."""
    with running() as cloud:
        found = asyncio.run(measure(cloud))
    yield at_least("Event Grid: published in batches", found["published"], "/s", PUBLISHED)
    yield at_least("Event Grid: published one by one", found["publishedSingly"], "/s", SINGLY)
    yield at_least("Event Grid: in the queue", found["delivered"], "/s", DELIVERED)


async def measure(cloud: Cloud, events: int = EVENTS) -> dict[str, float]:
    """Publish events to the topic `hub` of a running cloud, whose queue they reach.

    Gives events a second: `published` (all are in the journal), `publishedSingly`, and `delivered` (all are in the
    queue, counted from the first one published).
    """
    address = f"http://127.0.0.1:{cloud.eventgrid_port}"
    headers = {"aeg-sas-key": cloud.keys["topic"], "content-type": "application/cloudevents-batch+json"}
    async with aiohttp.ClientSession(timeout=_TIMEOUT, headers=headers) as session:

        async def send(first: int, count: int) -> None:
            body = json.dumps([_event(number) for number in range(first, first + count)])
            async with session.post(f"{address}/topics/hub/api/events", data=body) as answer:
                if answer.status != 200:
                    raise RuntimeError(f"publishing was answered {answer.status}: {await answer.text()}")

        before = await _counted(session, address, "delivered")
        began = time.perf_counter()
        await _spread([partial(send, at, _BATCH) for at in range(0, events, _BATCH)])
        published = time.perf_counter() - began
        await _until(session, address, "delivered", before + events)
        delivered = time.perf_counter() - began
        began = time.perf_counter()
        await _spread([partial(send, at, 1) for at in range(events // 10)])
        singly = time.perf_counter() - began
        await _until(session, address, "delivered", before + events + events // 10)
    return {
        "published": events / published,
        "delivered": events / delivered,
        "publishedSingly": events // 10 / singly,
    }


async def _spread(work: list[Callable[[], Any]]) -> None:
    async def client(mine: list[Callable[[], Any]]) -> None:
        for one in mine:
            await one()

    await asyncio.gather(*(client(work[number::_CLIENTS]) for number in range(_CLIENTS)))


async def _until(session: aiohttp.ClientSession, address: str, what: str, count: int) -> None:
    end = time.monotonic() + 300
    while await _counted(session, address, what) < count:
        if time.monotonic() > end:
            raise RuntimeError(f"after 300 s there are not {count} {what} events")
        await asyncio.sleep(0.1)


async def _counted(session: aiohttp.ClientSession, address: str, what: str) -> int:
    async with session.get(f"{address}/control/state?last=1") as answer:
        state = await answer.json()
    return sum(int(one[what]) for one in state["subscriptions"])


def _event(number: int) -> dict[str, Any]:
    return {
        "id": str(number),
        "source": "/bench",
        "type": "Bench.Event",
        "specversion": "1.0",
        "time": "2026-01-01T00:00:00Z",
        "subject": f"bench/{number}",
        "data": {"number": number, "text": "x" * 300},
    }
