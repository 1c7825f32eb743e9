"""How long a backtest takes over a million events of the ledger, rules in force against others.

It is one thread's work and waits for nothing, so its processor time is what it takes on a machine of its own.
HUB_BENCH_EVENTS says how many events (1,000,000).
"""

import asyncio
import contextlib
import os
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from bench.figures import Figure, at_most
from bench.hubs import START, blob, hub, temporary
from shared.automations.loading import load
from shared.backtest.run import backtest
from shared.bootstrap import Hub
from shared.events.identity import claim
from shared.events.model import Event
from shared.events.parsing import parse_one
from shared.ledger.journal import Journal, Part, Stored, shard_of
from shared.ledger.memory import MemoryStore
from shared.ledger.records import Outcome, Taken

EVENTS: Final = int(os.environ.get("HUB_BENCH_EVENTS", "1000000"))
SECONDS: Final = 60.0 * EVENTS / 1_000_000
_BATCH: Final = 100
_BURST: Final = 1000
_FLOOR: Final = 20_000


class History(Journal):
    """A journal whose span is given, so that a million events need no million rows of claims."""

    parts: list[Stored]

    async def span(self, since: datetime, until: datetime, *, most: int) -> list[Stored]:
        """Give it."""
        return self.parts

    async def write(self, count: int) -> None:
        """Make it: bursts of a thousand files and their marker, one in ten of no interest; eight parts a batch."""
        self.parts = []
        now = START
        for start in range(0, count, _BATCH):
            now += timedelta(seconds=2) if start % _BURST else timedelta(minutes=4)
            shards: dict[str, list[Taken]] = {}
            for number in range(start, start + _BATCH):
                burst, place = divmod(number, _BURST)
                name = f"{place}.txt" if place % 10 == 9 else f"{place}.csv"
                path = f"flights/{burst}/_SUCCESS" if place == _BURST - 2 else f"flights/{burst}/EWR/{name}"
                event = parse_one(blob(path, number, now), now)
                assert isinstance(event, Event)
                taken = Taken(claim=claim(event), event=dict(event.raw), via="queue", outcomes=(_OUTCOME,))
                shards.setdefault(shard_of(taken.claim), []).append(taken)
            for shard, members in shards.items():
                part = Part(shard, f"{int(now.timestamp() * 1000):013}:{start:032}", now, tuple(members))
                row = await self._part_row(part, part.events, decided=True)
                self.parts.append(Stored(now, row))


_OUTCOME: Final = Outcome(what="collected", automation="collecting")


def figures() -> Iterator[Figure]:
    """Write a history, and compare rules that gather for longer with those in force."""
    with contextlib.contextmanager(temporary)(20) as root:
        taken, floor, differences = asyncio.run(_measure(root))
    yield at_most(f"backtest of {EVENTS:,} events", taken, "s", SECONDS)
    bare = floor * EVENTS / _FLOOR
    yield Figure("the same, beside reading and deciding each event once", taken, "s", "bare decisions", bare, most=4.0)
    yield Figure("differences it found", float(differences), "")


async def _measure(root: Path) -> tuple[float, float, int]:
    store = MemoryStore(lambda: START)
    this = hub(store, root, lambda: START)
    history = History(store)
    await history.write(EVENTS)
    object.__setattr__(this, "journal", history)
    floor = await _floor(this, history)
    rules = root / "automations" / "collecting.yml"
    rules.write_text(rules.read_text().replace(', until: {marker: "flights/{month}/_SUCCESS"}', ""))
    asked = load(root / "automations", root)
    began = time.process_time()
    said = await backtest(this, asked, START, history.parts[-1].received + timedelta(hours=1))
    return time.process_time() - began, floor, len(said.differences)


async def _floor(this: Hub, history: History) -> float:
    """Give the seconds that reading, parsing and deciding some events takes, and nothing else."""
    began, seen = time.process_time(), 0
    for stored in history.parts:
        for taken in await history.read(stored):
            event = parse_one(taken.event, stored.received)
            if isinstance(event, Event):
                this.rulebook.matcher.decide(event)
            seen += 1
        if seen >= _FLOOR:
            break
    return (time.process_time() - began) * _FLOOR / seen
