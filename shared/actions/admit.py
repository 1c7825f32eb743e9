"""The step that lets an activity begin: all limits are looked at together, what it takes is reserved in one write."""

import contextlib
import logging
import zlib
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final, Literal, Protocol

import msgspec

from shared.deciding import storms
from shared.deciding.costs import Cost, Spend, cost_of, expected_length
from shared.deciding.limits import Facts, Hold, Limits, Merge, Open, Skip, decide
from shared.deciding.wording import length
from shared.engine.outcomes import Again, Answer, Done, Refused, Superseded
from shared.engine.run import Work
from shared.ledger.protocol import ChangedError, StoreError
from shared.ledger.records import Activity
from shared.ledger.switches import HUB, Switches, automation_switch
from shared.ledger.usage import Spent, Usage, UsageRow, Usages

logger = logging.getLogger(__name__)

_STORM: Final = "hub"
_SOONEST: Final = timedelta(seconds=2)
_LATEST: Final = timedelta(minutes=5)
"""What holds an activity may end at any time; it is looked at that often at least, and at once when a place is free."""
_UNKNOWN_LENGTH: Final = timedelta(hours=1)
_NEXT: Final = 5
_INTO: Final = "into"
_TRIES: Final = 3
_OPENINGS: Final = 100
"""Openings that are remembered without a rate that asks for more."""


Merging = Literal["merged", "busy", "gone"]
"""What came of merging: it has taken over (now or before); it is written by another just now; it is held no more."""


class Price(Protocol):
    """What a node of a compute costs an hour; None where the settings do not say."""

    def __call__(self, compute: str) -> tuple[Decimal, str] | None:
        """Give amount and currency."""


class Rules(Protocol):
    """What admission asks of the automations."""

    async def limits(self, activity: Activity) -> Limits:
        """Give the limits that the activity began with."""

    async def compute(self, activity: Activity) -> tuple[str, int]:
        """Give compute and nodes of its main job, ("", 0) where it runs none."""

    async def merge(self, activity: Activity, into: str, now: datetime) -> Merging:
        """Have a held activity take over files and causes, once."""

    async def merged(self, activity: Activity, into: str) -> bool:
        """Tell whether another one has taken it over."""

    async def superseding(self, activity: Activity) -> bool:
        """Tell whether it takes the place of older ones that are held."""

    async def supersede(self, older: str, by: str, now: datetime) -> None:
        """End an older one that is held."""


class Wake(Protocol):
    """Has an activity looked at."""

    async def wake(self, identifier: str, delay: timedelta, armed_for: str = "") -> None:
        """Look at it after a delay."""


Announce = Callable[[str, datetime, str, str], Awaitable[None]]
"""Tells people: a number that makes telling twice one, the time, a title and a text."""


class _BusyError(Exception):
    """Another activity reserved at the same moment."""


