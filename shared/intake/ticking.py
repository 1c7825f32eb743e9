"""Triggers that a clock decides, and those that wait for several events: schedules, expected events, all-of."""

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from msgspec.structs import replace

from shared.automations.language_triggers import expectation_of, gathering_of, schedule_of
from shared.automations.models import Automation, Trigger
from shared.deciding import gathering, missing, schedules
from shared.ledger.marks import Fired, Mark, Marks, Waiting
from shared.ledger.protocol import ChangedError
from shared.ledger.records import Cause
from shared.rulebook import Rulebook

logger = logging.getLogger(__name__)

_TRIES: Final = 20
_REMEMBERED: Final = timedelta(days=1)
"""How long an all-of knows which events it has used: a delivery that a crash left undecided is decided long before."""
_MOST_REMEMBERED: Final = 200
_Change = Callable[[Mark], Mark]


class Triggers:
    """Takes parts of an all-of and expected events in, and opens what a clock says is due."""

    def __init__(self, marks: Marks, rulebook: Rulebook) -> None:
        self._marks = marks
        self._rulebook = rulebook

    async def part(
        self,
        automation: Automation,
        trigger: int,
        claim: str,
        time: datetime,
        kinds: Sequence[int],
        event: Mapping[str, Any],
        now: datetime,
    ) -> tuple[str, str]:
        """Take one event of an all-of; give the activity that it completes ("" for none) and the reason to wait."""
        rule = automation.on[trigger].all_of
        if rule is None:
            return "", "the automation waits for it no more"
        told: list[str] = [""]

        def change(mark: Mark) -> Mark:
            if mark.activity_of(claim):
                return mark
            events = {one.claim: one for one in mark.waiting}
            events.setdefault(claim, Waiting(claim=claim, time=time, kinds=tuple(kinds), event=dict(event)))
            state = [gathering.Seen(one.claim, one.time, frozenset(one.kinds)) for one in mark.waiting]
            answer = gathering.arrive(gathering_of(rule), state, claim, time, kinds, now)
            rest = tuple(events[seen.claim] for seen in answer.state)
            if isinstance(answer, gathering.Fire):
                told[0] = ""
                fired = tuple(events[seen.claim] for seen in answer.events)
                return replace(mark, waiting=rest, firing=(*mark.firing, fired))
            told[0] = answer.reason
            return replace(mark, waiting=rest)

        mark, _ = await self._marks.read(automation.name, trigger)
        if not any(one.claim == claim for fired in mark.firing for one in fired):
            await self._change(automation.name, trigger, change)
        await self._fire(automation, trigger, now)
        mark, _ = await self._marks.read(automation.name, trigger)
        return mark.activity_of(claim), told[0]

    async def _fire(self, automation: Automation, trigger: int, now: datetime) -> int:
        """Open what stands in the row as about to begin; each activity is named by its events. Give how many."""
        mark, _ = await self._marks.read(automation.name, trigger)
        for fired in mark.firing:
            claims = tuple(one.claim for one in fired)
            cause = Cause(kind="events", claims=claims[:20], count=len(claims), event=fired[-1].event)
            identifier = await self._rulebook.open_for_events(
                automation.name,
                cause,
                fired[-1].time,
                {},
                (f"all-of-{trigger}", *sorted(claims)),
                [e.event for e in fired],
            )
            over = Fired(at=now, activity=identifier, claims=claims)

            def done(mark: Mark, fired: tuple[Waiting, ...] = fired, over: Fired = over) -> Mark:
                if fired not in mark.firing:
                    return mark
                known = [one for one in mark.over if now - one.at < _REMEMBERED]
                firing = tuple(one for one in mark.firing if one != fired)
                return replace(mark, firing=firing, over=(*known, over)[-_MOST_REMEMBERED:])

            await self._change(automation.name, trigger, done)
        return len(mark.firing)

    async def expected(self, automation: Automation, trigger: int, time: datetime, now: datetime) -> None:
        """Take note that an expected event came."""
        rule = automation.on[trigger].missing
        if rule is None:
            return

        def change(mark: Mark) -> Mark:
            state = missing.arrived(expectation_of(rule), missing.State(mark.decided or now, mark.met), time)
            return replace(mark, decided=state.decided, met=state.met)

        await self._change(automation.name, trigger, change)

    async def tick(self, now: datetime) -> int:
        """Open what is due by the clock; give how many activities that were."""
        count = 0
        for loaded in self._rulebook.catalogue.automations.values():
            automation = loaded.automation
            for index, trigger in enumerate(automation.on):
                try:
                    count += await self._tick(automation, index, trigger, now)
                except ChangedError:
                    logger.info("trigger %d of %s is decided by another instance", index, automation.name)
        return count

    async def _tick(self, automation: Automation, index: int, trigger: Trigger, now: datetime) -> int:
        if trigger.all_of:
            return await self._fire(automation, index, now)
        if not (trigger.schedule or trigger.missing):
            return 0
        mark, etag = await self._marks.read(automation.name, index)
        if mark.decided is None:
            await self._marks.write(automation.name, index, replace(mark, decided=now), etag)
            return 0
        if trigger.schedule:
            due = schedules.decide(schedule_of(trigger.schedule), mark.decided, now)
            times, following = due.fire, replace(mark, decided=now)
            if due.missed:
                logger.warning("schedule of %s: %s", automation.name, due.reason)
            kind = "schedule"
        elif trigger.missing:
            verdict = missing.decide(expectation_of(trigger.missing), missing.State(mark.decided, mark.met), now)
            times, following = verdict.missed, replace(mark, decided=verdict.state.decided, met=verdict.state.met)
            kind = "missing"
        for time in times:
            await self._open(automation, index, kind, time)
        quiet = not times and trigger.schedule and (now - mark.decided).total_seconds() < _QUIET_SECONDS
        if following != mark and not quiet:
            await self._marks.write(automation.name, index, following, etag)
        return len(times)

    async def _open(self, automation: Automation, trigger: int, kind: str, time: datetime) -> None:
        event = {"type": kind, "time": time.isoformat(), "id": "", "source": "", "subject": "", "data": {}}
        cause = Cause(kind="schedule" if kind == "schedule" else "missing", event=event)
        identity = (f"{kind}-{trigger}", time.isoformat())
        await self._rulebook.open_for_events(automation.name, cause, time, {}, identity, [event])

    async def _change(self, automation: str, trigger: int, change: _Change) -> None:
        for _ in range(_TRIES):
            mark, etag = await self._marks.read(automation, trigger)
            changed = change(mark)
            if changed == mark and etag:
                return
            try:
                await self._marks.write(automation, trigger, changed, etag)
            except ChangedError:
                continue
            return
        raise ChangedError(f"trigger {trigger} of {automation} is being written all the time")


_QUIET_SECONDS: Final = 240.0
"""A schedule with nothing due is noted as decided only so often: within what counts as on time."""
