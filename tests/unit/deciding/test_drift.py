"""Triage of drift: what persists, what the season explains, what cannot be read, and what follows."""

import json
import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.deciding.drift import (
    Answer,
    Feature,
    Outcome,
    Rule,
    Severity,
    Triage,
    Window,
    breach_key,
    decide,
)
from shared.deciding.performance import Performance
from shared.deciding.thresholds import Threshold

START = datetime(2013, 6, 1, tzinfo=UTC)
DAY = timedelta(days=1)
THEN: dict[str, Outcome] = {"minor": "notify", "major": "shadow-train", "performance": "retrain"}
ONCE, TWICE = Rule(THEN), Rule(THEN, k=2, n=3, min_samples=200)
LIMIT = Threshold.parse("<= 25")


def feature(name: str, score: float | None, importance: float | None = None, seasonal: float | None = None) -> Feature:
    return Feature(name, score, 0.2, importance, seasonal)


CALM = (feature("wind", 0.1, 1), feature("hour", 0.1, 3))
MINOR = (feature("wind", 0.3, 1), feature("hour", 0.1, 3))
MAJOR = (feature("wind", 0.1, 1), feature("hour", 0.3, 3))


def window(
    day: int, features: tuple[Feature, ...] = CALM, *, samples: int | None = 500, mae: float | None = None
) -> Window:
    performance = () if mae is None else (Performance("mae", mae, LIMIT, 300),)
    start = START + day * DAY
    return Window(f"run-{day}", start, start + DAY, samples, features, performance=performance)


def triage(rule: Rule, *windows: Window) -> Triage:
    result = decide(rule, windows)
    json.dumps(result.evidence, allow_nan=False)
    assert result.reason
    return result


@pytest.mark.parametrize(
    ("rule", "features", "severity", "outcome"),
    [
        (ONCE, [CALM], "none", "ignore"),
        (ONCE, [MINOR], "minor", "notify"),
        (ONCE, [MAJOR], "major", "shadow-train"),
        (ONCE, [MAJOR, CALM], "none", "ignore"),
        (TWICE, [MAJOR], "none", "ignore"),
        (TWICE, [MAJOR, CALM, MAJOR], "major", "shadow-train"),
        (TWICE, [MAJOR, CALM, CALM, MAJOR], "none", "ignore"),
        (TWICE, [MINOR, CALM, MAJOR], "minor", "notify"),
        (TWICE, [MAJOR, MAJOR, MINOR], "minor", "notify"),
        (TWICE, [MAJOR, MAJOR, CALM], "none", "ignore"),
    ],
)
def test_drift_counts_where_it_persists(
    rule: Rule, features: list[tuple[Feature, ...]], severity: Severity, outcome: Outcome
) -> None:
    result = triage(rule, *(window(day, one) for day, one in enumerate(features)))
    assert (result.severity, result.outcome) == (severity, outcome)


def test_the_reason_names_features_share_and_windows_and_what_is_needed() -> None:
    assert triage(TWICE, window(0, MAJOR), window(1, MAJOR)).reason == (
        "major: hour drift (75% of all importance) in 2 of the last 2 windows"
    )
    assert triage(TWICE, window(0), window(1, MAJOR)).reason == "drift in 1 of the last 2 windows; 2 of 3 are needed"


def test_a_retraining_reads_from_the_begin_of_the_drift() -> None:
    result = triage(TWICE, window(0), window(1, MAJOR), window(2), window(3, MAJOR))
    assert result.since == START + DAY


def test_too_few_rows_say_nothing_and_are_passed_over() -> None:
    few = triage(TWICE, window(0, MAJOR), window(1, MAJOR, samples=150))
    assert (few.outcome, few.reason) == ("ignore", "150 rows, at least 200 are needed")
    assert (
        triage(TWICE, window(0, MAJOR), window(1, samples=3), window(2, samples=3), window(3, MAJOR)).severity
        == "major"
    )


def test_as_many_rows_and_as_large_a_share_as_needed_are_enough() -> None:
    halves = (feature("wind", 0.3, 1), feature("hour", 0.1, 1))
    assert triage(replace(TWICE, k=1), window(0, halves, samples=200)).severity == "major"
    labelled = replace(window(0), performance=(Performance("mae", 99, LIMIT, 200),))
    assert triage(replace(TWICE, k=1), labelled).severity == "performance"


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (replace(window(3, MAJOR), unreadable="drift.json is not there"), "drift.json is not there"),
        (window(3, MAJOR, samples=None), "how many rows"),
        (window(3, ()), "no feature and no performance"),
        (window(3, (feature("wind", None), feature("hour", math.nan))), "no score or threshold of wind, hour"),
    ],
)
def test_numbers_that_cannot_be_read_notify_and_never_retrain(broken: Window, reason: str) -> None:
    everything: dict[str, Outcome] = dict.fromkeys(THEN, "retrain")
    before = [window(day, MAJOR, mae=99) for day in range(3)]
    result = triage(replace(TWICE, then=everything), *before, broken)
    assert result.outcome == "notify"
    assert reason in result.reason


def test_without_any_window_people_are_told() -> None:
    assert triage(ONCE).outcome == "notify"


def test_a_feature_that_cannot_be_read_is_named_and_no_silence() -> None:
    partly = triage(ONCE, window(0, (feature("wind", 0.1), feature("hour", None))))
    assert (partly.outcome, partly.reason) == ("notify", "no feature is beyond its threshold; not known: hour")


