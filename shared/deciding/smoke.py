"""How many requests of the hub's own make up the minimum of a step: few, late, and only where people send too few."""

from datetime import datetime
from typing import Final

from shared.deciding.analysis import Analysis, Measured
from shared.deciding.rollout import GRAIN, Step

MOST_AT_ONCE: Final = 40
"""Requests of one look; a look is short."""
_FROM: Final = 2 / 3


def due(rule: Analysis, step: Step, settled: datetime, measured: Measured | None, sent: int, now: datetime) -> int:
    """Give how many requests to send at this look. `sent`: how many of this step were sent before.

    1. Nothing in the first two thirds of the step: people may send enough. Nothing in its last minute: only whole
       minutes are measured.
    2. What lacks to what was measured so far, without the hub's own, is sent, some at each look. That people go on as
       they did is not counted on: the minimum is to be reached.
    """
    end = settled + step.length
    if not step.length or not settled + step.length * _FROM <= now < end - GRAIN:
        return 0
    people = 0
    if measured is not None and measured.end > measured.start:
        people = max(0, measured.requests - measured.smoke)
    return max(0, min(MOST_AT_ONCE, rule.min_requests - people - sent))
