"""Records what is measured, cheaply and at once; who hands it on comes later, and elsewhere.

Nothing here imports OpenTelemetry: a finished span, a number or a log line is one small object in a bounded buffer.
Where no exporter is configured there is no buffer, and every function here returns at once.
"""

import threading
from collections import deque
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal

from shared.telemetry.places import Place

Value = str | int | float | bool
MOST: Final = 20_000
"""Records that wait for the exporter at most; the oldest go first, and how many went is told."""


@dataclass(frozen=True, slots=True)
class Span:
    """A finished span. `error` is why it failed, "" where it did not; `share` is what part of its like is kept."""

    name: str
    place: Place
    start: datetime
    end: datetime
    attributes: Mapping[str, Value] = field(default_factory=dict)
    kind: Literal["internal", "client", "consumer"] = "internal"
    links: tuple[Place, ...] = ()
    error: str = ""
    share: float = 1.0


@dataclass(frozen=True, slots=True)
class Number:
    """A number for the metric of that name (shared.telemetry.names says which there are)."""

    name: str
    value: float
    attributes: Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Line:
    """A log line. `time` in seconds since the epoch, `level` as in logging."""

    time: float
    level: int
    logger: str
    text: str
    attributes: Mapping[str, Value]
    place: Place | None


Record = Span | Number | Line


class Buffer:
    """Records that wait. `first` is called once, by the first of something done; `share` is that of events' spans."""

    def __init__(self, share: float = 1.0, first: Callable[[], None] = lambda: None, most: int = MOST) -> None:
        self.share = share
        self.dropped = 0
        self.filled = threading.Event()
        self._first: Callable[[], None] | None = first
        self._most = most
        self._records: deque[Record] = deque()

    def add(self, record: Record) -> None:
        """Keep a record."""
        if len(self._records) >= self._most:
            self._records.popleft()
            self.dropped += 1
        self._records.append(record)
        if not self.filled.is_set():
            self.filled.set()
        if self._first is not None and not isinstance(record, Line):
            first, self._first = self._first, None
            first()

    def take(self) -> list[Record]:
        """Give what waits, and forget it."""
        self.filled.clear()
        taken: list[Record] = []
        while self._records:
            taken.append(self._records.popleft())
        return taken


_buffer: Buffer | None = None
pretended: Final[ContextVar[bool]] = ContextVar("pretended", default=False)
"""Set where a hub only pretends to work, in a simulation or a backtest: nothing of that is recorded."""


def use(buffer: Buffer | None) -> None:
    """Record into this buffer from now on; None for nothing."""
    global _buffer  # noqa: PLW0603 - what records has no other way to it than this module
    _buffer = buffer


def on() -> bool:
    """Tell whether anything is recorded: what costs more than a call should be asked first."""
    return _buffer is not None and not pretended.get()


def kept(place: Place) -> bool:
    """Tell whether the span of one event among many is kept: by its trace's id, so that all instances agree."""
    return _buffer is not None and int(place.trace[16:], 16) < _buffer.share * 2**64


def share() -> float:
    """Give what part of the events' spans is kept."""
    return _buffer.share if _buffer else 0.0


def put(record: Record) -> None:
    """Record a span or line."""
    if _buffer is not None and not pretended.get():
        _buffer.add(record)


def number(name: str, value: float = 1, **attributes: Value) -> None:
    """Record a number: what a counter grows by, what a histogram takes in, what a gauge stands at."""
    if _buffer is not None and not pretended.get():
        _buffer.add(Number(name, value, attributes))
