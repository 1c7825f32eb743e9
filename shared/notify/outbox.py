"""The outbox: messages by channel, each entered once, sent in order, several as one digest, tried again, never lost.

m:<id>          a message, with its state: pending, sent, failed
p:<time>-<id>   pending, the oldest first
l:<inverted>    what became of a delivery, the newest first
head            when the channel may be sent to next, and what happened last
"""

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

import msgspec

from shared.deciding.retrying import delay_before
from shared.engine.outcomes import PermanentError, TransientError
from shared.ledger.deadletters import DeadLetters
from shared.ledger.protocol import (
    AlreadyExistsError,
    ChangedError,
    Delete,
    Insert,
    NotFoundError,
    Operation,
    Queue,
    Replace,
    Row,
    Store,
    Upsert,
    Value,
)
from shared.ledger.records import SCHEMA
from shared.notify.channels import EVENTS, Channel
from shared.notify.messages import Message

logger = logging.getLogger(__name__)

WINDOW: Final = timedelta(seconds=30)
"""After a delivery a channel rests for so long; what comes meanwhile goes out together."""
APART: Final = 2
"""Messages that wait together are still sent one by one up to so many; more are a digest."""
_MOST: Final = 40
_BUSY: Final = timedelta(seconds=90)
_LOST: Final = timedelta(minutes=2)
_END: Final = 9_999_999_999_999

Deliver = Callable[[Channel, Sequence[Message], str], Awaitable[None]]
"""Sends messages as one delivery, whose number is the same when it is tried again; raises as steps do."""


class Head(msgspec.Struct, kw_only=True, omit_defaults=True):
    """How a channel stands. `tries`: deliveries that failed since the last that worked."""

    ready: datetime | None = None
    busy: datetime | None = None
    tries: int = 0
    sent: int = 0
    failed: int = 0
    last_sent: datetime | None = None
    last_problem: str = ""
    last_problem_at: datetime | None = None


