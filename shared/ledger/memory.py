"""The store in memory: an honest twin of the Azure one, for simulation, backtests and unit tests.

It honours etags, the rules of transactions, delays and visibility of messages. `hook` is awaited before and after each
write, where a simulation interleaves instances and lets them crash.
"""

from bisect import bisect_right
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count

from shared.ledger.protocol import (
    AlreadyExistsError,
    ChangedError,
    Delete,
    Insert,
    NotFoundError,
    Operation,
    Replace,
    Row,
    Value,
)
from shared.ledger.rules import address, check

Hook = Callable[[str, str], Awaitable[None]]
"""Is told `before` or `after`, and what is written."""
Clock = Callable[[], datetime]


async def _nothing(moment: str, what: str) -> None:
    """Let the write pass."""


class MemoryTable:
    """A table in memory."""

    def __init__(self, name: str, etags: "count[int]", hook: Callable[[], Hook]) -> None:
        self.name = name
        self.transactions = 0
        self._rows: dict[str, dict[str, Row]] = {}
        self._keys: dict[str, list[str]] = {}
        self._etags = etags
        self._hook = hook

    async def get(self, partition: str, key: str) -> Row | None:
        """Give the row, or None."""
        self.transactions += 1
        return self._rows.get(partition, {}).get(key)

    async def apply(self, operations: Sequence[Operation]) -> list[str]:
        """Do all or none."""
        check(operations)
        await self._hook()("before", f"table {self.name}")
        self.transactions += 1
        for index, operation in enumerate(operations):
            self._check_condition(index, operation)
        etags = [self._do(operation) for operation in operations]
        await self._hook()("after", f"table {self.name}")
        return etags

    def _check_condition(self, index: int, operation: Operation) -> None:
        partition, key = address(operation)
        known = self._rows.get(partition, {}).get(key)
        if isinstance(operation, Insert):
            if known is not None:
                raise AlreadyExistsError(f"{self.name}: {partition}/{key} is there", index)
            return
        wanted = operation.etag if isinstance(operation, Delete) else operation.row.etag
        if isinstance(operation, Replace | Delete):
            if known is None:
                raise NotFoundError(f"{self.name}: {partition}/{key} is not there")
            if (wanted or isinstance(operation, Replace)) and wanted != known.etag:
                raise ChangedError(f"{self.name}: {partition}/{key} was changed by somebody else")

    def _do(self, operation: Operation) -> str:
        partition, key = address(operation)
        rows, keys = self._rows.setdefault(partition, {}), self._keys.setdefault(partition, [])
        if isinstance(operation, Delete):
            del rows[key]
            keys.remove(key)
            return ""
        if key not in rows:
            keys.insert(bisect_right(keys, key), key)
        etag = f'W/"{next(self._etags)}"'
        cells = {name: _as_kept(value) for name, value in operation.row.cells.items()}
        rows[key] = Row(partition, key, cells, etag)
        return etag

    async def scan(
        self, partition: str, *, after: str = "", before: str = "", limit: int = 1000, prefix: str = ""
    ) -> list[Row]:
        """Give rows by ascending key."""
        self.transactions += 1
        keys, rows = self._keys.get(partition, []), self._rows.get(partition, {})
        found: list[Row] = []
        for position in range(bisect_right(keys, after) if after else 0, len(keys)):
            key = keys[position]
            if before and key >= before:
                break
            if key.startswith(prefix):
                found.append(rows[key])
                if len(found) == limit:
                    break
            elif prefix and key > prefix:
                break
        return found

    async def partitions(self, *, after: str = "", limit: int = 1000) -> list[Row]:
        """Give rows over all partitions."""
        self.transactions += 1
        rows = [self._rows[p][k] for p in sorted(self._rows) if p > after for k in self._keys[p]]
        return rows[:limit]


def _as_kept(value: Value) -> Value:
    if isinstance(value, datetime):
        return value.astimezone(UTC)
    return value


