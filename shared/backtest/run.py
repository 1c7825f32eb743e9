"""Replays a span of history under the rules in force and under others, both at once, by the shipped deciding code."""

import asyncio
import contextlib
import gc
import threading
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median
from typing import Final

from shared.automations.loading import Catalogue
from shared.backtest.answer import Backtest
from shared.backtest.compare import compare, side_of_ledger, side_of_world
from shared.bootstrap import Hub
from shared.events.model import Broken
from shared.events.parsing import parse_one
from shared.intake.read import Read
from shared.ledger.journal import Stored
from shared.ledger.records import Activity, Step, Taken
from shared.simulate.run import USUAL
from shared.simulate.world import World

MOST_EVENTS: Final = 1_000_000
LONGEST: Final = timedelta(days=400)
_AT_ONCE: Final = 2000
_AFTER: Final = timedelta(days=2)
"""Time that passes after the span, so that what was gathering or held at its end is seen to the end."""


class SpanError(ValueError):
    """The span cannot be compared; the message says why."""


@dataclass(frozen=True)
class Lengths:
    """How long jobs last: the median of what the ledger saw, by automation and step, else by step, else ten minutes."""

    seconds: dict[tuple[str, str], float]

    @classmethod
    def of(cls, activities: Sequence[Activity]) -> "Lengths":
        """Learn from activities."""
        seen: dict[tuple[str, str], list[float]] = {}
        for activity in activities:
            for step in activity.steps:
                if step.kind == "job" and step.state == "done" and step.started and step.ended:
                    took = (step.ended - step.started).total_seconds()
                    for name in (activity.automation, ""):
                        seen.setdefault((name, step.name), []).append(took)
        return cls({key: median(values) for key, values in seen.items()})

    def __call__(self, activity: Activity, step: Step) -> timedelta:
        """Give how long a job is taken to last."""
        for name in (activity.automation, ""):
            if (name, step.name) in self.seconds:
                return timedelta(seconds=self.seconds[name, step.name])
        return USUAL


class BusyError(Exception):
    """Another backtest is under way in this instance."""


_one_at_a_time = threading.Lock()


async def backtest(hub: Hub, asked: Catalogue, since: datetime, until: datetime, most: int = MOST_EVENTS) -> Backtest:
    """Compare rules over a span, in a thread of its own: the events of that minute are not kept waiting.

    Raises SpanError, TooMuchError, BusyError.
    """
    if not timedelta(0) < until - since <= LONGEST:
        raise SpanError(f"a span lies between two moments, at most {LONGEST.days} days apart")
    ledger = [
        activity async for activity in hub.activities.newest(until + _AFTER, until=since) if activity.created >= since
    ]
    parts = await hub.journal.span(since, until, most=most)
    lengths = Lengths.of(ledger)
    happened = await side_of_ledger(hub, ledger, since, until)
    loop, price = asyncio.get_running_loop(), hub.settings.price

    async def read(stored: Stored) -> tuple[Taken, ...]:
        """Read a part; what lies in a blob is fetched where the hub's connections live."""
        if stored.inline:
            return await hub.journal.read(stored)
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(hub.journal.read(stored), loop))

    async def compared() -> Backtest:
        before = World(hub.settings, hub.rulebook.catalogue, since, lengths)
        after = World(hub.settings, asked, since, lengths)
        count = await _replay(read, parts, (before, after))
        for world in (before, after):
            await world.run_until(until + _AFTER)
        one, other = await side_of_world(before, price), await side_of_world(after, price)
        said = compare(one, other, happened, after.journal)
        return Backtest(
            since=since,
            until=until,
            events=count,
            differences=said.differences,
            before=one.totals,
            after=other.totals,
            happened=happened.totals,
            by_hand=sum(activity.cause.kind == "manual" for activity in ledger),
            unexplained=said.unexplained,
            invalid={name: [str(problem) for problem in found] for name, found in asked.invalid.items()},
            assumed={f"{name or 'any'}: {step}": value for (name, step), value in sorted(lengths.seconds.items())},
        )

    if not _one_at_a_time.acquire(blocking=False):
        raise BusyError("another backtest is under way: ask again in a minute")
    try:
        with _kept():
            return await asyncio.to_thread(lambda: asyncio.run(compared()))
    finally:
        _one_at_a_time.release()


async def _replay(
    read: Callable[[Stored], Awaitable[tuple[Taken, ...]]], parts: Sequence[Stored], worlds: tuple[World, ...]
) -> int:
    """Take history in, a few seconds at once where nothing is due in between; give how many events that were."""
    together = min(world.resolution for world in worlds)
    waiting: list[Read | Broken] = []
    began: datetime | None = None
    count = 0
    for number, stored in enumerate(parts):
        over = began is not None and (
            stored.received - began > together
            or len(waiting) + stored.count > _AT_ONCE
            or (stored.received > parts[number - 1].received and _due(worlds, stored.received))
        )
        if over:
            await _deliver(worlds, waiting, parts[number - 1].received)
            waiting, began = [], None
        began = began or stored.received
        for taken in await read(stored):
            if taken.outcomes and taken.outcomes[0].what in {"folded", "quarantined", "probe"}:
                continue
            event = parse_one(taken.event, stored.received)
            waiting.append(event if isinstance(event, Broken) else Read.of(event))
            count += 1
    if waiting:
        await _deliver(worlds, waiting, parts[-1].received)
    return count


@contextlib.contextmanager
def _kept() -> Iterator[None]:
    """Collect no garbage: of a million small records that all stay, each collection would look at every one again."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


def _due(worlds: tuple[World, ...], by: datetime) -> bool:
    """Tell whether a world has something to do of its own accord until then."""
    return any((due := world.next_due()) is not None and due <= by for world in worlds)


async def _deliver(worlds: tuple[World, ...], events: Sequence[Read | Broken], at: datetime) -> None:
    for world in worlds:
        await world.deliver(events, at, "backtest")
