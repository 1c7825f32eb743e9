"""Looks after collections: closes what is whole, freezes its list, opens the activity, begins the next generation."""

import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

import msgspec

from shared.deciding.collecting import Close, Facts, Rule, Wait, decide
from shared.ledger.collections import Collections
from shared.ledger.gathered import Gathered
from shared.ledger.protocol import ChangedError, Queue
from shared.ledger.records import Cause, File, Files, Head
from shared.telemetry import places, telling

logger = logging.getLogger(__name__)

_SOONEST: Final = timedelta(seconds=1)
_NAMED: Final = 20
_SETTLED: Final = timedelta(minutes=1)
_MOST_NEW: Final = 10_000


class Rules(Protocol):
    """Where the engine learns how a collection's trigger collects."""

    async def rule(self, head: Head) -> Rule:
        """Give the rule of the automation as it is now or, where it is gone, as it was when the collection began."""


Opener = Callable[[Head, Cause, Files, str], Awaitable[str]]
"""Opens the activity of a frozen list: head, cause, files, and a reason to fail at once ("" for none); gives its id."""


class Gatherer:
    """Looks after collections. `intake` is the queue whose older messages a collection waits for."""

    def __init__(
        self,
        collections: Collections,
        rules: Rules,
        opener: Opener,
        intake: Queue,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._collections = collections
        self._rules = rules
        self._open = opener
        self._intake = intake
        self._clock = clock
        self._new: dict[str, tuple[int, int]] = {}
        """Collections that were seen to hold something new: in which generation, of how many files."""

    async def look(self, name: str, generation: str = "") -> None:
        """Do what is due for a collection. Raises StoreError where the ledger does not answer: come again.

        `generation` is that of the message, which arms the next one; without it (the sweep) none is armed, so that
        messages never multiply.
        """
        found = await self._collections.head(name)
        if found is None or generation not in {"", str(found[0].generation)}:
            return
        head, etag = found
        rule = await self._rules.rule(head)
        try:
            if head.state == "idle":
                await self._collections.reopen(name, head, etag, self._clock(), self._first(rule))
                await self._collections.rest(name, head, etag)
            elif head.state == "open":
                await self._look_at_open(name, head, etag, rule, armed=bool(generation))
            else:
                await self._finish(name, head, etag, rule)
        except ChangedError:
            logger.info("collection %s is looked after by another instance", name)

    async def _look_at_open(self, name: str, head: Head, etag: str, rule: Rule, *, armed: bool) -> None:
        now = self._clock()
        verdict = await self._verdict(name, head, rule, now)
        if isinstance(verdict, Close):
            reason = f"incomplete: {verdict.reason}" if verdict.incomplete else verdict.reason
            closing, new_etag = await self._collections.close(name, head, etag, now, reason)
            await self._finish(name, closing, new_etag, rule)
            return
        if armed:
            await self._collections.wake(name, head.generation, max(_SOONEST, verdict.until - now))

    async def _verdict(self, name: str, head: Head, rule: Rule, now: datetime) -> Close | Wait:
        gathered = await self._collections.gathered(name, head.generation)
        if gathered.arrived is None:
            # Members go in before their head opens, so this is a head that was opened anew for what turned out taken.
            return Wait(now + rule.quiet, "nothing has arrived")
        verdict = await self._decide(head, gathered, rule, now)
        if isinstance(verdict, Wait) and not gathered.markers and await self._stale(name, head, gathered, rule, now):
            return Close("nothing is new in it")
        return verdict

    async def _stale(self, name: str, head: Head, gathered: Gathered, rule: Rule, now: datetime) -> bool:
        """Tell whether all of it became activities before: what a crash left undecided comes a second time.

        That is looked at once for what is there, when nothing has arrived for a minute, and when it would be held.
        """
        held = head.opened is not None and now - head.opened >= rule.max_wait
        settled = head.generation > 1 and gathered.arrived is not None and now - gathered.arrived >= _SETTLED
        seen = (head.generation, gathered.count)
        if not held and (not settled or self._new.get(name) == seen):
            return False
        if not await self._collections.fresh(name, head, gathered):
            return True
        if len(self._new) >= _MOST_NEW:
            self._new.clear()
        self._new[name] = seen
        return False

    async def _decide(self, head: Head, gathered: Gathered, rule: Rule, now: datetime) -> Close | Wait:
        count, age = await self._intake.depth()
        facts = Facts(
            files=gathered.count,
            size=gathered.size,
            opened=head.opened or now,
            arrived=gathered.arrived or now,
            marker=gathered.marked,
            oldest_waiting=now - timedelta(seconds=age) if count and age > 0 else None,
            in_work=count if age <= 0 else 0,
            asked=head.close_asked,
            missing=gathered.missing,
        )
        return decide(rule, facts, now)

    async def _finish(self, name: str, head: Head, etag: str, rule: Rule) -> None:
        files, members = await self._collections.freeze(name, head)
        if members:
            fail = head.closed_by if head.closed_by.startswith("incomplete: ") else ""
            with places.inside(telling.place_of_collection(name, head, members[0])):
                identifier = await self._open(head, _cause(name, head, members), files, fail)
            await self._collections.note(name, head.generation, identifier)
            telling.collected(name, head, members, identifier)
            logger.info(
                "collection %s generation %d closed (%s): %d files, activity %s",
                name,
                head.generation,
                head.closed_by,
                files.count,
                identifier,
            )
        await self._collections.advance(name, head, etag, self._clock(), self._first(rule))

    @staticmethod
    def _first(rule: Rule) -> timedelta:
        return min(rule.quiet, rule.max_wait)

    async def ask(self, name: str, reason: str) -> bool:
        """Have an open collection close at once; False where nothing is open. Raises ChangedError."""
        found = await self._collections.head(name)
        if found is None or found[0].state != "open":
            return False
        await self._collections.rewrite(name, msgspec.structs.replace(found[0], close_asked=reason), found[1])
        await self._collections.wake(name, found[0].generation, timedelta(0))
        return True


def _cause(name: str, head: Head, members: tuple[File, ...]) -> Cause:
    return Cause(
        kind="events",
        claims=tuple(file.claim for file in members[:_NAMED] if file.claim),
        count=len(members),
        collection=name,
        generation=head.generation,
        closed_by=head.closed_by,
    )