@pytest.mark.parametrize(
    ("season", "seasonal", "outcome"),
    [(True, 0.1, "ignore"), (True, 0.3, "shadow-train"), (True, None, "shadow-train"), (False, 0.1, "shadow-train")],
)
def test_a_season_that_returns_is_no_drift(season: bool, seasonal: float | None, outcome: Outcome) -> None:
    result = triage(replace(ONCE, season=season), window(0, (feature("temperature", 0.9, 1, seasonal),)))
    assert result.outcome == outcome
    assert outcome != "ignore" or "season" in result.reason


@pytest.mark.parametrize(
    ("values", "severity"),
    [
        ([26, 26, None], "performance"),  # labels of the newest window have not come
        ([26, 20, 26], "performance"),
        ([26, 26, 20], "none"),
        ([20, 20, 26], "none"),
        ([26], "none"),
    ],
)
def test_performance_goes_before_drift_and_persists_like_it(values: list[float | None], severity: Severity) -> None:
    windows = [window(day, mae=value) for day, value in enumerate(values)]
    assert triage(TWICE, *windows).severity == severity
    with_drift = [window(day, MAJOR, mae=value) for day, value in enumerate(values)]
    assert (triage(TWICE, *with_drift).severity == "performance") == (severity == "performance")


def test_performance_on_too_few_labels_or_without_a_value_does_not_count() -> None:
    few = replace(window(0), performance=(Performance("mae", 99, LIMIT, 199),))
    lost = replace(window(1), performance=(Performance("mae", math.nan, LIMIT, 900),))
    assert triage(replace(TWICE, k=1), few, lost).severity == "none"


def test_labels_that_come_late_change_the_window_that_they_belong_to() -> None:
    before = [window(0), window(1), window(2)]
    after = [window(0, mae=30), window(1, mae=30), window(2)]
    assert triage(TWICE, *before).outcome == "ignore"
    late = triage(TWICE, *after)
    assert (late.outcome, late.since) == ("retrain", START)


def test_what_a_training_has_answered_does_not_count_again() -> None:
    windows = [window(0, MAJOR), window(1, MAJOR)]
    answer = Answer("a-7", START + 2 * DAY)
    first, again = decide(TWICE, windows), decide(TWICE, windows, answer)
    assert (first.outcome, again.outcome) == ("shadow-train", "ignore")
    assert "a-7 began at" in again.reason
    one_more = [*windows, window(2, MAJOR)]
    assert "1 of the last 1 windows; 2 of 3" in decide(TWICE, one_more, answer).reason
    assert decide(TWICE, [*one_more, window(3, MAJOR)], answer).outcome == "shadow-train"
    broken = replace(window(1), unreadable="it is not there")
    assert decide(TWICE, [window(0, MAJOR), broken], answer).outcome == "notify"


def test_importance_that_is_unknown_weighs_as_much_as_the_others_on_average() -> None:
    three = (feature("a", 0.9), feature("b", 0.1), feature("c", 0.1))
    assert triage(ONCE, window(0, three)).severity == "minor"
    assert triage(replace(ONCE, major_share=1 / 3), window(0, three)).severity == "major"
    mixed = (feature("a", 0.9, None), feature("b", 0.1, 9), feature("c", 0.1, 1))
    assert "33.33% of all importance" in triage(ONCE, window(0, mixed)).reason


def test_one_run_signal_and_feature_is_one_breach() -> None:
    assert breach_key("Run-1", "Data_Drift ", "hour") == breach_key("run-1", "data_drift", "HOUR")
    assert breach_key("run-1", "a", "b") != breach_key("run-1", "ab", "")


NUMBERS = st.none() | st.floats() | st.sampled_from([0.1, 0.3])
FEATURES = st.lists(
    st.builds(Feature, st.sampled_from("abcd"), NUMBERS, NUMBERS, NUMBERS, NUMBERS),
    max_size=4,
    unique_by=lambda one: one.name,
).map(tuple)
WINDOWS = st.lists(
    st.builds(
        lambda day, features, samples, mae: window(day, features, samples=samples, mae=mae),
        st.integers(0, 9),
        FEATURES,
        st.none() | st.integers(0, 500),
        NUMBERS,
    ),
    max_size=6,
    unique_by=lambda one: one.run,
)


@given(WINDOWS, st.integers(1, 3), st.integers(0, 2), st.booleans())
def test_nothing_retrains_on_what_cannot_be_read_and_nothing_unreadable_is_silent(
    windows: list[Window], k: int, more: int, season: bool
) -> None:
    everything: dict[str, Outcome] = {"minor": "retrain", "major": "retrain", "performance": "retrain"}
    rule = Rule(everything, k=k, n=k + more, min_samples=100, season=season)
    result = triage(rule, *windows)
    assert decide(rule, windows[::-1]) == result
    newest = max(windows, key=lambda one: one.end, default=None)
    if newest is None or newest.samples is None:
        assert result.outcome == "notify"
    if result.outcome == "retrain":
        assert result.severity != "none"
        assert result.since in {one.start for one in windows}
    if result.outcome == "ignore" and newest is not None and newest.samples is not None and newest.samples >= 100:
        known = [one for one in newest.features if one.score is not None and math.isfinite(one.score)]
        assert len(known) == len(newest.features)
