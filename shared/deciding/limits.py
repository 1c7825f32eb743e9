"""Whether an activity may open now: all limits are looked at, and each says what it saw and when that can change."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Literal

from shared.deciding import storms
from shared.deciding.costs import Cost, Period, Spend, period_of
from shared.deciding.windows import Window, look
from shared.deciding.wording import length, moment


@dataclass(frozen=True, slots=True)
class Concurrency:
    """At most `most` activities of a group at a time; what becomes of one more."""

    group: str
    most: int = 1
    when_busy: Literal["hold", "merge", "skip"] = "hold"


@dataclass(frozen=True, slots=True)
class Cooldown:
    """Rest between two activities of an automation, counted from the start or the end of the last one."""

    length: timedelta
    since: Literal["start", "end"] = "end"


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `count` openings in any stretch of `per`."""

    count: int
    per: timedelta

    def __str__(self) -> str:
        return f"{self.count} per {length(self.per)}"


@dataclass(frozen=True, slots=True)
class Budget:
    """At most this amount a calendar day, week or month of the zone."""

    amount: Decimal
    currency: str
    per: Period
    zone: str = "UTC"


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of an automation; what is None or empty does not limit."""

    concurrency: Concurrency | None = None
    cooldown: Cooldown | None = None
    rate: Rate | None = None
    budget: Budget | None = None
    windows: tuple[Window, ...] = ()


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known when an activity wants to open.

    Attributes:
        paused: who paused what, "" where nothing is paused.
        storm: what the storm breaker says, None where there is none.
        running: activities that have opened in the concurrency group and have not ended.
        ahead: activities that wait for the group, and nothing else, for longer; this one does not overtake them.
        held: held activities of this automation that are older than this one, oldest first; it may merge into them.
        active: activities of this automation that have opened and have not ended.
        last_start: when the last activity of this automation opened.
        last_end: when the last one ended.
        openings: when activities of this automation opened, in any order, at least those of the rate's stretch.
        spends: what its activities cost, at least those of the budget's period.
        estimate: what this one is expected to cost; None where that cannot be known, for the reason in `no_estimate`.
    """

    paused: str = ""
    storm: storms.Verdict | None = None
    running: tuple[str, ...] = ()
    ahead: tuple[str, ...] = ()
    held: tuple[str, ...] = ()
    active: tuple[str, ...] = ()
    last_start: datetime | None = None
    last_end: datetime | None = None
    openings: tuple[datetime, ...] = ()
    spends: tuple[Spend, ...] = ()
    estimate: Cost | None = None
    no_estimate: str = ""


@dataclass(frozen=True, slots=True)
class Reason:
    """What one guard says. `until`: when that can change by time alone; None: by something else, or not at all."""

    guard: Literal["pause", "storm", "windows", "concurrency", "cooldown", "rate", "budget"]
    holds: bool
    text: str
    values: dict[str, Any] = field(default_factory=dict)
    until: datetime | None = None

    def as_dict(self) -> dict[str, Any]:
        """Give it as JSON takes it."""
        until = moment(self.until) if self.until else None
        return {"guard": self.guard, "holds": self.holds, "text": self.text, "values": self.values, "until": until}


@dataclass(frozen=True, slots=True)
class Open:
    """It may open; what each guard saw."""

    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class Hold:
    """It is kept back. `until`: the earliest time at which it can open, None where time alone changes nothing."""

    until: datetime | None
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class Merge:
    """Its files and causes join the activity `into`, which is held already."""

    into: str
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class Skip:
    """The rule says that it is not to run at all."""

    reason: str
    reasons: tuple[Reason, ...]


Decision = Open | Hold | Merge | Skip


def decide(limits: Limits, facts: Facts, now: datetime) -> Decision:
    """Decide by all limits together.

    1. Paused, or the storm breaker has tripped: hold, whatever else is said; people stopped it, nothing gets lost.
    2. The group is busy and the rule says skip: skip.
    3. Anything holds it, the rule says merge, and another of its automation is held already: merge into the oldest.
    4. Anything holds it: hold.
    5. Otherwise open.
    """
    reasons = tuple(_reasons(limits, facts, now))
    holding = tuple(reason for reason in reasons if reason.holds)
    if not holding:
        return Open(reasons)
    stopped = any(reason.guard in {"pause", "storm"} for reason in holding)
    rule = limits.concurrency
    busy = next((reason for reason in holding if reason.guard == "concurrency"), None)
    if not stopped and rule and rule.when_busy == "skip" and busy:
        return Skip(busy.text, reasons)
    if not stopped and rule and rule.when_busy == "merge" and facts.held:
        return Merge(facts.held[0], reasons)
    times = [reason.until for reason in holding]
    known = [time for time in times if time is not None]
    return Hold(max(known) if len(known) == len(times) else None, reasons)


