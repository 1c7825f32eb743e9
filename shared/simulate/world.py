"""A hub in memory whose clock is set by hand: it takes deliveries at their times, and does its own work in between."""

import contextlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final, cast

from shared.automations.loading import Catalogue
from shared.azureml.batch import Batch
from shared.azureml.endpoints import Endpoints
from shared.azureml.protocol import AzureML
from shared.bootstrap import Hub, wire
from shared.events.model import Broken
from shared.intake.read import Read
from shared.ledger.memory import MemoryStore
from shared.ledger.protocol import NotFoundError
from shared.ledger.records import Activity
from shared.settings import Settings
from shared.simulate.gathering import Remembering
from shared.simulate.pretending import Length, Nothing, Steps
from shared.simulate.remembering import Remembered
from shared.simulate.silence import silence

_TICK: Final = timedelta(minutes=1)
_MOST_LOOKS: Final = 5_000_000


class World:
    """A pretended hub under a set of rules."""

    def __init__(self, settings: Settings, catalogue: Catalogue, began: datetime, length: Length) -> None:
        self.now = began
        self.began = began
        self.store = MemoryStore(lambda: self.now)
        self.steps = Steps(length, lambda: self.now)
        self.journal = Remembered(self.store)
        self._work = self.store.queue(settings.work_queue)
        self.hub: Hub = wire(
            settings,
            self.store,
            Nothing(),
            cast("AzureML", _NoAzureML()),
            lambda: self.now,
            endpoints=cast("Endpoints", _NoAzureML()),
            batch=cast("Batch", _NoAzureML()),
            catalogue=catalogue,
            journal=self.journal,
            collections=Remembering(self.store, self._work),
            steps=self.steps,
        )
        self._ticks = any(
            trigger.schedule or trigger.missing
            for loaded in catalogue.automations.values()
            for trigger in loaded.automation.on
        )
        self._ticked = began
        self._looks = 0

    async def deliver(self, events: Sequence[Read | Broken], at: datetime, via: str) -> None:
        """Take a delivery in at its time; what is due before is done before."""
        await self.run_until(at)
        with silence():
            await self.hub.intake.take_read(events, at, via)

    @property
    def resolution(self) -> timedelta:
        """Deliveries closer together than that may be taken in as one: a tenth of the shortest quiet period."""
        quiet = [
            trigger.blob_created.collect.quiet
            for loaded in self.hub.rulebook.catalogue.automations.values()
            for trigger in loaded.automation.on
            if trigger.blob_created and trigger.blob_created.collect
        ]
        return min([timedelta(seconds=30), *(one / 10 for one in quiet)])

    def next_due(self) -> datetime | None:
        """Give when the hub has something to do of its own accord next; None for nothing but the clock's ticks."""
        return self._work.next_visible()

    async def run_until(self, end: datetime) -> None:
        """Let time pass."""
        with silence():
            await self._run_until(end)

    async def _run_until(self, end: datetime) -> None:
        if self._ticks and self._ticked == self.began:
            await self.hub.triggers.tick(self.began)
        while True:
            due = self._work.next_visible()
            tick = self._ticked + _TICK if self._ticks else None
            following = min((moment for moment in (due, tick) if moment is not None), default=None)
            if following is None or following > end:
                break
            self.now = max(self.now, following)
            if tick is not None and following == tick:
                self._ticked = tick
                await self.hub.triggers.tick(self.now)
                continue
            received = self._work.receive(60)
            if received is not None:
                self._looks += 1
                if self._looks > _MOST_LOOKS:
                    raise RuntimeError("the rules keep the hub busy without end: look for a loop among them")
                with contextlib.suppress(NotFoundError):  # a run of history wakes an activity that is not of this world
                    await self.hub.work(received[0].text)
                self._work.delete(*received)
        self.now = max(self.now, end)

    async def activities(self) -> list[Activity]:
        """Give the activities that were opened, oldest first."""
        newest = self.hub.activities.newest(self.now + timedelta(days=1), until=self.began - timedelta(days=400))
        return sorted([activity async for activity in newest], key=lambda activity: activity.id)


class _NoAzureML:
    """An Azure ML that nobody may ask: every step that would is pretended."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"a simulation asked Azure ML for {name}")
