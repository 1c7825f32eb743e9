"""What a burst of 100,000 files costs on Azurite: one activity, and for each event what it costs in a tenth of it.

Taken in by batches of 1,000, closed and opened by the shipped code in this process, whose memory is measured.
"""

import asyncio
import contextlib
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from bench.figures import Figure, at_most
from bench.hubs import blob, body, hub, temporary
from bench.processes import megabytes
from bench.proxy import running
from local.config import HUB_ACCOUNT, Cloud
from shared.bootstrap import Hub
from shared.ledger.azure import AzureStore
from shared.ledger.collections import collection_id
from shared.ledger.protocol import Store
from shared.settings import Connection

SIZES: Final = (10_000, 100_000)
MEGABYTES: Final = 200.0
SHARE: Final = 1.1
_BATCH: Final = 1000
_AT_ONCE: Final = 2


def figures() -> Iterator[Figure]:
    """Send a small burst and a large one, and close both."""
    with contextlib.contextmanager(temporary)(1) as root, running() as cloud:
        yield from asyncio.run(_measure(cloud, root))


async def _measure(cloud: Cloud, root: Path) -> list[Figure]:
    store: Store = AzureStore(Connection("HUB_STORAGE", cloud.connection_string(HUB_ACCOUNT)))
    ahead = [timedelta(0)]
    this = hub(store, root, lambda: datetime.now(UTC) + ahead[0])
    costs: list[float] = []
    opened = 0
    try:
        await _burst(this, "warm", 2000, ahead)
        for size in SIZES:
            began = time.process_time()
            opened += await _burst(this, f"burst-{size}", size, ahead)
            costs.append((time.process_time() - began) / size * 1e6)
    finally:
        await this.store.close()
    name = f"an event of a burst of {SIZES[1]:,}: processor"
    return [
        Figure(name, costs[1], "us", f"of {SIZES[0]:,}", costs[0], most=SHARE),
        Figure("activities that two bursts became", float(opened), "", "bursts", 2.0, least=1.0, most=1.0),
        at_most(f"memory after a burst of {SIZES[1]:,}", megabytes_here(), "MB", MEGABYTES),
    ]


async def _burst(this: Hub, month: str, size: int, ahead: list[timedelta]) -> int:
    """Send files and their marker, then let time pass until the collection closes; give how many activities it is."""
    gate = asyncio.Semaphore(_AT_ONCE)

    async def send(start: int) -> None:
        async with gate:
            now = this.clock()
            some = [blob(f"flights/{month}/EWR/{n}.csv", n, now) for n in range(start, min(start + _BATCH, size))]
            await this.intake.accept(body(some), now, "bench")

    await asyncio.gather(*(send(start) for start in range(0, size, _BATCH)))
    await this.intake.accept(body([blob(f"flights/{month}/_SUCCESS", size, this.clock())]), this.clock(), "bench")
    name = collection_id("collecting", 0, (("month", month),))
    ahead[0] += timedelta(minutes=3)
    await this.gatherer.look(name)
    since = this.clock() - timedelta(days=1)
    found = [one async for one in this.activities.newest(this.clock(), until=since) if one.cause.collection == name]
    if [one.files.count for one in found] != [size]:
        raise RuntimeError(f"{month}: {size} files became {[one.files.count for one in found]}")
    return len(found)


def megabytes_here() -> float:
    """Give the memory of this process without the storage that it started."""
    import os

    from local.process import children

    return megabytes(os.getpid()) - sum(megabytes(child) for child in children(os.getpid()))
