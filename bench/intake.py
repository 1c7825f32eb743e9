"""What taking events in costs on Azurite: events a second, processor time and storage transactions an event.

The floor of each is the same number of events, written in as few transactions as tables allow (99 claims and their
events at once) by the same client, and nothing decided. Transactions are counted where they leave the process.
"""

import asyncio
import contextlib
import itertools
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import aiohttp

from bench.figures import Figure, at_least, at_most
from bench.hubs import blob, body, hub, temporary
from bench.proxy import running
from local.config import HUB_ACCOUNT, Cloud
from shared.bootstrap import Hub
from shared.events.identity import claim
from shared.events.model import Event
from shared.events.parsing import parse
from shared.ledger.azure import AzureStore
from shared.ledger.protocol import Insert, Operation, Row
from shared.settings import Connection

MICROSECONDS: Final = 128.0
RATE: Final = 7000.0
SINGLES: Final = 1000.0
_AT_ONCE: Final = 16
_numbers = itertools.count(1)


class Counting:
    """Counts the requests that leave the process, by whichever client."""

    sent = 0

    @classmethod
    @contextlib.contextmanager
    def begin(cls) -> Iterator[None]:
        """Count from now on."""
        session: Any = aiohttp.ClientSession
        kept = session._request  # noqa: SLF001 every request of it goes through this one

        async def counted(self: aiohttp.ClientSession, *args: Any, **options: Any) -> Any:
            cls.sent += 1
            return await kept(self, *args, **options)

        session._request = counted  # noqa: SLF001
        try:
            yield
        finally:
            session._request = kept  # noqa: SLF001


@dataclass(frozen=True)
class Cost:
    """What some events cost: seconds, seconds of this process, storage transactions."""

    events: int
    seconds: float
    processor: float
    transactions: int

    @property
    def rate(self) -> float:
        """Events a second."""
        return self.events / self.seconds

    @property
    def microseconds(self) -> float:
        """Of this process, an event."""
        return self.processor / self.events * 1e6

    @property
    def each(self) -> float:
        """Transactions an event."""
        return self.transactions / self.events


@contextlib.asynccontextmanager
async def connected(cloud: Cloud, root: Path) -> AsyncIterator[tuple[Hub, AzureStore]]:
    """Give a hub on Azurite whose requests are counted."""
    store = AzureStore(Connection("HUB_STORAGE", cloud.connection_string(HUB_ACCOUNT)))
    try:
        with Counting.begin():
            yield hub(store, root, lambda: datetime.now(UTC)), store
    finally:
        await store.close()


async def cost(events: int, work: Callable[[], Awaitable[Any]]) -> Cost:
    """Measure some work."""
    sent, began, processor = Counting.sent, time.perf_counter(), time.process_time()
    await work()
    return Cost(events, time.perf_counter() - began, time.process_time() - processor, Counting.sent - sent)


def batch(size: int, name: str = "{}.csv") -> bytes:
    """Give a request of new files of one month."""
    numbers = [next(_numbers) for _ in range(size)]
    now = datetime.now(UTC)
    return body([blob(f"flights/2013-01/EWR/{name.format(n)}", n, now) for n in numbers])


def figures() -> Iterator[Figure]:
    """Measure batches, single events, duplicates and what nobody waits for."""
    with contextlib.contextmanager(temporary)(20) as root, running() as cloud:
        yield from asyncio.run(_measure(cloud, root))


async def _measure(cloud: Cloud, root: Path) -> list[Figure]:
    found: list[Figure] = []
    async with connected(cloud, root) as (this, store):

        async def send(bodies: list[bytes], at_once: int) -> None:
            gate = asyncio.Semaphore(at_once)

            async def one(text: bytes) -> None:
                async with gate:
                    await this.intake.accept(text, this.clock(), "bench")

            await asyncio.gather(*(one(text) for text in bodies))

        await send([batch(100)], 1)
        for size, rounds, most in ((100, 30, 0.25), (1000, 5, 0.1)):
            bodies = [batch(size) for _ in range(rounds)]
            floor = await cost(size * rounds, lambda texts=bodies: _bare(store, texts))  # type: ignore[misc]
            new = await cost(size * rounds, lambda texts=bodies: send(texts, 4))  # type: ignore[misc]
            again = await cost(size * rounds, lambda texts=bodies: send(texts, 4))  # type: ignore[misc]
            what = f"intake in batches of {size:,}"
            found += [
                Figure(what, new.rate, "events/s", "bare writes", floor.rate),
                at_least(f"{what}, beside the aim", new.rate, "events/s", RATE, "aim"),
                at_most(f"{what}: processor", new.microseconds, "us/event", MICROSECONDS),
                at_most(f"{what}: storage", new.each, "transactions/event", most),
                at_most(f"{what}: storage, all known", again.each, "transactions/event", 1.0),
            ]
        ignored = [batch(100, "{}.txt") for _ in range(20)]
        idle = await cost(2000, lambda: send(ignored, 4))
        found.append(at_most("intake of what nobody waits for: storage", idle.each, "transactions/event", 0.1))
        singles = [batch(1) for _ in range(1000)]
        one = await cost(1000, lambda: send(singles, _AT_ONCE))
        known = await cost(1000, lambda: send(singles, _AT_ONCE))
        alone = [batch(1, "{}.txt") for _ in range(500)]
        nobody = await cost(500, lambda: send(alone, _AT_ONCE))
        found += [
            at_least("intake one by one", one.rate, "events/s", SINGLES, "aim"),
            Figure("intake one by one: processor", one.microseconds, "us/event"),
            at_most("intake one by one: storage, with the queue's own two", one.each + 2, "transactions/event", 5.0),
            at_most("intake one by one: storage, known", known.each, "transactions/event", 1.0),
            at_most("intake one by one: storage, nobody waits for it", nobody.each, "transactions/event", 1.0),
        ]
    return found


async def _bare(store: AzureStore, bodies: list[bytes]) -> None:
    """Write the claims of events and the events in as few transactions as there can be."""
    table = store.table("bench")
    gate = asyncio.Semaphore(4)

    async def write(number: int, events: list[Event], raw: bytes) -> None:
        rows: list[Operation] = [Insert(Row(f"p{number % 8}", claim(event), {"part": "x" * 46})) for event in events]
        rows.append(Insert(Row(f"p{number % 8}", f"t{number}-{len(raw)}-{claim(events[0])}", {"p0": raw[:12_000]})))
        async with gate:
            await table.apply(rows)

    parts: list[tuple[list[Event], bytes]] = []
    for text in bodies:
        events = [event for event in parse(text, datetime.now(UTC)) if isinstance(event, Event)]
        parts += [(events[start : start + 99], text) for start in range(0, len(events), 99)]
    await asyncio.gather(*(write(number, events, raw) for number, (events, raw) in enumerate(parts)))
