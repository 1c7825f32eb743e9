"""Expected events: told of once for each time at which nothing came, and not where something came."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.deciding.cron import Cron
from shared.deciding.missing import Expectation, State, arrived, decide

HOUR = timedelta(hours=1)
DAILY = Expectation(grace=2 * HOUR, cron=Cron.parse("0 0 6 * * *"))
EVERY = Expectation(grace=2 * HOUR, every=24 * HOUR)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


DEPLOYED = utc("2026-05-01T00:00")


@pytest.mark.parametrize(
    ("events", "now", "missed"),
    [
        ([], "2026-05-01T07:59", []),
        ([], "2026-05-01T08:00", ["2026-05-01T06:00"]),
        ([], "2026-05-03T12:00", ["2026-05-01T06:00", "2026-05-02T06:00", "2026-05-03T06:00"]),
        (["2026-05-01T05:30"], "2026-05-01T12:00", []),
        (["2026-05-01T07:59"], "2026-05-01T12:00", []),
        # Too late for the first, and not taken for the second.
        (["2026-05-01T09:00"], "2026-05-02T12:00", ["2026-05-01T06:00", "2026-05-02T06:00"]),
        # So early that it is the second's.
        (["2026-05-01T20:00"], "2026-05-02T12:00", ["2026-05-01T06:00"]),
        (["2026-05-01T06:10", "2026-05-01T06:20", "2026-05-02T06:20"], "2026-05-02T12:00", []),
    ],
)
def test_by_a_clock(events: list[str], now: str, missed: list[str]) -> None:
    state = State(DEPLOYED)
    for event in events:
        state = arrived(DAILY, state, utc(event))
    verdict = decide(DAILY, state, utc(now))
    assert verdict.missed == tuple(utc(time) for time in missed)
    assert verdict.next > utc(now)
    assert decide(DAILY, verdict.state, utc(now)).missed == ()


@pytest.mark.parametrize(
    ("events", "now", "missed"),
    [
        ([], "2026-05-02T01:59", []),
        ([], "2026-05-02T02:00", ["2026-05-02T00:00"]),
        ([], "2026-05-03T12:00", ["2026-05-02T00:00", "2026-05-03T00:00"]),
        (["2026-05-01T20:00"], "2026-05-02T21:59", []),
        (["2026-05-01T20:00", "2026-05-01T10:00"], "2026-05-02T22:00", ["2026-05-02T20:00"]),
        (["2026-05-02T01:00"], "2026-05-02T12:00", []),
    ],
)
def test_by_the_time_since_the_last_one(events: list[str], now: str, missed: list[str]) -> None:
    state = State(DEPLOYED)
    for event in events:
        state = arrived(EVERY, state, utc(event))
    verdict = decide(EVERY, state, utc(now))
    assert verdict.missed == tuple(utc(time) for time in missed)
    assert decide(EVERY, verdict.state, utc(now)).missed == ()


def test_a_long_absence_is_told_in_parts() -> None:
    rule = Expectation(grace=HOUR, every=timedelta(minutes=1))
    first = decide(rule, State(DEPLOYED), DEPLOYED + timedelta(days=1))
    second = decide(rule, first.state, DEPLOYED + timedelta(days=1))
    assert len(first.missed) == 1000
    assert second.missed[0] == first.missed[-1] + timedelta(minutes=1)
    assert len(first.missed) + len(second.missed) == 23 * 60


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(0, 5 * 86_400), max_size=8), st.integers(1, 20))
def test_each_time_is_told_once_whatever_the_order_and_however_often_it_is_looked_at(
    offsets: list[int], looks: int
) -> None:
    events = [DEPLOYED + timedelta(seconds=offset) for offset in offsets]
    end = DEPLOYED + timedelta(days=5)
    state = State(DEPLOYED)
    for event in sorted(events, key=str, reverse=True):
        state = arrived(DAILY, state, event)
    at_once = decide(DAILY, state, end).missed
    state = State(DEPLOYED)
    told: list[datetime] = []
    for look in range(looks + 1):
        now = DEPLOYED + (end - DEPLOYED) * look / looks
        before = DEPLOYED + (end - DEPLOYED) * (look - 1) / looks
        for event in events:
            if before < event <= now:
                state = arrived(DAILY, state, event)
        verdict = decide(DAILY, state, now)
        state, told = verdict.state, [*told, *verdict.missed]
    assert tuple(told) == at_once
    assert len(set(told)) == len(told)