def _reasons(limits: Limits, facts: Facts, now: datetime) -> Iterator[Reason]:
    if facts.paused:
        yield Reason("pause", True, f"paused by {facts.paused}", {"by": facts.paused})
    if facts.storm:
        yield Reason("storm", facts.storm.holds, facts.storm.reason, facts.storm.values, facts.storm.until)
    if limits.windows:
        yield _windows(limits.windows, now)
    if limits.concurrency:
        yield _concurrency(limits.concurrency, facts)
    if limits.cooldown:
        yield _cooldown(limits.cooldown, facts, now)
    if limits.rate:
        yield _rate(limits.rate, facts, now)
    if limits.budget:
        yield _budget(limits.budget, facts, now)


def _windows(rules: tuple[Window, ...], now: datetime) -> Reason:
    state = look(rules, now)
    named = "; ".join(state.windows)
    until = f" until {moment(state.until)}" if state.until else ""
    text = f"open{until}" if state.open else f"closed by {named}{until or '; no time opens it'}"
    return Reason("windows", not state.open, text, {"windows": list(state.windows)}, state.until)


def _concurrency(rule: Concurrency, facts: Facts) -> Reason:
    taken = len(facts.running) + len(facts.ahead)
    values = {"group": rule.group, "max": rule.most, "running": list(facts.running), "ahead": list(facts.ahead)}
    text = f"group {rule.group}: {len(facts.running)} of {rule.most} run"
    if facts.ahead:
        text += f", {len(facts.ahead)} wait ahead of it"
    if taken >= rule.most:
        text += f" ({', '.join((*facts.running, *facts.ahead)[:3])}{' …' if taken > 3 else ''})"
    return Reason("concurrency", taken >= rule.most, text, values)


def _cooldown(rule: Cooldown, facts: Facts, now: datetime) -> Reason:
    since = facts.last_start if rule.since == "start" else facts.last_end
    values = {"for": length(rule.length), "from": rule.since, "last": moment(since) if since else None}
    if rule.since == "end" and facts.active:
        text = f"{length(rule.length)} count from the end of {facts.active[0]}, which runs"
        return Reason("cooldown", True, text, {**values, "active": list(facts.active)})
    if since is None:
        return Reason("cooldown", False, "nothing ran before", values)
    until = since + rule.length
    text = f"{length(rule.length)} from the {rule.since} of the last one at {moment(since)}"
    return Reason("cooldown", now < until, text, values, until)


def _rate(rule: Rate, facts: Facts, now: datetime) -> Reason:
    recent = sorted(time for time in facts.openings if time > now - rule.per)
    text = f"{len(recent)} of at most {rule.count} openings within {length(rule.per)}"
    until = recent[-rule.count] + rule.per if len(recent) >= rule.count else None
    return Reason("rate", until is not None, text, {"opened": len(recent), "rate": str(rule)}, until)


def _budget(rule: Budget, facts: Facts, now: datetime) -> Reason:
    begin, end = period_of(now, rule.per, rule.zone)
    limit = Cost(rule.amount, rule.currency)
    values: dict[str, Any] = {"budget": str(limit), "per": rule.per, "until": moment(end)}
    counted = [spend for spend in facts.spends if begin <= spend.at < end]
    strange = {spend.counted.currency for spend in counted} | ({facts.estimate.currency} if facts.estimate else set())
    if strange - {rule.currency}:
        text = f"prices are in {', '.join(sorted(strange))}, the budget in {rule.currency}: set both in one currency"
        return Reason("budget", True, text, values)
    spent = Cost(sum((spend.counted.amount for spend in counted), Decimal(0)), rule.currency)
    open_ones = sum(spend.actual is None for spend in counted)
    values |= {"spent": str(spent), "estimated": open_ones}
    if facts.estimate is None:
        why = facts.no_estimate or "the price of its compute is not known"
        return Reason("budget", True, f"what it would cost is unknown: {why}", values)
    values["expected"] = str(facts.estimate)
    if facts.estimate.amount > rule.amount:
        text = f"it is expected to cost {facts.estimate}, more than the whole budget of {limit} a {rule.per}"
        return Reason("budget", True, text, values)
    text = f"{spent} of {limit} this {rule.per} are spent ({open_ones} of them estimated), {facts.estimate} expected"
    over = spent.amount + facts.estimate.amount > rule.amount
    return Reason("budget", over, text, values, end if over else None)
