"""Requests of the hub's own: only where people send too few, late in a step, and never too many."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from shared.deciding.analysis import Analysis, Measured
from shared.deciding.rollout import Step
from shared.deciding.smoke import MOST_AT_ONCE, due

START = datetime(2013, 5, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
RULE = Analysis(min_requests=50, settle=3 * MINUTE)
STEP = Step("canary", 10, 20 * MINUTE)
TEN = Measured(START, START + 10 * MINUTE, START + 13 * MINUTE, 10)


@pytest.mark.parametrize(
    ("minute", "measured", "sent", "expected"),
    [
        (5, None, 0, 0),
        (13, TEN, 0, 0),
        (14, None, 0, MOST_AT_ONCE),
        (14, TEN, 0, MOST_AT_ONCE),
        (14, TEN, 25, 15),
        (14, TEN, 40, 0),
        (14, replace(TEN, requests=50), 0, 0),
        (14, replace(TEN, requests=48), 0, 2),
        (14, replace(TEN, requests=24, smoke=10), 10, 26),
        (19, TEN, 0, 0),
        (25, TEN, 0, 0),
    ],
)
def test_how_many_are_due(minute: float, measured: Measured | None, sent: int, expected: int) -> None:
    assert due(RULE, STEP, START, measured, sent, START + minute * MINUTE) == expected


def test_a_step_without_a_time_needs_none() -> None:
    assert due(RULE, Step("full", 100), START, None, 0, START) == 0
