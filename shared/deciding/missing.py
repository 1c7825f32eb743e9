"""Whether an event that was expected did not come: told once for each time that it was expected."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from shared.deciding.cron import Cron

MOST: Final = 1000
"""Missed times that one decision gives; the next decision goes on behind them."""


@dataclass(frozen=True, slots=True)
class Expectation:
    """When an event is expected: at the strikes of a clock, or `every` so long after the one before.

    Exactly one of `cron` and `every` is given. `grace` is how late it may come.
    """

    grace: timedelta
    cron: Cron | None = None
    every: timedelta | None = None


@dataclass(frozen=True, slots=True)
class State:
    """What is kept. `decided`: the last expected time that is settled; with `every`, the last event if that is later.
    At first it is when the automation was deployed. `met`: later expected times whose event has come.
    """

    decided: datetime
    met: tuple[datetime, ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """`missed`: the expected times at which nothing came, oldest first. Keep `state`; look again at `next`."""

    state: State
    missed: tuple[datetime, ...]
    next: datetime


def arrived(rule: Expectation, state: State, time: datetime) -> State:
    """Give the state after a matching event with that time (of the service, not of its arrival)."""
    if rule.cron is None:
        return replace(state, decided=max(state.decided, time))
    expected = meant(rule.cron, rule.grace, time)
    too_late = time > expected + rule.grace
    if too_late or expected <= state.decided or expected in state.met:
        return state
    return replace(state, met=tuple(sorted((*state.met, expected))))


def decide(rule: Expectation, state: State, now: datetime) -> Verdict:
    """Say which expected times are over, their grace included, without an event; each is named by one decision only."""
    missed: list[datetime] = []
    while True:
        expected = _following(rule, state.decided)
        if expected + rule.grace > now or len(missed) >= MOST:
            return Verdict(state, tuple(missed), expected + rule.grace)
        if expected not in state.met:
            missed.append(expected)
        state = State(expected, tuple(time for time in state.met if time > expected))


def meant(cron: Cron, grace: timedelta, time: datetime) -> datetime:
    """Give the expected time that an event belongs to.

    It belongs to the earliest one whose grace is not over, however early it comes, with one exception: nearer to the
    one before, it is that one's, come too late, and counts for neither.
    """
    expected = cron.next(time - grace - timedelta(microseconds=1))
    before = cron.last(expected - timedelta(microseconds=1))
    return before if time - before <= expected - time else expected


def _following(rule: Expectation, after: datetime) -> datetime:
    if rule.cron is not None:
        return rule.cron.next(after)
    if rule.every is None:
        raise ValueError("an expectation has either cron or every")
    return after + rule.every
