"""How many requests of the hub's own make up the minimum of a step: few, late, and only where people send too few."""

import math
from datetime import datetime
from typing import Final

from shared.deciding.analysis import Analysis, Measured
from shared.deciding.rollout import GRAIN, Step

MOST_AT_ONCE: Final = 20
"""Requests of one look; a look is short."""


def due(rule: Analysis, step: Step, settled: datetime, measured: Measured | None, sent: int, now: datetime) -> int:
    """Give how many requests to send at this look. `sent`: how many of this step were sent before.

    1. Nothing in the first half of the step: people may send enough. Nothing in its last minute: whole minutes count.
    2. What was measured so far, without the hub's own, is taken to go on as it did; where nothing was, as nothing.
    3. What lacks then is sent, some at each look.
    """
    end = settled + step.length
    if not step.length or not settled + step.length / 2 <= now < end - GRAIN:
        return 0
    people = 0
    if measured is not None and measured.end > measured.start:
        seen = max(0, measured.requests - measured.smoke)
        people = math.floor(seen * (step.length / (measured.end - measured.start)))
    return max(0, min(MOST_AT_ONCE, rule.min_requests - people - sent))
