"""Analysis of a deployment: good, bad, or not to be told."""

import json
import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.deciding.analysis import Analysis, Measured, analyse
from shared.deciding.thresholds import Threshold

START = datetime(2013, 5, 1, tzinfo=UTC)
RULE = Analysis(
    Threshold.parse("< 1%", "share"),
    {"p95": Threshold.parse("< 300ms", "milliseconds")},
    {"cost": Threshold.parse("<= 3")},
    min_requests=50,
    settle=timedelta(minutes=3),
)
END = START + timedelta(minutes=10)
WELL = Measured(START, END, END + RULE.settle, 60, 0.0, {"p95": (120.0, 299.0)}, {"cost": 2.5}, 10, "azure-monitor")


@pytest.mark.parametrize(
    ("change", "verdict", "reason"),
    [
        ({}, "good", "60 requests, error rate 0%, p95 latency 299ms, cost 2.5"),
        ({"error_rate": 0.01}, "bad", "error rate is 1%, not < 1%"),
        ({"latency": {"p95": (10.0, 10.0, 301.0)}}, "bad", "p95 latency is 301ms, not < 300ms"),
        ({"custom": {"cost": 3.5}}, "bad", "cost is 3.5, not <= 3"),
        ({"requests": 49}, "unknown", "49 requests, at least 50"),
        ({"requests": 49, "error_rate": 1.0}, "unknown", "49 requests"),
        ({"read": END + timedelta(minutes=2)}, "unknown", "before its metrics had settled"),
        ({"error_rate": None}, "unknown", "error rate: no value"),
        ({"error_rate": math.nan}, "unknown", "error rate: no value"),
        ({"latency": {"p95": ()}}, "unknown", "p95 latency: no value"),
        ({"latency": {"p95": (1.0, math.nan)}}, "unknown", "p95 latency: no value"),
        ({"latency": {"p90": (1.0,)}}, "unknown", "p95 latency: no value"),
        ({"custom": {}}, "unknown", "cost: no value"),
        ({"custom": {}, "error_rate": 0.5}, "bad", "error rate is 50%"),
    ],
)
def test_what_a_window_says(change: dict[str, Any], verdict: str, reason: str) -> None:
    finding = analyse(RULE, replace(WELL, **change))
    assert finding.verdict == verdict
    assert reason in finding.reason
    json.dumps(finding.evidence, allow_nan=False)


def test_percentiles_are_judged_by_the_worst_interval_and_never_averaged() -> None:
    finding = analyse(RULE, replace(WELL, latency={"p95": (1.0,) * 99 + (900.0,)}))
    assert finding.verdict == "bad"
    assert finding.evidence["checks"][1]["value"] == 900


@given(
    st.integers(0, 100),
    st.none() | st.floats(),
    st.dictionaries(st.just("p95"), st.lists(st.floats(), max_size=3).map(tuple)),
    st.dictionaries(st.just("cost"), st.floats()),
)
def test_only_what_was_measured_whole_and_keeps_all_is_good(
    requests: int, rate: float | None, latency: dict[str, tuple[float, ...]], custom: dict[str, float]
) -> None:
    finding = analyse(RULE, replace(WELL, requests=requests, error_rate=rate, latency=latency, custom=custom))
    good = (
        requests >= 50
        and rate is not None
        and rate < 0.01
        and bool(latency.get("p95"))
        and all(value < 300 for value in latency["p95"])
        and custom.get("cost", math.nan) <= 3
    )
    infinite = not all(map(math.isfinite, [rate or 0.0, *latency.get("p95", ()), *custom.values()]))
    assert (finding.verdict == "good") == (good and not infinite)
