"""How soon an event becomes a job that is asked for: taken in, decided, opened, its steps done, on Azurite.

It is the hub's own way, warm, without the waits of queues and of Azure ML: from the event to the request for its job.
"""

import asyncio
import contextlib
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any, Final

from bench.figures import Figure, at_most
from bench.hubs import blob, body, hub, temporary
from bench.proxy import running
from local.config import HUB_ACCOUNT, Cloud
from shared.azureml.protocol import JobRequest, JobView
from shared.ledger.azure import AzureStore
from shared.settings import Connection

MILLISECONDS: Final = 50.0
EVENTS: Final = 30
_LOOKS: Final = 10


class Submitted:
    """An Azure ML that notes when it is asked for a job."""

    def __init__(self) -> None:
        self.at = 0.0

    async def submit(self, request: JobRequest) -> JobView:
        """Note it."""
        self.at = time.perf_counter()
        return JobView(request.name, "Running", tags=request.tags)

    async def job(self, name: str) -> JobView:
        """Give a job that runs."""
        return JobView(name, "Running")

    async def create_data(self, *_: Any) -> None:
        """Make nothing."""


def figures() -> Iterator[Figure]:
    """Send events that each start a job, one after the other."""
    with contextlib.contextmanager(temporary)(1) as root, running() as cloud:
        times, processor = asyncio.run(_measure(cloud, root))
    yield at_most("event to job asked for, p50", median(times), "ms", MILLISECONDS)
    yield Figure("event to job asked for: processor", processor, "ms")


async def _measure(cloud: Cloud, root: Path) -> tuple[list[float], float]:
    store = AzureStore(Connection("HUB_STORAGE", cloud.connection_string(HUB_ACCOUNT)))
    azureml = Submitted()
    this = hub(store, root, lambda: datetime.now(UTC), azureml)
    times: list[float] = []
    try:
        for number in range(EVENTS + 3):
            azureml.at, processor, began = 0.0, time.process_time(), time.perf_counter()
            await this.intake.accept(body([blob(f"team-0/{number}.csv", number, this.clock())]), this.clock(), "push")
            page, _ = await this.journal.newest(limit=1)
            activity = page[0][1].outcomes[0].target
            for _ in range(_LOOKS):
                if azureml.at:
                    break
                await this.engine.look(activity)
            if not azureml.at:
                raise RuntimeError(f"no job is asked for: {(await this.activities.load(activity))[0]}")
            if number >= 3:  # the first ones only warm up
                times.append((azureml.at - began) * 1000)
                last = (time.process_time() - processor) * 1000
    finally:
        await store.close()
    return times, last
