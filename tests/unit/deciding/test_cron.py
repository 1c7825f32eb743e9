"""Cron expressions: what they mean, in which zone, and the two nights a year on which clocks are changed."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.deciding.cron import Cron, CronError
from shared.deciding.windows import WindowError, zone_of


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "after", "expected"),
    [
        ("0 0 3 * * 1", "2026-03-28T00:00", ["2026-03-30T03:00", "2026-04-06T03:00"]),
        ("0 3 * * MON", "2026-03-28T00:00", ["2026-03-30T03:00", "2026-04-06T03:00"]),
        ("*/20 * * * * *", "2026-03-28T00:00:30", ["2026-03-28T00:00:40", "2026-03-28T00:01:00"]),
        # Six fields: the first of a month AND a Monday. Five: either.
        ("0 0 3 1 * 1", "2026-03-28T00:00", ["2026-06-01T03:00", "2027-02-01T03:00"]),
        ("0 3 1 * 1", "2026-03-28T00:00", ["2026-03-30T03:00", "2026-04-01T03:00"]),
        ("0 0 0 29 2 *", "2026-03-28T00:00", ["2028-02-29T00:00", "2032-02-29T00:00"]),
    ],
)
def test_what_an_expression_means(text: str, after: str, expected: list[str]) -> None:
    cron, now = Cron.parse(text), utc(after)
    for strike in expected:
        now = cron.next(now)
        assert now == utc(strike)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0 3 * *", "has 4 fields"),
        ("0 0 0 3 * * 1", "has 7 fields"),
        ("61 0 3 * * *", "never strikes"),
        ("0 0 0 31 2 *", "never strikes"),
        ("R * * * *", "no field"),
        ("0 0 3 ? * *", "no field"),
        ("0 0 L * * *", "no field"),
        ("@daily", "has 1 fields"),
    ],
)
def test_an_expression_that_cannot_be_meant_is_refused(text: str, expected: str) -> None:
    with pytest.raises(CronError, match=expected):
        Cron.parse(text)


def test_an_unknown_zone_is_refused() -> None:
    with pytest.raises(WindowError, match="Mars"):
        Cron.parse("0 0 3 * * *", "Mars/Olympus")


@pytest.mark.parametrize(
    ("text", "after", "expected"),
    [
        # The clock leaps from 02:00 to 03:00 (01:00 UTC): a fixed time strikes at the leap, once.
        ("0 30 2 * * *", "2026-03-28T12:00", ["2026-03-29T01:00", "2026-03-30T00:30"]),
        ("0 0 2-4 * * *", "2026-03-28T12:00", ["2026-03-29T01:00", "2026-03-29T02:00"]),
        # Every half hour goes by time that passes.
        ("0 */30 * * * *", "2026-03-29T00:15", ["2026-03-29T00:30", "2026-03-29T01:00", "2026-03-29T01:30"]),
        # 02:00 to 03:00 comes twice (00:00 to 02:00 UTC): a fixed time strikes the first time only.
        ("0 30 2 * * *", "2026-10-24T12:00", ["2026-10-25T00:30", "2026-10-26T01:30"]),
        ("0 */30 * * * *", "2026-10-25T00:15", ["2026-10-25T00:30", "2026-10-25T01:00", "2026-10-25T01:30"]),
        ("0 0 */2 * * *", "2026-10-24T23:15", ["2026-10-25T00:00", "2026-10-25T01:00", "2026-10-25T03:00"]),
    ],
)
def test_the_nights_of_summer_time(text: str, after: str, expected: list[str]) -> None:
    cron, now = Cron.parse(text, "Europe/Berlin"), utc(after)
    strikes = []
    for _ in expected:
        now = cron.next(now)
        strikes.append(now)
    assert strikes == [utc(strike) for strike in expected]
    assert cron.newest(utc(after), now, 100) == tuple(strikes)


def test_the_newest_of_many_are_given_without_counting_them_all() -> None:
    strikes = Cron.parse("* * * * * *").newest(utc("2026-01-01T00:00"), utc("2026-02-01T00:00"), 3)
    assert strikes == (utc("2026-01-31T23:59:58"), utc("2026-01-31T23:59:59"), utc("2026-02-01T00:00"))


def test_the_last_strike_is_found_however_long_ago() -> None:
    assert Cron.parse("0 0 0 29 2 *").last(utc("2027-05-01T00:00")) == utc("2024-02-29T00:00")
    assert Cron.parse("0 0 3 * * *").last(utc("2027-05-01T03:00")) == utc("2027-05-01T03:00")


CRONS = st.sampled_from(
    ["0 30 2 * * *", "0 */17 * * * *", "0 0 */3 * * *", "30 15 1-3 * * *", "0 3 1 * 1", "0 0 0 * * 0", "0 5,35 2 * * *"]
)
ZONES = st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/St_Johns"])
NEAR = st.sampled_from(["2026-03-29T01:00", "2026-10-25T01:00", "2026-03-08T07:00", "2026-04-04T15:00"]).map(utc)


@settings(deadline=None)
@given(CRONS, ZONES, NEAR, st.integers(-200_000, 200_000), st.integers(0, 400_000))
def test_strikes_one_by_one_are_those_of_the_stretch(
    text: str, zone: str, near: datetime, off: int, length: int
) -> None:
    cron = Cron.parse(text, zone)
    after = near + timedelta(seconds=off)
    until = after + timedelta(seconds=length)
    one_by_one, now = [], after
    while (now := cron.next(now)) <= until:
        one_by_one.append(now)
    assert cron.newest(after, until, 10_000) == tuple(one_by_one)
    if one_by_one:
        assert cron.last(until) == one_by_one[-1]
        assert cron.newest(after, until, 2) == tuple(one_by_one[-2:])


@settings(deadline=None)
@given(ZONES, st.integers(0, 23), st.integers(0, 59), NEAR)
def test_a_fixed_time_strikes_exactly_once_a_day(zone: str, hour: int, minute: int, near: datetime) -> None:
    cron = Cron.parse(f"0 {minute} {hour} * * *", zone)
    strikes = cron.newest(near - timedelta(days=3), near + timedelta(days=3), 100)
    days = [strike.astimezone(zone_of(zone)).date() for strike in strikes]
    today = near.astimezone(zone_of(zone)).date()
    assert len(set(days)) == len(days)
    assert {today + timedelta(days=step) for step in range(-2, 3)} <= set(days)
