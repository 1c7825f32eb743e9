"""Traffic: shares add up, and a change is told from a person's."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.deciding.traffic import MOST_TRIES, Change, Traffic, look, mirrored, split

NOW = datetime(2013, 5, 1, tzinfo=UTC)
BLUE, CANARY = Traffic.of({"blue": 100}), Traffic.of({"blue": 90, "green": 10})


@pytest.mark.parametrize(
    ("before", "share", "live"),
    [
        ({"blue": 100}, 10, {"blue": 90, "green": 10}),
        ({"blue": 100}, 0, {"blue": 100}),
        ({"blue": 100}, 100, {"green": 100}),
        ({}, 100, {"green": 100}),
        ({"blue": 50, "red": 50}, 15, {"blue": 43, "green": 15, "red": 42}),
        ({"blue": 60, "green": 40}, 10, {"blue": 90, "green": 10}),
    ],
)
def test_the_challenger_takes_its_share_and_the_others_keep_their_proportions(
    before: dict[str, int], share: int, live: dict[str, int]
) -> None:
    assert split(Traffic.of(before), "green", share) == Traffic(live)


def test_a_share_that_nobody_can_complete_is_refused() -> None:
    with pytest.raises(ValueError, match="nothing else is live"):
        split(Traffic(), "green", 10)
    with pytest.raises(ValueError, match="cannot be"):
        split(BLUE, "green", 101)


def test_a_mirror_leaves_live_traffic_alone() -> None:
    assert mirrored(BLUE, "green", 20) == Traffic({"blue": 100}, {"green": 20})
    assert str(mirrored(BLUE, "green", 20)) == "blue 100%, green mirrors 20%"
    assert str(Traffic()) == "no traffic"


@given(
    st.lists(st.integers(1, 100), min_size=1, max_size=5),
    st.integers(0, 100),
)
def test_the_sum_is_always_100(parts: list[int], share: int) -> None:
    total = sum(parts)
    before = {f"d{index}": round(part * 100 / total) for index, part in enumerate(parts)}
    after = split(Traffic.of(before), "new", share)
    assert after.total == 100
    assert after.live.get("new", 0) == share
    for name, part in before.items():
        exact = part * (100 - share) / sum(before.values())
        assert abs(after.live.get(name, 0) - exact) < 1


@pytest.mark.parametrize(
    ("observed", "seconds", "tries", "expected"),
    [
        (CANARY, 0, 1, "done"),
        (CANARY, 900, MOST_TRIES, "done"),
        (BLUE, 59, 1, "wait"),
        (BLUE, 60, 1, "again"),
        (BLUE, 60, MOST_TRIES, "gave-up"),
        (Traffic.of({"blue": 80, "green": 20}), 0, 1, "foreign"),
        (Traffic.of({"blue": 90, "green": 10}, {"red": 5}), 0, 1, "foreign"),
        (Traffic(), 900, 1, "foreign"),
    ],
)
def test_what_became_of_a_change(observed: Traffic, seconds: int, tries: int, expected: str) -> None:
    assert look(Change(CANARY, BLUE, NOW, tries), observed, NOW + timedelta(seconds=seconds)) == expected
