"""Dead letters of one subscription: what was given up waits five minutes and is then written, many in one blob.

https://learn.microsoft.com/azure/event-grid/delivery-and-retry#dead-letter-events
"""

import asyncio
import logging
import time
import uuid
from typing import Final

import aiohttp

from local.eventgrid import ladder
from local.eventgrid.journal import Delivery, Journal
from local.eventgrid.operations import ticks
from local.eventgrid.schemas import dead_letter, encode, in_schema
from local.eventgrid.storage import Storage, StorageRefusedError
from local.eventgrid.subscriptions import Subscription

logger = logging.getLogger("eventgrid.delivery")

_MOST: Final = 500
"""Dead letters of a blob."""


class Burial:
    """Writes the dead letters. Every documented time is divided by `scale`."""

    def __init__(self, subscription: Subscription, journal: Journal, storage: Storage, scale: float) -> None:
        self._subscription, self._journal, self._storage, self._scale = subscription, journal, storage, scale
        self._dead: list[Delivery] = []

    def __len__(self) -> int:
        """Give how many wait to be written."""
        return len(self._dead)

    def resume(self, delivery: Delivery) -> None:
        """Take up what an earlier process gave up."""
        self._dead.append(delivery)

    def add(self, delivery: Delivery, reason: str, now: float) -> None:
        """Have a delivery that was given up written; without a container it is dropped."""
        if not self._subscription.container:
            self._journal.settle(delivery, "dropped")
            return
        delivery.dead = reason
        delivery.due = now + ladder.DEAD_LETTER_DELAY / self._scale
        self._journal.change(delivery)
        self._dead.append(delivery)

    async def run(self) -> None:
        """Write what is due until cancelled: those of five minutes together, as arrays."""
        while True:
            await asyncio.sleep(min(1.0, ladder.DEAD_LETTER_DELAY / self._scale / 4))
            now = time.time()
            if not any(delivery.due <= now for delivery in self._dead):
                continue
            batch = self._dead[:_MOST]
            try:
                await self._write(batch, now)
            except (StorageRefusedError, aiohttp.ClientError, TimeoutError) as error:
                logger.warning("subscription %s: no dead letter is written: %s", self._subscription.name, error)
                self._postpone(batch, now)
                continue
            self._dead = self._dead[len(batch) :]
            for delivery in batch:
                self._journal.settle(delivery, "deadLettered")

    def _postpone(self, batch: list[Delivery], now: float) -> None:
        for delivery in batch:
            patience = (ladder.DEAD_LETTER_DELAY + ladder.DEAD_LETTER_PATIENCE) / self._scale
            if now - max(delivery.last, delivery.since) > patience:
                self._dead.remove(delivery)
                self._journal.settle(delivery, "dropped")
            else:
                delivery.due = now + ladder.STEPS[1] / self._scale

    async def _write(self, batch: list[Delivery], now: float) -> None:
        schema = self._subscription.schema
        found = {event.key: event for event in self._journal.events(delivery.key for delivery in batch)}
        letters = [
            dead_letter(
                in_schema(event, schema),
                schema,
                reason=delivery.dead,
                attempts=delivery.attempts,
                outcome=delivery.outcome,
                published=ticks(int(event.published * 1e9)),
                last=ticks(int((delivery.last or now) * 1e9)),
            )
            for delivery in batch
            if (event := found.get(delivery.key)) is not None
        ]
        at = time.gmtime(now)
        folder = f"{self._subscription.name.upper()}/{at.tm_year}/{at.tm_mon}/{at.tm_mday}/{at.tm_hour}"
        await self._storage.put_blob(self._subscription.container, f"{folder}/{uuid.uuid4()}.json", encode(letters))
