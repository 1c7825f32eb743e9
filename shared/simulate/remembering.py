"""A journal that only remembers: what a simulation needs of it, without the cost of keeping events."""

from collections.abc import Sequence
from datetime import datetime

from shared.ledger.journal import Claimed, Journal, Part, shard_of
from shared.ledger.protocol import Store
from shared.ledger.records import Outcome, Taken


class Remembered(Journal):
    """Claims and outcomes, in memory. A part holds what came together, whichever its shard."""

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self.outcomes: dict[str, tuple[Outcome, ...]] = {}
        self.folded = 0
        self._alike: dict[tuple[Outcome, ...], tuple[Outcome, ...]] = {}
        self._parts = 0

    async def claim(self, events: Sequence[Taken], now: datetime, *, decided: bool = False) -> list[Claimed]:
        """Claim events that came together."""
        fresh = tuple(event for event in events if event.claim not in self.outcomes)
        duplicates = (
            tuple(event for event in events if event.claim in self.outcomes) if len(fresh) < len(events) else ()
        )
        for event in fresh:
            self.outcomes[event.claim] = self._alike.setdefault(event.outcomes, event.outcomes)
        if not fresh:
            return [Claimed(None, duplicates)]
        self._parts += 1
        part = Part(shard_of(fresh[0].claim), f"{int(now.timestamp() * 1000):013}:{self._parts:032}", now, fresh)
        return [Claimed(part, duplicates)]

    async def decide(self, part: Part, outcomes: Sequence[tuple[Outcome, ...]]) -> None:
        """Remember what became of each event."""
        for event, result in zip(part.events, outcomes, strict=True):
            self.outcomes[event.claim] = self._alike.setdefault(result, result)

    async def fold(self, events: Sequence[Taken], now: datetime) -> None:
        """Count deliveries of events that were known."""
        self.folded += len(events)

    async def get(self, claim: str) -> tuple[Taken, datetime, bool] | None:
        """Give what became of a claim; the event itself is not kept."""
        if claim not in self.outcomes:
            return None
        return Taken(claim=claim, event={}, outcomes=self.outcomes[claim]), datetime.min, True

    async def stale(self, now: datetime, *, limit: int = 100) -> list[Part]:
        """Nothing is ever left open."""
        return []
