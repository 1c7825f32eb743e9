"""When a collection closes: tables of cases, and that it always closes in the end, never before it may."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.deciding.collecting import IN_WORK, SETTLE, Close, Facts, Rule, Wait, decide

START = datetime(2026, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
QUIET = Rule(quiet=2 * MINUTE, max_wait=60 * MINUTE)
MARKED = Rule(quiet=2 * MINUTE, max_wait=60 * MINUTE, marker=True)


def at(minutes: float) -> datetime:
    return START + minutes * MINUTE


def facts(arrived: float = 0, **more: Any) -> Facts:
    return Facts(**{"files": 3, "size": 300, "opened": START, "arrived": at(arrived), **more})


@pytest.mark.parametrize(
    ("rule", "known", "now", "expected"),
    [
        (QUIET, facts(), 1, Wait(at(2), "quiet period until 2026-01-01T00:02:00+00:00")),
        (QUIET, facts(), 2, Close("quiet for 2m")),
        (QUIET, facts(1.5), 2, Wait(at(3.5), "quiet period until 2026-01-01T00:03:30+00:00")),
        (QUIET, facts(59.5), 59.75, Wait(at(60), "quiet period until 2026-01-01T00:01:01:30+00:00")),
        (QUIET, facts(59.5), 60, Close("longest wait of 1h is over")),
        (QUIET, facts(asked="ops closed it"), 0.1, Close("ops closed it")),
        (Rule(2 * MINUTE, 60 * MINUTE, max_files=3), facts(), 0.1, Close("3 files reached max-files 3")),
        (Rule(2 * MINUTE, 60 * MINUTE, max_files=4), facts(), 0.1, Wait(at(2), "quiet period until ")),
        (Rule(2 * MINUTE, 60 * MINUTE, max_bytes=300), facts(), 0.1, Close("300 bytes reached max-bytes 300")),
        (MARKED, facts(), 10, Wait(at(60), "its marker has not come")),
        (MARKED, facts(marker=at(10)), 10, Wait(at(10) + SETTLE, "marker until ")),
        (MARKED, facts(marker=at(10)), 10.1, Close("marker came")),
        (MARKED, facts(marker=at(70)), 71, Close("longest wait of 1h is over")),
        (MARKED, facts(), 60, Wait(at(120), "held: its marker did not come within 1h; close it by hand")),
        (
            Rule(MINUTE, 60 * MINUTE, marker=True, if_incomplete="run"),
            facts(),
            60,
            Close("its marker did not come within 1h"),
        ),
        (
            Rule(MINUTE, 60 * MINUTE, marker=True, if_incomplete="fail"),
            facts(),
            60,
            Close("its marker did not come within 1h", incomplete=True),
        ),
        (MARKED, facts(asked="ops closed it"), 1, Close("ops closed it")),
    ],
)
def test_a_case(rule: Rule, known: Facts, now: float, expected: Close | Wait) -> None:
    given = decide(rule, known, at(now))
    assert type(given) is type(expected)
    if isinstance(expected, Wait) and isinstance(given, Wait):
        assert given.until == expected.until
        assert given.reason.startswith(expected.reason.partition(" until ")[0])
    else:
        assert given == expected


@pytest.mark.parametrize("rule", [QUIET, MARKED])
def test_it_stays_open_while_older_intake_messages_wait_but_not_for_ever(rule: Rule) -> None:
    known = facts(marker=START if rule.marker else None, oldest_waiting=at(-1))
    looked = decide(rule, known, at(3))
    assert isinstance(looked, Wait)
    assert looked.until == at(3) + timedelta(seconds=2)
    assert isinstance(decide(rule, known, at(60)), Close)


def test_messages_that_came_after_the_quiet_period_are_of_the_next_burst() -> None:
    assert decide(QUIET, facts(oldest_waiting=at(1.5)), at(3)) == Close("quiet for 2m")


def test_messages_in_work_hold_it_open_for_a_while_only() -> None:
    known = facts(in_work=4)
    assert isinstance(decide(QUIET, known, at(2)), Wait)
    assert decide(QUIET, known, at(2) + IN_WORK) == Close("quiet for 2m")


SECONDS = st.integers(0, 4000).map(lambda seconds: timedelta(seconds=seconds))
RULES = st.builds(
    Rule,
    quiet=st.integers(1, 600).map(lambda seconds: timedelta(seconds=seconds)),
    max_wait=st.integers(600, 3600).map(lambda seconds: timedelta(seconds=seconds)),
    max_files=st.none() | st.integers(1, 10),
    max_bytes=st.none() | st.integers(1, 1000),
    marker=st.booleans(),
    if_incomplete=st.sampled_from(["hold", "run", "fail"]),
)


@st.composite
def known_facts(draw: st.DrawFn) -> Facts:
    arrived = START + draw(SECONDS)
    return Facts(
        files=draw(st.integers(1, 12)),
        size=draw(st.integers(0, 1200)),
        opened=START,
        arrived=arrived,
        marker=draw(st.none() | SECONDS.map(lambda later: START + later)),
        oldest_waiting=draw(st.none() | SECONDS.map(lambda later: START + later)),
        in_work=draw(st.integers(0, 3)),
    )


@settings(max_examples=500)
@given(RULES, known_facts(), SECONDS)
def test_a_wait_is_for_later_and_a_close_is_allowed(rule: Rule, known: Facts, after: timedelta) -> None:
    now = max(START + after, known.arrived, known.marker or START)
    verdict = decide(rule, known, now)
    full = (rule.max_files is not None and known.files >= rule.max_files) or (
        rule.max_bytes is not None and known.size >= rule.max_bytes
    )
    overdue = now >= START + rule.max_wait
    if isinstance(verdict, Wait):
        assert verdict.until > now
        assert not full
        assert not overdue or (rule.marker and known.marker is None and rule.if_incomplete == "hold")
        assert verdict.until <= START + rule.max_wait or overdue
    elif not full and not overdue:
        assert not verdict.incomplete
        whole = known.marker + SETTLE if rule.marker and known.marker else known.arrived + rule.quiet
        assert now >= whole
        assert not rule.marker or known.marker is not None


@settings(max_examples=300)
@given(RULES, known_facts())
def test_looking_again_when_told_to_it_closes_within_the_longest_wait(rule: Rule, known: Facts) -> None:
    now = max(known.arrived, known.marker or START)
    for _ in range(10_000):
        verdict = decide(rule, known, now)
        if isinstance(verdict, Close):
            return
        if verdict.reason.startswith("held"):
            assert rule.if_incomplete == "hold"
            assert isinstance(decide(rule, Facts(**{**fields(known), "marker": now}), now + SETTLE), Close)
            return
        assert verdict.until <= max(now, START + rule.max_wait)
        now = verdict.until
    pytest.fail("it never closes")


def fields(known: Facts) -> dict[str, Any]:
    return {name: getattr(known, name) for name in Facts.__dataclass_fields__}
