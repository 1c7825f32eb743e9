"""The storm breaker of the whole hub: trips once when too many activities open, tells once, holds until it is calm."""

import math
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from shared.deciding.wording import length, moment


@dataclass(frozen=True, slots=True)
class Rule:
    """It trips when one more than `openings` activities would open `within` that time.

    It ends when, over a period of `calm`, new activities wanted to open at less than half of the rate that trips it,
    or when an operator resets it.
    """

    openings: int = 100
    within: timedelta = timedelta(minutes=10)
    calm: timedelta = timedelta(minutes=15)

    @property
    def arrivals_kept(self) -> int:
        """How many arrivals in a period of `calm` are no calm."""
        return max(1, math.ceil(self.openings / 2 * (self.calm / self.within)))


@dataclass(frozen=True, slots=True)
class State:
    """What the hub's one row keeps: the last openings and arrivals, oldest first, never more than the rule needs.

    `tripped`: since when it holds, None while it does not. `trips`: how often it ever tripped.
    """

    opened: tuple[datetime, ...] = ()
    arrived: tuple[datetime, ...] = ()
    tripped: datetime | None = None
    trips: int = 0


@dataclass(frozen=True, slots=True)
class Verdict:
    """`state` is to be kept. `tell`: it has just tripped or just ended; say so, once. `holds`: nothing opens."""

    state: State
    holds: bool
    tell: bool
    reason: str
    until: datetime | None
    values: dict[str, Any]


def judge(rule: Rule, state: State, now: datetime, *, new: bool) -> Verdict:
    """Judge one activity that wants to open. `new`: it wants to for the first time; work held before never trips it,
    but is let go no faster than `openings` in `within`.

    Opening itself is recorded by `opened`, in the same write that opens.
    """
    if new:
        state = replace(state, arrived=(*state.arrived, now)[-rule.arrivals_kept :])
    if state.tripped is not None:
        until = calm_at(rule, state)
        if until > now:
            reason = (
                f"the storm breaker tripped at {moment(state.tripped)}; it ends after {length(rule.calm)} of calm, "
                "or when an operator resets it"
            )
            return Verdict(state, True, False, reason, until, _values(rule, state, now))
        state = replace(state, tripped=None)
        return replace(_untripped(rule, state, now, new=False), tell=True)
    return _untripped(rule, state, now, new=new)


def _untripped(rule: Rule, state: State, now: datetime, *, new: bool) -> Verdict:
    recent = _recent(rule, state, now)
    if recent < rule.openings:
        reason = f"{recent} of at most {rule.openings} openings within {length(rule.within)}"
        return Verdict(state, False, False, reason, None, _values(rule, state, now))
    if not new:
        until = state.opened[-rule.openings] + rule.within
        reason = f"held work is let go at {rule.openings} within {length(rule.within)}"
        return Verdict(state, True, False, reason, until, _values(rule, state, now))
    state = replace(state, tripped=now, trips=state.trips + 1)
    reason = f"the storm breaker tripped: {recent} activities opened within {length(rule.within)}"
    return Verdict(state, True, True, reason, calm_at(rule, state), _values(rule, state, now))


def opened(rule: Rule, state: State, now: datetime) -> State:
    """Give the state after an activity opened."""
    return replace(state, opened=(*state.opened, now)[-rule.openings :])


def reset(state: State) -> State:
    """Give the state after an operator's reset: what opened before counts no more."""
    return replace(state, tripped=None, opened=(), arrived=())


def calm_at(rule: Rule, state: State) -> datetime:
    """Give when a tripped breaker ends if nothing more arrives; raises ValueError where it is not tripped."""
    if state.tripped is None:
        raise ValueError("the storm breaker is not tripped")
    full = len(state.arrived) >= rule.arrivals_kept
    since = max(state.tripped, state.arrived[-rule.arrivals_kept]) if full else state.tripped
    return since + rule.calm


def _recent(rule: Rule, state: State, now: datetime) -> int:
    return sum(time > now - rule.within for time in state.opened)


def _values(rule: Rule, state: State, now: datetime) -> dict[str, Any]:
    return {
        "opened": _recent(rule, state, now),
        "openings": rule.openings,
        "within": length(rule.within),
        "tripped": moment(state.tripped) if state.tripped else None,
        "trips": state.trips,
    }
