"""The sweep: finds what a crash or a lost message left behind, in the index of what is unfinished."""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from shared.actions.retire import Retirements
from shared.engine.gather import Gatherer
from shared.engine.run import Engine
from shared.intake.accept import Intake
from shared.intake.undelivered import Undelivered
from shared.ledger.unfinished import Unfinished

logger = logging.getLogger(__name__)
_AT_ONCE: Final = 16


class Sweep:
    """Looks at what is unfinished. `grace`: how long something may be overdue before its message counts as lost."""

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
    ) -> None:
        self._unfinished = unfinished
        self._intake = intake
        self._undelivered = undelivered
        self._retirements = retirements
        self._engine = engine
        self._gatherer = gatherer
        self._clock = clock
        self._grace = grace

    async def run(self) -> None:
        """Decide events left undecided, look at open collections, wake activities whose message was lost."""
        await self._intake.sweep(self._clock())
        await self._undelivered.collect()
        await self._retirements.run(self._clock())
        gate = asyncio.Semaphore(_AT_ONCE)

        async def one(kind: str, name: str) -> None:
            async with gate:
                try:
                    if kind == "activity":
                        await self._engine.overdue(name, self._grace)
                    else:
                        await self._gatherer.look(name)
                except Exception:
                    logger.exception("sweep: %s %s", kind, name)

        for kind in ("collection", "activity"):
            await asyncio.gather(*(one(kind, entry.name) for entry in await self._unfinished.all(kind)))