class MemoryBlobs:
    """Blobs in memory."""

    def __init__(self, hook: Callable[[], Hook]) -> None:
        self.contents: dict[str, bytes] = {}
        self._hook = hook

    async def put(
        self, name: str, content: bytes, *, absent: bool = False, content_type: str = "application/json"
    ) -> None:
        """Write."""
        await self._hook()("before", f"blob {name}")
        if absent and name in self.contents:
            raise AlreadyExistsError(f"blob {name} is there")
        self.contents[name] = bytes(content)
        await self._hook()("after", f"blob {name}")

    async def get(self, name: str) -> bytes:
        """Read."""
        if name not in self.contents:
            raise NotFoundError(f"blob {name} is not there")
        return self.contents[name]

    async def delete(self, name: str) -> None:
        """Remove."""
        await self._hook()("before", f"blob {name}")
        self.contents.pop(name, None)
        await self._hook()("after", f"blob {name}")

    async def names(self, prefix: str) -> AsyncIterator[str]:
        """Give names in order."""
        for name in sorted(self.contents):
            if name.startswith(prefix):
                yield name


@dataclass
class Message:
    """A message in memory; `visible` is when it can be received (again)."""

    text: str
    inserted: datetime
    visible: datetime
    number: int
    received: int = 0
    receipt: int = 0


@dataclass
class MemoryQueue:
    """A queue in memory. `receive` and `delete` are what a Functions host does with it."""

    name: str
    clock: Clock
    hook: Callable[[], Hook]
    messages: list[Message] = field(default_factory=list)
    _numbers: "count[int]" = field(default_factory=count)

    async def send(self, text: str, *, delay: float = 0.0) -> None:
        """Put a message."""
        await self.hook()("before", f"queue {self.name}")
        now = self.clock()
        self.messages.append(Message(text, now, now + timedelta(seconds=delay), next(self._numbers)))
        await self.hook()("after", f"queue {self.name}")

    async def depth(self) -> tuple[int, float]:
        """Give count and age."""
        now = self.clock()
        visible = [message.inserted for message in self.messages if message.visible <= now]
        return len(self.messages), (now - min(visible)).total_seconds() if visible else 0.0

    def receive(self, visibility: float) -> tuple[Message, int] | None:
        """Take the first visible message for `visibility` seconds; give it and its receipt, or None."""
        now = self.clock()
        ready = [message for message in self.messages if message.visible <= now]
        if not ready:
            return None
        message = min(ready, key=lambda one: (one.visible, one.number))
        message.received += 1
        message.receipt += 1
        message.visible = now + timedelta(seconds=visibility)
        return message, message.receipt

    def delete(self, message: Message, receipt: int) -> bool:
        """Remove a message that nobody else has received since."""
        if message in self.messages and message.receipt == receipt:
            self.messages.remove(message)
            return True
        return False

    def next_visible(self) -> datetime | None:
        """Give when the next message can be received; None where the queue is empty."""
        return min((message.visible for message in self.messages), default=None)


class MemoryStore:
    """All of the store in memory."""

    def __init__(self, clock: Clock = lambda: datetime.now(UTC)) -> None:
        self.hook: Hook = _nothing
        self.clock = clock
        self._etags = count(1)
        self._tables: dict[str, MemoryTable] = {}
        self._queues: dict[str, MemoryQueue] = {}
        self._blobs = MemoryBlobs(lambda: self.hook)
        self._containers: dict[str, MemoryBlobs] = {}

    def table(self, name: str) -> MemoryTable:
        """Give a table."""
        return self._tables.setdefault(name, MemoryTable(name, self._etags, lambda: self.hook))

    def queue(self, name: str) -> MemoryQueue:
        """Give a queue."""
        return self._queues.setdefault(name, MemoryQueue(name, self.clock, lambda: self.hook))

    @property
    def blobs(self) -> MemoryBlobs:
        """Give the blobs."""
        return self._blobs

    def container(self, name: str) -> MemoryBlobs:
        """Give another container."""
        return self._containers.setdefault(name, MemoryBlobs(lambda: self.hook))

    async def tables(self) -> list[str]:
        """Give the names of the tables."""
        return sorted(self._tables)

    async def drop(self, name: str) -> None:
        """Remove a table."""
        self._tables.pop(name, None)

    async def close(self) -> None:
        """Nothing to let go of."""
