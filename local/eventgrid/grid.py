"""Event Grid itself: takes events of a topic, stores those that a subscription wants, and has them delivered."""

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

import aiohttp

from local.config import Cloud
from local.eventgrid.delivery import Subscriber
from local.eventgrid.destinations import Destination, QueueDestination, WebhookDestination
from local.eventgrid.faults import Faults
from local.eventgrid.framing import Response
from local.eventgrid.intents import Intents
from local.eventgrid.journal import Delivery, Journal, JournalError, Stored
from local.eventgrid.operations import Looked, Write, event_of
from local.eventgrid.schemas import decode, encode
from local.eventgrid.storage import Storage
from local.eventgrid.subscriptions import EVENT_GRID, Routes, Subscription

logger = logging.getLogger("eventgrid.grid")

_PRUNE_EVERY: Final = 600.0
_SETTLE: Final = 1.0
_BUSY: Final = 0.03
"""Seconds after a write during which others are expected."""


class UnknownError(LookupError):
    """There is no such topic, subscription or event; the text says which there are."""


class Grid:
    """All topics of a cloud. It is a `Recorder` for the accounts whose writes raise events that somebody wants."""

    def __init__(
        self,
        cloud: Cloud,
        routes: Routes,
        journal: Journal,
        session: aiohttp.ClientSession,
        faults: Faults,
        *,
        wakes: bool = True,
    ) -> None:
        self.cloud, self.routes, self.journal, self.faults = cloud, routes, journal, faults
        storage = self._storage = Storage(cloud, session)
        self.subscribers: dict[str, Subscriber] = {}
        self._written = 0.0
        for one in routes.subscriptions:
            self.subscribers[one.name] = Subscriber(
                one,
                self._destination(one, storage, session),
                journal,
                storage,
                scale=cloud.time_scale,
                wakes=wakes,
                busy=self._is_busy if one.destination.queue else lambda: False,
            )
        wanted = {one.topic for one in routes.subscriptions}
        self._topic_of = {
            topic.account: topic.name for topic in routes.topics.values() if topic.account and topic.name in wanted
        }
        self.accounts = frozenset(self._topic_of)
        self._intents = Intents(cloud.local_dir / "eventgrid" / "intents")
        self._endpoint = f"http://127.0.0.1:{cloud.blob_port}"
        self._left = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def _destination(self, one: Subscription, storage: Storage, session: aiohttp.ClientSession) -> Destination:
        if one.destination.queue:
            return QueueDestination(one, self.cloud, storage)
        return WebhookDestination(one, self.cloud, session, self.topic_id(one.topic))

    def topic_id(self, name: str) -> str:
        """Give the ARM id of a topic: what `topic`, or `source`, holds in its events."""
        topic = self.routes.topics.get(name)
        if topic is None:
            raise UnknownError(f"there is no topic {name!r}: there are {', '.join(self.routes.topics)}")
        if topic.account:
            return self.cloud.account_id(topic.account)
        if name == "workspace":
            return self.cloud.workspace_id
        return f"{self.cloud.workspace_id.partition('/providers/')[0]}/providers/Microsoft.EventGrid/topics/{name}"

    def start(self) -> None:
        """Take up what is left and deliver until `stop`."""
        for subscriber in self.subscribers.values():
            subscriber.resume()
            self._tasks.append(asyncio.create_task(subscriber.run()))
        self._tasks += [asyncio.create_task(self._prune()), asyncio.create_task(self._recover())]

    async def stop(self) -> None:
        """Stop delivering; what has not ended stays in the journal."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._intents.close()

    async def _recover(self) -> None:
        while True:
            self._left.clear()
            try:
                count = await self.recover()
            except (OSError, aiohttp.ClientError, TimeoutError, JournalError):
                await asyncio.sleep(1)
                continue
            if count:
                logger.warning("raised %d events of writes whose requests had broken off", count)
            await self._left.wait()
            await asyncio.sleep(_SETTLE)  # Azurite may still be at it

    async def _prune(self) -> None:
        while True:
            if not self.journal.prune():
                await asyncio.sleep(_PRUNE_EVERY)
            await asyncio.sleep(0.1)

    def event(self, write: Write, response: Response, found: Looked | None, size: int) -> Stored:
        """Make the event of a write to an account."""
        key = self.journal.next_key()
        topic = self._topic_of[write.account]
        event = event_of(write, response, found, size, key, self.topic_id(topic), self._endpoint)
        return self._stored(topic, EVENT_GRID, event, key)

    def _stored(self, topic: str, schema: str, event: Mapping[str, Any], key: int) -> Stored:
        kind = str(event.get("eventType" if schema == EVENT_GRID else "type", ""))
        subject = str(event.get("subject") or "")
        return Stored(key, topic, schema, str(event["id"]), kind, subject, time.time(), encode(event))

    async def keep(self, event: Stored) -> None:
        """Store an event of the blob endpoint and have it delivered; raises JournalError."""
        await self._keep([(event, self._takers(event.topic, decode(event.body)))])

    def begin(self, write: Write, *, existed: bool) -> int:
        """Note that a write is about to happen."""
        self._written = time.monotonic()
        return self._intents.begin(write, existed=existed)

    def _is_busy(self) -> bool:
        return time.monotonic() - self._written < _BUSY

    def end(self, number: int) -> None:
        """Note that a write is told of, or has not happened."""
        self._intents.end(number)

    def leave(self, number: int) -> None:
        """Note that a request broke off; what became of its write is found out soon."""
        self._intents.leave(number)
        self._left.set()

    async def recover(self) -> int:
        """Raise the events of writes that broke off before they were told of; gives how many.

        Raises OSError where Azurite does not answer.
        """
        told = [event for topic in self._topic_of.values() for event in self.journal.find(topic, last=1000)]
        etags = {decode(event.body)["data"].get("eTag") for event in told}
        happened = await self._intents.happened(self._storage.head, etags.__contains__)
        for number, write, response, found in happened:
            await self.keep(self.event(write, response, found, found.content_length))
            self._intents.end(number)
        return len(happened)

    async def publish(self, topic: str, schema: str, events: Sequence[Mapping[str, Any]]) -> None:
        """Store events of a topic and have them delivered; raises JournalError."""
        stored = [self._stored(topic, schema, event, self.journal.next_key()) for event in events]
        await self._keep([(one, self._takers(topic, event)) for one, event in zip(stored, events, strict=True)])

    def _takers(self, topic: str, event: Mapping[str, Any]) -> list[str]:
        """Give the subscriptions that take an event."""
        return [one.name for one in self.routes.subscriptions if one.topic == topic and one.filter.takes(event)]

    async def _keep(self, wanted: Sequence[tuple[Stored, list[str]]]) -> None:
        kept = [(event, names) for event, names in wanted if names]
        if kept:
            await asyncio.gather(*(self.journal.add(event, names) for event, names in kept))
        now = time.time()
        for event, names in kept:
            for name in names:
                self.subscribers[name].offer(event, self.faults.dues(name, event.type, now), now)

    def redeliver(
        self, *, subscription: str = "", topic: str = "", kind: str = "", subject: str = "", last: int | None = None
    ) -> int:
        """Deliver kept events once more to the subscriptions that took them; gives how many deliveries."""
        if subscription and subscription not in self.subscribers:
            raise UnknownError(f"there is no subscription {subscription!r}: there are {', '.join(self.subscribers)}")
        now = time.time()
        count = 0
        found = self.journal.find(topic, kind, subject, *(() if last is None else (last,)))
        for name, subscriber in self.subscribers.items():
            if subscription not in {"", name}:
                continue
            events = [event for event in found if name in self._takers(event.topic, decode(event.body))]
            self.journal.again([Delivery(name, event.key, now, now) for event in events])
            for event in events:
                subscriber.offer(event, [now], now)
            count += len(events)
        return count
