"""Thresholds: what they read, what they refuse, what keeps them."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.deciding.thresholds import Threshold, ThresholdError, Unit


@pytest.mark.parametrize(
    ("text", "unit", "keeps", "breaks"),
    [
        ("<= 25", "number", [25, -3], [25.1]),
        (">= 0.05", "number", [0.05, 1], [0.0499]),
        ("<25", "number", [24.9], [25]),
        ("> -1e-3", "number", [0], [-0.001]),
        ("== 0", "number", [0], [0.1]),
        ("between 0.4 and 60%", "number", [0.4, 0.6], [0.39, 0.61]),
        ("< 1%", "share", [0.0099], [0.01]),
        ("<= 100%", "share", [1], [1.1]),
        ("> 0%", "share", [0.1], [0]),
        ("<= 0.5", "share", [0.5], [0.51]),
        ("< 300ms", "milliseconds", [299], [300]),
        ("<= 1.5s", "milliseconds", [1500], [1501]),
    ],
)
def test_what_keeps_a_threshold(text: str, unit: Unit, keeps: list[float], breaks: list[float]) -> None:
    threshold = Threshold.parse(text, unit)
    assert all(threshold.keeps(value) for value in keeps)
    assert not any(threshold.keeps(value) for value in breaks)
    assert str(threshold) == text


@pytest.mark.parametrize(
    ("text", "unit", "expected"),
    [
        ("25", "number", "is no threshold"),
        ("=< 25", "number", "is no threshold"),
        ("<= many", "number", "is no threshold"),
        ("<= 1e999", "number", "too large"),
        ("< 300ms", "number", "a time is not expected"),
        ("< 300", "milliseconds", "has a unit"),
        ("< 120%", "share", "between 0% and 100%"),
        ("between 3 and 2", "number", "the smaller one"),
    ],
)
def test_what_is_refused(text: str, unit: Unit, expected: str) -> None:
    with pytest.raises(ThresholdError, match=expected):
        Threshold.parse(text, unit)


@given(st.sampled_from(["<= 1", ">= 1", "< 1", "> 1", "== 1", "between 0 and 1"]))
def test_no_number_and_infinity_keep_nothing(text: str) -> None:
    threshold = Threshold.parse(text)
    assert not any(threshold.keeps(value) for value in (math.nan, math.inf, -math.inf))


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6))
def test_an_operator_and_its_opposite_never_agree(bound: float, value: float) -> None:
    for one, other in ((f"<= {bound!r}", f"> {bound!r}"), (f"< {bound!r}", f">= {bound!r}")):
        assert Threshold.parse(one).keeps(value) != Threshold.parse(other).keeps(value)