class Admission:
    """Lets activities begin, and takes note of their end."""

    def __init__(
        self,
        usages: Usages,
        switches: Switches,
        rules: Rules,
        activities: Wake,
        price: Price,
        storm: storms.Rule,
        announce: Announce | None = None,
    ) -> None:
        self._usages = usages
        self._switches = switches
        self._rules = rules
        self._activities = activities
        self._price = price
        self._storm = storm
        self._announce = announce

    async def admit(self, work: Work) -> Answer:
        """Let the activity begin, hold it, merge it into one that is held, or refuse it as its rule says.

        Where many reserve at the same moment it looks again a little later, as often as it takes: none fails of that.
        """
        if into := merging_into(work.activity):
            return await self._merge(work, into)
        limits = await self._rules.limits(work.activity)
        for _ in range(_TRIES):
            with contextlib.suppress(_BusyError):
                return await self._admit(work, limits)
        spread = zlib.crc32(f"{work.activity.id}:{work.now}".encode()) / 2**32
        return Again(_SOONEST * (0.5 + spread), work.step.detail, reason="others reserve at the same moment")

    async def _admit(self, work: Work, limits: Limits) -> Answer:
        activity, now = work.activity, work.now
        rows = await self._rows(activity, limits)
        own, group, hub = rows[0], rows[1] if len(rows) == 3 else None, rows[-1]
        if activity.id in own.usage.running:
            return Done(work.step.detail)
        new = not work.step.detail.get("arrived")
        verdict = storms.judge(self._storm, _storm_state(hub.usage), now, new=new)
        facts = await self._facts(activity, limits, own.usage, group.usage if group else None, verdict)
        decision = decide(limits, facts, now)
        released = activity.asked("release")
        detail: dict[str, Any] = {"arrived": True, "guards": [reason.as_dict() for reason in decision.reasons]}
        if isinstance(decision, Open) or released is not None:
            if released is not None:
                detail["released"] = released.who
            return await self._open(activity, rows, limits, verdict, facts, detail, now)
        if isinstance(decision, Skip):
            await self._write(rows[-1:], hub.usage, verdict)
            return Refused(f"skipped: {decision.reason}", detail)
        if isinstance(decision, Merge):
            intent = {**work.step.detail, "guards": detail["guards"], _INTO: decision.into}
            return Again(timedelta(0), intent, reason=f"it is merged into {decision.into}")
        holding = [reason for reason in decision.reasons if reason.holds]
        reasons = "; ".join(reason.text for reason in holding)
        own.usage.waiting.setdefault(activity.id, now)
        if group and {reason.guard for reason in holding} == {"concurrency"}:
            group.usage.waiting.setdefault(activity.id, now)
        elif group:
            group.usage.waiting.pop(activity.id, None)
        await self._write(rows, hub.usage, verdict)
        if new and await self._rules.superseding(activity):
            for older in facts.held:
                await self._rules.supersede(older, activity.id, now)
        until = decision.until if isinstance(decision, Hold) else None
        after = min(_LATEST, max(_SOONEST, until - now)) if until else _LATEST
        return Again(after, detail, status="held", reason=f"held: {reasons}")

    async def _merge(self, work: Work, into: str) -> Answer:
        """Do what was decided and saved before: from then on nothing merges into it, and it does nothing else.

        So a crash after the other one was written, which may begin at any moment, leaves no doubt whose its files are.
        """
        came = await self._rules.merge(work.activity, into, work.now)
        detail = dict(work.step.detail)
        if came == "merged":
            return Superseded(f"merged into {into}", detail)
        if came == "busy":
            return Again(_SOONEST, detail, status="held", reason=f"held: {into}, into which it is merged, is busy")
        del detail[_INTO]
        return Again(_SOONEST, detail, status="held", reason=f"held: {into} began before it could be merged into it")

    async def withdraw(self, work: Work) -> Answer:
        """End what is cancelled before it began; what another one has taken over is that one's."""
        into = merging_into(work.activity)
        if into and await self._rules.merged(work.activity, into):
            return Superseded(f"merged into {into}", work.step.detail)
        return Done(work.step.detail)

    async def _rows(self, activity: Activity, limits: Limits) -> list[UsageRow]:
        keys = [f"automation:{activity.automation}"]
        if limits.concurrency:
            keys.append(f"group:{limits.concurrency.group}")
        return [await self._usages.read(key) for key in [*keys, _STORM]]

    async def _facts(
        self, activity: Activity, limits: Limits, own: Usage, group: Usage | None, verdict: storms.Verdict
    ) -> Facts:
        pauses = await self._switches.all()
        pause = pauses.get(HUB) or pauses.get(automation_switch(activity.automation))
        older = [name for name in sorted(own.waiting) if name < activity.id]
        estimate, why = await self._estimate(activity, own) if limits.budget else (None, "")
        return Facts(
            paused=f"{pause.who}{f' ({pause.reason})' if pause.reason else ''}" if pause else "",
            storm=verdict,
            running=tuple(sorted(group.running)) if group else (),
            ahead=tuple(name for name in sorted(group.waiting) if name < activity.id) if group else (),
            held=tuple(older),
            active=tuple(sorted(own.running)),
            last_start=own.last_start,
            last_end=own.last_end,
            openings=tuple(own.openings),
            spends=tuple(_spend(item) for item in own.spent),
            estimate=estimate,
            no_estimate=why,
        )

    async def _estimate(self, activity: Activity, own: Usage) -> tuple[Cost | None, str]:
        compute, nodes = await self._rules.compute(activity)
        price = self._price(compute)
        if price is None:
            return None, f"HUB_COMPUTE_PRICES has no price for compute {compute or '(none named)'!r}"
        took = [timedelta(seconds=seconds) for seconds in own.took]
        return cost_of(*price, nodes, expected_length(took, _UNKNOWN_LENGTH)), ""

    async def _open(
        self,
        activity: Activity,
        rows: list[UsageRow],
        limits: Limits,
        verdict: storms.Verdict,
        facts: Facts,
        detail: dict[str, Any],
        now: datetime,
    ) -> Answer:
        for row in rows[:-1]:
            row.usage.waiting.pop(activity.id, None)
            row.usage.running[activity.id] = now
        own = rows[0].usage
        own.openings.append(now)
        del own.openings[: -max(_OPENINGS, limits.rate.count if limits.rate else 0)]
        own.last_start = now
        if facts.estimate:
            own.spent.append(
                Spent(
                    activity=activity.id,
                    at=now,
                    estimated=facts.estimate.amount,
                    currency=facts.estimate.currency,
                )
            )
        state = storms.opened(self._storm, verdict.state, now)
        await self._write(rows, rows[-1].usage, verdict, state)
        return Done(detail)

    async def _write(
        self, rows: list[UsageRow], hub: Usage, verdict: storms.Verdict, state: storms.State | None = None
    ) -> None:
        state = state or verdict.state
        hub.openings, hub.arrived = list(state.opened), list(state.arrived)
        hub.tripped, hub.trips = state.tripped, state.trips
        try:
            await self._usages.write(rows)
        except ChangedError:
            raise _BusyError from None
        if verdict.tell:
            logger.error("storm breaker: %s", verdict.reason)
            with contextlib.suppress(StoreError):  # the sweep tells it then
                await self.tell_of_storm()

    async def leave(self, activity: Activity, now: datetime) -> None:
        """Give back what the activity held, note what it took, and wake who waits. Doing it again changes nothing."""
        limits = await self._rules.limits(activity)
        for _ in range(20):
            rows = (await self._rows(activity, limits))[:-1]
            touched = [row for row in rows if activity.id in row.usage.running or activity.id in row.usage.waiting]
            if not touched:
                return
            ended = activity.updated
            for row in touched:
                started = row.usage.running.pop(activity.id, None)
                row.usage.waiting.pop(activity.id, None)
                if started is not None:
                    row.usage.last_end = max(ended, row.usage.last_end or ended)
            if rows[0] in touched:
                await self._true_up(activity, rows[0].usage)
            try:
                await self._usages.write(touched)
            except ChangedError:
                continue
            waiting = sorted({name for row in touched for name in row.usage.waiting})
            for name in waiting[:_NEXT]:
                await self._activities.wake(name, timedelta(0))
            return
        raise ChangedError(f"the limits of {activity.automation} are being written all the time")

    async def _true_up(self, activity: Activity, own: Usage) -> None:
        took = sum(
            (
                step.ended - step.started
                for step in activity.steps
                if step.kind == "job" and step.started and step.ended
            ),
            timedelta(0),
        )
        if took:
            own.took.append(took.total_seconds())
        for index, item in enumerate(own.spent):
            if item.activity == activity.id and item.actual is None:
                compute, nodes = await self._rules.compute(activity)
                price = self._price(compute)
                if price is not None:
                    actual = cost_of(*price, nodes, took).amount
                    own.spent[index] = msgspec.structs.replace(item, actual=actual)

    async def reset_storm(self) -> bool:
        """End a storm at an operator's word; False where there was none."""
        row = await self._usages.read(_STORM)
        if row.usage.tripped is None:
            return False
        state = storms.reset(_storm_state(row.usage))
        row.usage.openings, row.usage.arrived, row.usage.tripped = list(state.opened), list(state.arrived), None
        await self._usages.write([row])
        return True

    async def tell_of_storm(self) -> None:
        """Tell people that the storm breaker holds everything: once each time it trips. Raises StoreError."""
        since, trips = await self.storm()
        if since is None or self._announce is None:
            return
        rule, number = self._storm, f"storm-{trips}-{int(since.timestamp())}"
        text = (
            f"More than {rule.openings} activities wanted to begin within {length(rule.within)}. What wants to begin "
            f"is held now, none of it is lost. It ends after {length(rule.calm)} of calm, or when the hub is resumed."
        )
        await self._announce(number, since, "The storm breaker holds everything", text)

    async def storm(self) -> tuple[datetime | None, int]:
        """Give since when the storm breaker holds (None while it does not), and how often it ever tripped."""
        usage = (await self._usages.read(_STORM)).usage
        return usage.tripped, usage.trips


def merging_into(activity: Activity) -> str:
    """Give the activity that this one has decided to merge into, "" for none."""
    step = activity.step("admit")
    return str(step.detail.get(_INTO, "")) if step else ""


def _storm_state(usage: Usage) -> storms.State:
    return storms.State(tuple(usage.openings), tuple(usage.arrived), usage.tripped, usage.trips)


def _spend(item: Spent) -> Spend:
    actual = Cost(item.actual, item.currency) if item.actual is not None else None
    return Spend(item.activity, item.at, Cost(item.estimated, item.currency), actual)