class Delivery(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of a delivery: how many messages it held, the first one's title, and the problem if there was one."""

    at: datetime
    count: int
    title: str
    problem: str = ""


class State(msgspec.Struct, frozen=True, kw_only=True):
    """A channel as people see it."""

    head: Head
    pending: int
    deliveries: tuple[Delivery, ...]


class Outbox:
    """Keeps and delivers messages. `channels` gives a channel by name, `deliver` sends (once) what it is given."""

    def __init__(
        self,
        store: Store,
        queue: Queue,
        letters: DeadLetters,
        channels: Mapping[str, Channel],
        deliver: Deliver,
    ) -> None:
        self._table = store.table("outbox")
        self._queue = queue
        self._letters = letters
        self._channels = channels
        self._deliver = deliver

    async def put(self, channel: str, message: Message) -> bool:
        """Enter a message and have it sent; False where it was entered before. Doing it again after a crash is safe."""
        cells = _cells("pending", message)
        pending = f"p:{_milliseconds(message.at):013}-{message.id}"
        rows = [Row(channel, f"m:{message.id}", cells), Row(channel, pending, {"schema": SCHEMA})]
        try:
            await self._table.apply([Insert(row) for row in rows])
        except AlreadyExistsError:
            known = await self._table.get(channel, f"m:{message.id}")
            if known is not None and known.cells["state"] == "pending":
                await self._queue.send(channel)
            return False
        await self._queue.send(channel)
        return True

    async def look(self, name: str, now: datetime) -> None:
        """Send what waits for a channel, if it may be sent to now. Raises StoreError: the message comes again."""
        head, etag = await self._head(name)
        waiting = await self._table.scan(name, prefix="p:", limit=_MOST)
        if not waiting:
            return
        until = max((moment for moment in (head.ready, head.busy) if moment is not None), default=now)
        if until > now:
            await self._queue.send(name, delay=(until - now).total_seconds())
            return
        head.busy = now + _BUSY
        try:
            etag = await self._write(name, head, etag)
        except ChangedError:
            return
        messages = [await self._message(name, row) for row in waiting]
        if len(messages) <= APART:
            parts: list[list[tuple[Row, Message]]] = [[one] for one in zip(waiting, messages, strict=True)]
        else:
            parts = [list(zip(waiting, messages, strict=True))]
        for part in parts:
            if not await self._send(name, part, head, now):
                break
        head.busy = None
        await self._write(name, head, etag)
        if await self._table.scan(name, prefix="p:", limit=1):
            delay = (head.ready - now).total_seconds() if head.ready and head.ready > now else 0.0
            await self._queue.send(name, delay=delay)

    async def _send(self, name: str, part: list[tuple[Row, Message]], head: Head, now: datetime) -> bool:
        """Send one delivery and note what became of it; False where the channel is to rest."""
        messages = [message for _, message in part]
        channel = self._channels.get(name) or Channel(name, "webhook", problem="it is not in HUB_CHANNELS")
        try:
            await self._deliver(channel, messages, f"{messages[0].id}-{len(messages)}")
        except TransientError as error:
            head.tries += 1
            delay = delay_before(head.tries, name, error.retry_after)
            head.last_problem, head.last_problem_at = str(error), now
            if delay is not None:
                head.ready = now + delay
                logger.warning("channel %s: %s; again in %.0f s", name, error, delay.total_seconds())
                return False
            await self._give_up(name, part, head, f"gave up after {head.tries} tries: {error}", now)
            return True
        except PermanentError as error:
            head.last_problem, head.last_problem_at = str(error), now
            await self._give_up(name, part, head, str(error), now)
            return True
        rests = channel.kind != EVENTS  # machines want each at once
        head.tries, head.sent, head.last_sent = 0, head.sent + len(part), now
        head.ready = now + WINDOW if rests else None
        await self._done(name, part, "sent", Delivery(at=now, count=len(part), title=messages[0].title))
        return True

    async def _give_up(
        self, name: str, part: list[tuple[Row, Message]], head: Head, reason: str, now: datetime
    ) -> None:
        head.tries, head.failed = 0, head.failed + len(part)
        for _, message in part:
            body = msgspec.json.encode({"channel": name, "message": message})
            letter = await self._letters.record(
                "notify", body, message.at, f"channel {name}: {reason}", subject=message.title, type=name
            )
            logger.error("a message for channel %s is a dead letter now: %s", name, letter.id)
        delivery = Delivery(at=now, count=len(part), title=part[0][1].title, problem=reason)
        await self._done(name, part, "failed", delivery)

    async def _done(self, name: str, part: list[tuple[Row, Message]], state: str, delivery: Delivery) -> None:
        operations: list[Operation] = []
        for row, message in part:
            operations += [Delete(name, row.key), Upsert(Row(name, f"m:{message.id}", _cells(state, message)))]
        key = f"l:{_END - _milliseconds(delivery.at):013}-{part[0][1].id}"
        cells: dict[str, Value] = {"schema": SCHEMA, "delivery": msgspec.json.encode(delivery)}
        try:
            await self._table.apply([*operations, Upsert(Row(name, key, cells))])
        except NotFoundError:
            logger.info("channel %s was sent to by another instance too", name)

    async def again(self, body: bytes) -> bool:
        """Enter a message of a dead letter anew; False where it is none. The channel is tried at once."""
        try:
            found = msgspec.json.decode(body, type=_Letter)
        except (msgspec.DecodeError, msgspec.ValidationError):
            return False
        message = found.message
        pending = Row(found.channel, f"p:{_milliseconds(message.at):013}-{message.id}", {"schema": SCHEMA})
        row = Row(found.channel, f"m:{message.id}", _cells("pending", message))
        await self._table.apply([Upsert(row), Upsert(pending)])
        await self._queue.send(found.channel)
        return True

    async def sweep(self, now: datetime) -> None:
        """Wake channels whose message was lost."""
        for name in self._channels:
            head, _ = await self._head(name)
            due = max((moment for moment in (head.ready, head.busy) if moment is not None), default=None)
            if due is not None and now - due < _LOST:
                continue
            if await self._table.scan(name, prefix="p:", limit=1):
                await self._queue.send(name)

    async def state(self, name: str) -> State:
        """Give how a channel stands, with its last deliveries."""
        head, _ = await self._head(name)
        pending = await self._table.scan(name, prefix="p:", limit=1000)
        rows = await self._table.scan(name, prefix="l:", limit=20)
        return State(
            head=head,
            pending=len(pending),
            deliveries=tuple(msgspec.json.decode(_bytes(row.cells["delivery"]), type=Delivery) for row in rows),
        )

    async def _head(self, name: str) -> tuple[Head, str]:
        row = await self._table.get(name, "head")
        return (Head(), "") if row is None else (msgspec.json.decode(_bytes(row.cells["head"]), type=Head), row.etag)

    async def _write(self, name: str, head: Head, etag: str) -> str:
        row = Row(name, "head", {"schema": SCHEMA, "head": msgspec.json.encode(head)}, etag)
        try:
            return (await self._table.apply([Replace(row) if etag else Insert(row)]))[0]
        except AlreadyExistsError as error:
            raise ChangedError(str(error)) from None

    async def _message(self, name: str, pending: Row) -> Message:
        row = await self._table.get(name, f"m:{pending.key.rpartition('-')[2]}")
        if row is None:
            raise NotFoundError(f"message {pending.key} of channel {name}")
        return msgspec.json.decode(_bytes(row.cells["message"]), type=Message)


class _Letter(msgspec.Struct, frozen=True):
    channel: str
    message: Message


def _cells(state: str, message: Message) -> dict[str, Value]:
    return {"schema": SCHEMA, "state": state, "message": msgspec.json.encode(message)}


def _bytes(value: Value) -> bytes:
    return value if isinstance(value, bytes) else b""


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
