"""The sweep: finds what a crash or a lost message left behind, in the index of what is unfinished."""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import Final

from shared.actions.retire import Retirements
from shared.engine.gather import Gatherer
from shared.engine.run import Engine
from shared.intake.accept import Intake
from shared.intake.undelivered import Undelivered
from shared.ledger.protocol import Queue
from shared.ledger.unfinished import Unfinished
from shared.telemetry import recording

logger = logging.getLogger(__name__)
_AT_ONCE: Final = 16
UNFINISHED: Final = ("held", "queued", "running", "waiting-approval")
"""The statuses of activities that have not ended, as they are counted."""


class Sweep:
    """Looks at what is unfinished. `grace`: how long something may be overdue before its message counts as lost.

    `queues` are those whose length and age are measured, by name.
    """

    def __init__(
        self,
        unfinished: Unfinished,
        intake: Intake,
        undelivered: Undelivered,
        retirements: Retirements,
        engine: Engine,
        gatherer: Gatherer,
        clock: Callable[[], datetime],
        grace: timedelta,
        queues: Mapping[str, Queue],
    ) -> None:
        self._unfinished = unfinished
        self._intake = intake
        self._undelivered = undelivered
        self._retirements = retirements
        self._engine = engine
        self._gatherer = gatherer
        self._clock = clock
        self._grace = grace
        self._queues = queues

    async def run(self) -> None:
        """Decide events left undecided, look at open collections, wake activities whose message was lost."""
        try:
            await self._run()
        except Exception:
            recording.number("hub.sweeps", result="failed")
            raise
        recording.number("hub.sweeps", result="done")

    async def _run(self) -> None:
        failures = await self._each(
            lambda: self._intake.sweep(self._clock()),
            self._undelivered.collect,
            lambda: self._retirements.run(self._clock()),
        )
        gate = asyncio.Semaphore(_AT_ONCE)
        statuses: Counter[str] = Counter()

        async def one(kind: str, name: str) -> None:
            async with gate:
                try:
                    if kind == "activity":
                        statuses[await self._engine.overdue(name, self._grace)] += 1
                    else:
                        await self._gatherer.look(name)
                except Exception:
                    logger.exception("sweep: %s %s", kind, name)

        for kind in ("collection", "activity"):
            await asyncio.gather(*(one(kind, entry.name) for entry in await self._unfinished.all(kind)))
        await self._measure(statuses)
        if failures:
            raise failures[0]

    async def _each(self, *looks: Callable[[], Awaitable[object]]) -> list[Exception]:
        """Do each, one after the other; one that fails stops no other, and is done again in a minute."""
        failures: list[Exception] = []
        for look in looks:
            try:
                await look()
            except Exception as error:
                logger.exception("sweep: one of its looks failed")
                failures.append(error)
        return failures

    async def _measure(self, statuses: Counter[str]) -> None:
        if not recording.on():
            return
        for status in UNFINISHED:
            recording.number("hub.unfinished", statuses[status], status=status)
        for name, queue in self._queues.items():
            count, age = await queue.depth()
            recording.number("hub.queue.length", count, queue=name)
            recording.number("hub.queue.age", age, queue=name)
