"""Gates of a release: each as a table; what is missing refuses; evidence is JSON."""

import json
import math
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.deciding.approval import Approval, Asked
from shared.deciding.gates import (
    Better,
    Champion,
    Facts,
    Fairness,
    Gate,
    Metrics,
    Scores,
    Slice,
    Tolerance,
    judge,
    judge_all,
)
from shared.deciding.thresholds import Threshold
from shared.deciding.verdicts import Passed, Refused, Verdict, Waiting

NOW = datetime(2013, 5, 1, tzinfo=UTC)


def scores(source: str = "run-7", **metrics: float) -> Scores:
    return Scores(source, metrics)


def told(gate: Gate, challenger: Scores, champion: Scores | None = None, **more: Any) -> Verdict:
    verdict = judge(gate, Facts(challenger, champion, **more), NOW)
    json.dumps(verdict.as_dict(), allow_nan=False)
    return verdict


METRICS = Metrics({"mae": Threshold.parse("<= 25"), "r2": Threshold.parse(">= 0.05")})


@pytest.mark.parametrize(
    ("challenger", "passes", "reason"),
    [
        (scores(mae=25, r2=0.05), True, "mae <= 25"),
        (scores(mae=25.1, r2=0.5), False, "mae is 25.1, not <= 25"),
        (scores(mae=30, r2=0.01), False, "r2 is 0.01, not >= 0.05"),
        (scores(mae=20), False, "r2 is missing in run-7 (it has mae)"),
        (scores(mae=math.nan, r2=1), False, "mae is nan, no number"),
        (scores(mae=-math.inf, r2=1), False, "mae is -inf, no number"),
    ],
)
def test_thresholds(challenger: Scores, passes: bool, reason: str) -> None:
    verdict = told(METRICS, challenger)
    assert isinstance(verdict, Passed if passes else Refused)
    assert reason in verdict.reason


def test_the_evidence_names_values_thresholds_and_source() -> None:
    assert told(METRICS, scores(mae=20, r2=0.01)).evidence == {
        "metrics": [
            {"metric": "mae", "value": 20, "threshold": "<= 25", "passed": True},
            {"metric": "r2", "value": 0.01, "threshold": ">= 0.05", "passed": False},
        ],
        "source": "run-7",
    }


ONE_PERCENT = Tolerance(0.01)


@pytest.mark.parametrize(
    ("better", "tolerance", "value", "standard", "passes"),
    [
        ("lower", ONE_PERCENT, 20.0, 20.0, True),
        ("lower", ONE_PERCENT, 20.2, 20.0, True),
        ("lower", ONE_PERCENT, 20.3, 20.0, False),
        ("higher", ONE_PERCENT, 0.79, 0.8, False),
        ("higher", ONE_PERCENT, 0.795, 0.8, True),
        ("lower", Tolerance(0.5, relative=False), 20.5, 20.0, True),
        ("lower", Tolerance(0.5, relative=False), 20.6, 20.0, False),
        ("higher", Tolerance(), -3.0, -3.1, True),
        ("higher", ONE_PERCENT, -3.2, -3.1, False),
    ],
)
def test_champion_against_challenger(
    better: Better, tolerance: Tolerance, value: float, standard: float, passes: bool
) -> None:
    verdict = told(Champion("m", better, tolerance), scores(m=value), scores("live", m=standard))
    assert isinstance(verdict, Passed if passes else Refused)
    assert verdict.evidence["champion"] == {"value": standard, "source": "live"}


def test_without_a_champion_it_passes_with_a_note_or_is_refused_as_the_rule_says() -> None:
    passed = told(Champion("mae", "lower"), scores(mae=20))
    assert isinstance(passed, Passed)
    assert passed.as_dict()["result"] == "passed-with-note"
    assert isinstance(told(Champion("mae", "lower", when_none="refuse"), scores(mae=20)), Refused)


@pytest.mark.parametrize(
    ("challenger", "champion", "reason"),
    [
        (scores(), scores("live", mae=1), "mae is missing in run-7"),
        (scores(mae=1), scores("live"), "the champion: mae is missing in live"),
        (scores(mae=1), scores("live", mae=math.nan), "the champion: mae is nan"),
        (scores(), None, "mae is missing"),
    ],
)
def test_a_value_that_is_missing_refuses(challenger: Scores, champion: Scores | None, reason: str) -> None:
    verdict = told(Champion("mae", "lower"), challenger, champion)
    assert isinstance(verdict, Refused)
    assert reason in verdict.reason


@pytest.mark.parametrize(
    ("interval", "when_unsure", "result"),
    [
        ((-0.5, 0.1), "refuse", "passed"),
        ((-0.5, 0.4), "refuse", "refused"),
        ((-0.5, 0.4), "pass-with-note", "passed-with-note"),
        ((math.nan, math.nan), "refuse", "refused"),
    ],
)
def test_a_confidence_interval_counts_where_it_is_given(
    interval: tuple[float, float], when_unsure: str, result: str
) -> None:
    gate = Champion("mae", "lower", ONE_PERCENT, when_unsure="refuse" if when_unsure == "refuse" else "pass-with-note")
    verdict = told(gate, scores(mae=19.9), scores("live", mae=20), intervals={"mae": interval})
    assert verdict.as_dict()["result"] == result


def test_a_business_metric_may_have_a_threshold_of_its_own() -> None:
    gate = Champion("cost", "lower", threshold=Threshold.parse("<= 3"), kind="business")
    assert isinstance(told(gate, scores(cost=4)), Refused)
    verdict = told(gate, scores(cost=2), scores("live", cost=2.5))
    assert (verdict.gate, type(verdict)) == ("business", Passed)


