"""Schedules: what is due, and what becomes of what was missed."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.deciding.cron import Cron
from shared.deciding.schedules import Schedule, decide

DAILY = Cron.parse("0 0 3 * * *")


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("if_missed", "decided", "now", "fire", "missed"),
    [
        ("once", "2026-05-01T02:59", "2026-05-01T02:59:30", [], 0),
        ("once", "2026-05-01T02:59", "2026-05-01T03:00", ["2026-05-01T03:00"], 0),
        ("once", "2026-05-01T03:00", "2026-05-01T03:01", [], 0),
        ("once", "2026-05-01T12:00", "2026-05-04T10:00", ["2026-05-04T03:00"], 2),
        ("once", "2026-05-01T12:00", "2026-05-04T03:02", ["2026-05-04T03:00"], 2),
        ("skip", "2026-05-01T12:00", "2026-05-04T10:00", [], 3),
        ("skip", "2026-05-01T12:00", "2026-05-04T03:02", ["2026-05-04T03:00"], 2),
    ],
)
def test_what_is_due(if_missed: str, decided: str, now: str, fire: list[str], missed: int) -> None:
    rule = Schedule(DAILY, "once" if if_missed == "once" else "skip")
    due = decide(rule, utc(decided), utc(now))
    assert due.fire == tuple(utc(strike) for strike in fire)
    assert len(due.missed) == missed
    assert (not missed) or if_missed in due.reason or "stands for them" in due.reason
    assert due.next == DAILY.next(utc(now))


@settings(deadline=None)
@given(st.lists(st.integers(1, 200_000), max_size=30), st.sampled_from(["UTC", "Europe/Berlin"]))
def test_no_occurrence_is_given_twice_and_none_is_forgotten(gaps: list[int], zone: str) -> None:
    rule = Schedule(Cron.parse("0 0 */5 * * *", zone))
    start = decided = utc("2026-10-23T00:00")
    seen: list[datetime] = []
    for gap in gaps:
        now = decided + timedelta(seconds=gap)
        due = decide(rule, decided, now)
        seen += [*due.fire, *due.missed]
        decided = now
    assert sorted(seen) == list(rule.cron.newest(start, decided, 10_000))
