"""Delivers the events of one subscription: at least once, on the documented ladder, then to the dead letters."""

import asyncio
import heapq
import logging
import random
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Final

from local.eventgrid import ladder
from local.eventgrid.burial import Burial
from local.eventgrid.destinations import Destination
from local.eventgrid.journal import Delivery, Journal, Stored
from local.eventgrid.probation import Probation
from local.eventgrid.storage import Storage
from local.eventgrid.subscriptions import Subscription

logger = logging.getLogger("eventgrid.delivery")

CONCURRENT: Final = 8
"""Requests of a subscription at once."""
CONCURRENT_WHILE_BUSY: Final = 1
"""The same while clients write blobs: Azurite serves both in one thread, and a burst of writes goes first."""
PATIENCE_WHILE_BUSY: Final = 2.0
"""Seconds for which an event lets writes go first; then it goes out as fast as others."""
KEPT_IN_MEMORY: Final = 10_000
"""Events of a subscription whose content is kept at hand; that of others is read again when they are due."""
_KNOCK: Final = 0.5
_LOOK_AGAIN: Final = 0.05
_ASK_AGAIN: Final = 5.0


class Subscriber:
    """Delivers to one destination. Every documented time is divided by `scale`.

    `wakes`: where nobody listened at the destination, what failed for that is tried again as soon as somebody does,
    before its step of the ladder: on a laptop, parts start one after the other. `busy` tells whether blobs are written
    right now.
    """

    def __init__(
        self,
        subscription: Subscription,
        destination: Destination,
        journal: Journal,
        storage: Storage,
        *,
        scale: float = 1.0,
        wakes: bool = True,
        busy: Callable[[], bool] = lambda: False,
    ) -> None:
        self.subscription = subscription
        self.destination = destination
        self._journal = journal
        self._scale, self._wakes, self._busy = scale, wakes, busy
        self._heap: list[tuple[float, int, Delivery]] = []
        self._number = 0
        self._bodies: dict[int, Stored] = {}
        self._burial = Burial(subscription, journal, storage, scale)
        self._changed = asyncio.Event()
        self._sending: dict[asyncio.Task[None], list[tuple[Delivery, Stored]]] = {}
        self._ready = False
        self.probation = Probation(scale)

    def resume(self) -> None:
        """Take up what an earlier process left."""
        for delivery in self._journal.waiting(self.subscription.name):
            if delivery.dead:
                self._burial.resume(delivery)
            else:
                self._push(delivery)

    def offer(self, event: Stored, dues: Iterable[float], since: float) -> None:
        """Deliver an event at these times; none drops it."""
        offered = False
        for due in dues:
            offered = True
            self._push(Delivery(self.subscription.name, event.key, due, since))
        if not offered:
            self._journal.settle(Delivery(self.subscription.name, event.key, since, since), "droppedOnDemand")
        elif len(self._bodies) < KEPT_IN_MEMORY:
            self._bodies[event.key] = event

    def _push(self, delivery: Delivery) -> None:
        self._number += 1
        heapq.heappush(self._heap, (delivery.due, self._number, delivery))
        self._changed.set()

    @property
    def waiting(self) -> int:
        """Deliveries that have not ended."""
        return len(self._heap) + sum(map(len, self._sending.values()))

    @property
    def dead(self) -> int:
        """Events that wait for their dead letter to be written."""
        return len(self._burial)

    @property
    def oldest(self) -> float | None:
        """When the oldest waiting delivery was asked for, in seconds since the epoch."""
        return min((delivery.since for _, _, delivery in self._heap), default=None)

    async def run(self) -> None:
        """Deliver until cancelled."""
        helpers = [asyncio.create_task(self._burial.run())]
        if self._wakes:
            helpers.append(asyncio.create_task(self._knock()))
        try:
            while True:
                await self._next()
        finally:
            tasks = [*helpers, *self._sending]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _next(self) -> None:
        self._changed.clear()
        now = time.time()
        if not self._heap or self._heap[0][0] > now:
            pause = self._heap[0][0] - now if self._heap else 60.0
            with suppress(TimeoutError):
                async with asyncio.timeout(min(pause, 60.0)):
                    await self._changed.wait()
            return
        if now < self.probation.until:
            with suppress(TimeoutError):
                async with asyncio.timeout(min(self.probation.until - now, _KNOCK)):
                    await self._changed.wait()
            return
        if not self._ready:
            self._ready = await self.destination.ready()
            if not self._ready:
                await asyncio.sleep(min(_ASK_AGAIN / self._scale, _KNOCK))
                return
        if len(self._sending) >= self._most(now):
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_AGAIN):
                    await self._changed.wait()
            return
        batch = self._batch(time.time())
        task = asyncio.create_task(self._send(batch))
        self._sending[task] = batch
        task.add_done_callback(self._sent)

    def _most(self, now: float) -> int:
        """Give how many requests may be under way."""
        if self.probation.trying:
            return 1
        waited = now - self._heap[0][2].due
        return CONCURRENT_WHILE_BUSY if self._busy() and waited < PATIENCE_WHILE_BUSY else CONCURRENT

    def _sent(self, task: "asyncio.Task[None]") -> None:
        batch = self._sending.pop(task)
        self._changed.set()
        if not task.cancelled() and (error := task.exception()):
            logger.error("subscription %s: a delivery broke", self.subscription.name, exc_info=error)
            for delivery, _ in batch:
                self._failed(delivery, 500, time.time())

    def _batch(self, now: float) -> list[tuple[Delivery, Stored]]:
        """Take what is due: one event, or as many as a batch may hold."""
        destination = self.subscription.destination
        found: list[tuple[Delivery, Stored]] = []
        size = 0
        while self._heap and self._heap[0][0] <= now and len(found) < destination.max_events:
            delivery = self._heap[0][2]
            event = self._event(delivery)
            if event is not None and found and size + len(event.body) > destination.preferred_kilobytes * 1024:
                break
            heapq.heappop(self._heap)
            if event is None:
                self._journal.settle(delivery, "lost")
            elif now >= delivery.since + self.subscription.time_to_live / self._scale:
                self._end(delivery, ladder.EXPIRED, now)
            else:
                found.append((delivery, event))
                size += len(event.body)
        return found

    def _event(self, delivery: Delivery) -> Stored | None:
        known = self._bodies.get(delivery.key)
        return known or next(iter(self._journal.events([delivery.key])), None)

    async def _send(self, batch: list[tuple[Delivery, Stored]]) -> None:
        if not batch:
            return
        status = await self.destination.send([event for _, event in batch], batch[0][0].attempts)
        now = time.time()
        if status in ladder.SUCCESS:
            self.probation.end()
        elif not ladder.is_final(status, resource=self.destination.resource) and self.probation.failed(len(batch), now):
            logger.warning(
                "subscription %s: its endpoint keeps failing and is left alone for %.1f s",
                self.subscription.name,
                self.probation.until - now,
            )
        for delivery, _ in batch:
            self._bodies.pop(delivery.key, None)
            if status in ladder.SUCCESS:
                self._journal.settle(delivery, "delivered")
            else:
                self._failed(delivery, status, now)

    def _failed(self, delivery: Delivery, status: int, now: float) -> None:
        resource, subscription = self.destination.resource, self.subscription
        delivery.attempts += 1
        delivery.last, delivery.outcome = now, ladder.outcome(status)
        chance = random.random()  # noqa: S311 it only spreads the load
        pause = ladder.wait(status, delivery.attempts, resource=resource, random=chance)
        delivery.due = now + pause / self._scale
        expires = delivery.since + subscription.time_to_live / self._scale
        reason = ladder.end(
            status,
            delivery.attempts,
            subscription.max_attempts,
            next_attempt=delivery.due,
            expires=expires,
            resource=resource,
        )
        self._journal.count(subscription.name, "failedAttempts")
        if reason:
            self._end(delivery, reason, now)
            return
        logger.info(
            "subscription %s: attempt %d was answered %s; the next one in %.1f s",
            subscription.name,
            delivery.attempts,
            status or "by nobody",
            pause / self._scale,
        )
        self._journal.change(delivery)
        self._push(delivery)

    def _end(self, delivery: Delivery, reason: str, now: float) -> None:
        name = self.subscription.name
        logger.warning(
            "subscription %s: event %d is given up after %d attempts: %s, last outcome %s",
            name,
            delivery.key,
            delivery.attempts,
            reason,
            delivery.outcome or "none",
        )
        self._burial.add(delivery, reason, now)

    async def _knock(self) -> None:
        """Find out when somebody listens again, and try then what nobody answered."""
        while True:
            await asyncio.sleep(_KNOCK)
            now, waits = time.time(), time.time() < self.probation.until
            refused = [one for _, _, one in self._heap if one.outcome == "SocketError" and (waits or one.due > now)]
            if not refused:
                continue
            try:
                async with asyncio.timeout(1):
                    _, writer = await asyncio.open_connection("127.0.0.1", self.destination.port)
            except (OSError, TimeoutError):
                continue
            writer.close()
            self.probation.end()
            for delivery in refused:
                delivery.due = time.time()
            self._heap = [(one.due, number, one) for _, number, one in self._heap]
            heapq.heapify(self._heap)
            self._changed.set()
