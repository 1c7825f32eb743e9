"""Which occurrences of a schedule are due, and what becomes of those that were missed while the hub was away."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from shared.deciding.cron import Cron
from shared.deciding.wording import length, moment

ON_TIME: Final = timedelta(minutes=5)
"""What is found so late is on time still: timers tick each minute, and a host may start cold."""
MOST: Final = 1000
"""Occurrences that one decision gives; older ones count as missed all the same and are not named."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """Strikes of a clock. `if_missed`: those that no one looked at in time run once together, or not at all."""

    cron: Cron
    if_missed: Literal["once", "skip"] = "once"


@dataclass(frozen=True, slots=True)
class Due:
    """What to do now: start for each of `fire`, remember `now` as decided, and look again at `next`.

    `missed` are occurrences that no activity begins for, with the `reason`.
    """

    fire: tuple[datetime, ...]
    missed: tuple[datetime, ...]
    reason: str
    next: datetime


def decide(rule: Schedule, decided: datetime, now: datetime) -> Due:
    """Decide about the occurrences later than `decided` and not later than `now`.

    1. What struck within the last five minutes starts, each for itself.
    2. `once`: of those missed the newest starts, unless another starts by 1 and stands for them too.
    3. `skip`: none of those missed starts.
    """
    strikes = rule.cron.newest(decided, now, MOST)
    fresh = tuple(strike for strike in strikes if now - strike <= ON_TIME)
    late = tuple(strike for strike in strikes if now - strike > ON_TIME)
    following = rule.cron.next(max(now, decided))
    if not late:
        return Due(fresh, (), "" if fresh else "nothing is due", following)
    told = f"{len(late)} missed by more than {length(ON_TIME)}, the last at {moment(late[-1])}"
    if rule.if_missed == "skip":
        return Due(fresh, late, f"{told}: skipped, as if-missed says", following)
    if fresh:
        return Due(fresh, late, f"{told}: the one at {moment(fresh[0])} stands for them", following)
    return Due(late[-1:], late[:-1], f"{told}: run once, as if-missed says", following)