def by_carrier(*slices: tuple[str, int, float | None], mae: float = 20.0) -> Scores:
    return Scores("run-7", {"mae": mae}, {("mae", "carrier"): tuple(Slice(*one) for one in slices)})


FAIR = Fairness("mae", ("carrier",), 0.4, min_rows=200)


@pytest.mark.parametrize(
    ("gate", "challenger", "passes", "reason"),
    [
        (FAIR, by_carrier(("UA", 900, 20), ("AA", 900, 27.9)), True, "39.5% at AA, within 40%"),
        (FAIR, by_carrier(("UA", 900, 20), ("AA", 900, 28.1)), False, "over 40%"),
        (FAIR, by_carrier(("UA", 900, 20), ("OO", 199, 90)), True, "1 slices under 200 rows left out"),
        (FAIR, by_carrier(("UA", 900, 20), ("OO", 200, 90)), False, "350% at OO, over 40%"),
        (FAIR, by_carrier(("UA", 900, 20), ("AA", 900, 28)), True, "40% at AA, within 40%"),
        (FAIR, by_carrier(("OO", 199, 20)), False, "no slice by carrier has 200 rows"),
        (FAIR, by_carrier(("UA", 900, None)), False, "mae is missing for carrier UA"),
        (FAIR, by_carrier(("UA", 900, math.nan)), False, "mae is missing for carrier UA"),
        (FAIR, by_carrier(), False, "no mae by carrier"),
        (FAIR, by_carrier(("UA", 900, 20), mae=0), False, "no meaning"),
        (Fairness("r2", ("carrier",), 0.4), by_carrier(("UA", 900, 20)), False, "r2 is missing"),
        (Fairness("mae", ("carrier", "origin"), 0.4), by_carrier(("UA", 900, 20)), False, "no mae by origin"),
        (
            Fairness("mae", ("carrier",), 9, relative=False),
            by_carrier(("UA", 900, 12), ("AA", 900, 28)),
            True,
            "is 8 at",
        ),
        (
            Fairness("mae", ("carrier",), 9, relative=False, method="between-slices"),
            by_carrier(("UA", 900, 12), ("AA", 900, 28)),
            False,
            "is 16 at UA to AA, over 9",
        ),
    ],
)
def test_fairness(gate: Fairness, challenger: Scores, passes: bool, reason: str) -> None:
    verdict = told(gate, challenger)
    assert isinstance(verdict, Passed if passes else Refused)
    assert reason in verdict.reason


def test_slices_with_too_few_rows_are_named_in_the_evidence() -> None:
    evidence = told(FAIR, by_carrier(("UA", 900, 20), ("OO", 199, 90))).evidence
    assert evidence["slices"][0]["excluded"] == {"OO": 199}
    assert evidence["slices"][0]["values"] == {"UA": {"rows": 900, "metric": 20}}


def test_one_refusal_refuses_all_and_every_gate_is_heard() -> None:
    gates: tuple[Gate, ...] = (METRICS, Champion("mae", "lower"), Approval())
    verdict, each = judge_all(gates, Facts(scores(mae=30, r2=1), scores("live", mae=20)), NOW)
    assert isinstance(verdict, Refused)
    assert [one.as_dict()["result"] for one in each] == ["refused", "refused", "waiting"]
    assert "mae is 30" in verdict.reason
    assert "worse than the champion" in verdict.reason


def test_it_waits_for_people_where_nothing_else_refuses() -> None:
    verdict, _ = judge_all((METRICS, Approval()), Facts(scores(mae=20, r2=1), asked=Asked(NOW)), NOW)
    assert isinstance(verdict, Waiting)
    assert verdict.until is not None
    passed, _ = judge_all((METRICS,), Facts(scores(mae=20, r2=1)), NOW)
    assert isinstance(passed, Passed)


NUMBERS = st.floats(allow_nan=True, allow_infinity=True) | st.sampled_from([0.0, 1.0, 20.0])


@given(
    st.dictionaries(st.sampled_from(["mae", "r2"]), NUMBERS),
    st.none() | st.dictionaries(st.sampled_from(["mae", "r2"]), NUMBERS),
    st.sampled_from([METRICS, Champion("mae", "lower"), Champion("r2", "higher", when_none="refuse"), FAIR]),
    st.dictionaries(st.just("mae"), st.tuples(NUMBERS, NUMBERS)),
)
def test_nothing_passes_without_finite_values_and_all_evidence_is_json(
    challenger: dict[str, float], champion: dict[str, float] | None, gate: Gate, intervals: dict[str, Any]
) -> None:
    live = None if champion is None else Scores("live", champion)
    verdict = told(gate, Scores("run", challenger), live, intervals=intervals)
    if isinstance(verdict, Passed):
        assert isinstance(gate, Metrics | Champion)
        names = list(gate.thresholds) if isinstance(gate, Metrics) else [gate.metric]
        assert all(math.isfinite(challenger[name]) for name in names)


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6), st.floats(0, 1), st.sampled_from(["lower", "higher"]))
def test_of_two_models_one_at_least_is_as_good_as_the_other(one: float, other: float, share: float, how: str) -> None:
    gate = Champion("m", "lower" if how == "lower" else "higher", Tolerance(share))
    first = told(gate, scores(m=one), scores("live", m=other))
    second = told(gate, scores(m=other), scores("live", m=one))
    assert isinstance(first, Passed) or isinstance(second, Passed)
