"""`all-of`: fires when an event of every kind came within a window, with every event of each kind in it."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

LATE: Final = timedelta(hours=1)
"""How late an event may be told of: it still meets those that were told of before it."""


@dataclass(frozen=True, slots=True)
class Rule:
    """`kinds`: how many there are, numbered from 0; `within`: how far apart the first and the last may be."""

    kinds: int
    within: timedelta


@dataclass(frozen=True, slots=True)
class Seen:
    """An event that waits for others: its claim, its time (of the service) and the kinds that it meets."""

    claim: str
    time: datetime
    kinds: frozenset[int]


@dataclass(frozen=True, slots=True)
class Fire:
    """All kinds came: these are the events, by time. `state` is what goes on waiting."""

    events: tuple[Seen, ...]
    state: tuple[Seen, ...]
    expired: tuple[Seen, ...] = ()


@dataclass(frozen=True, slots=True)
class Wait:
    """Some kinds are missing. `expired`: events that nothing can meet any more; their decision names the reason."""

    state: tuple[Seen, ...]
    missing: tuple[int, ...]
    expired: tuple[Seen, ...] = ()
    reason: str = ""


def arrive(
    rule: Rule, state: Collection[Seen], claim: str, time: datetime, kinds: Collection[int], now: datetime
) -> Fire | Wait:
    """Take one event. The answer depends on the times of the events, not on the order in which they are told of.

    An event that is known already (by its claim) changes nothing. Where it fires, the events of the window are used
    up; the others go on waiting.
    """
    known = {seen.claim: seen for seen in state}
    if claim not in known:
        known[claim] = Seen(claim, time, frozenset(kinds))
    events = sorted(known.values(), key=lambda seen: (seen.time, seen.claim))
    window = _window(rule, events)
    if window is None:
        return expire(rule, events, now)
    used = {seen.claim for seen in window}
    rest = expire(rule, [seen for seen in events if seen.claim not in used], now)
    return Fire(window, rest.state, rest.expired)


def expire(rule: Rule, state: Collection[Seen], now: datetime) -> Wait:
    """Let go of events that nothing can meet any more."""
    oldest = now - rule.within - LATE
    alive = tuple(seen for seen in state if seen.time >= oldest)
    expired = tuple(seen for seen in state if seen.time < oldest)
    present = frozenset[int]().union(*(seen.kinds for seen in alive))
    missing = tuple(kind for kind in range(rule.kinds) if kind not in present)
    reason = f"{rule.kinds - len(missing)} of {rule.kinds} kinds came"
    if not missing:
        reason += ", too far apart"
    return Wait(alive, missing, expired, reason)


def _window(rule: Rule, events: list[Seen]) -> tuple[Seen, ...] | None:
    """Give the events of the earliest stretch of `within` that has every kind, and of that all that fit in."""
    first = 0
    for last, newest in enumerate(events):
        while events[first].time < newest.time - rule.within:
            first += 1
        inside = events[first : last + 1]
        if len(frozenset[int]().union(*(seen.kinds for seen in inside))) == rule.kinds:
            end = inside[0].time + rule.within
            return tuple(seen for seen in events[first:] if seen.time <= end)
    return None
