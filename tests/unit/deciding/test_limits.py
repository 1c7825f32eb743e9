"""Limits: each guard as a table, their precedence, and what holds for all facts."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.deciding import storms
from shared.deciding.costs import Cost, Spend, cost_of, expected_length, period_of
from shared.deciding.limits import (
    Budget,
    Concurrency,
    Cooldown,
    Decision,
    Facts,
    Hold,
    Limits,
    Merge,
    Open,
    Rate,
    Reason,
    Skip,
    decide,
)
from shared.deciding.windows import Window

NOW = datetime(2013, 2, 6, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


def euros(amount: int) -> Cost:
    return Cost(Decimal(amount), "EUR")


def spend(amount: int, at: datetime = NOW - HOUR, actual: int | None = None) -> Spend:
    return Spend("a", at, euros(amount), None if actual is None else euros(actual))


def said(decision: Decision, guard: str) -> Reason:
    return next(reason for reason in decision.reasons if reason.guard == guard)


def test_without_limits_it_opens() -> None:
    assert decide(Limits(), Facts(), NOW) == Open(())


@pytest.mark.parametrize(
    ("limits", "facts", "holds", "until"),
    [
        (Limits(concurrency=Concurrency("g")), Facts(), False, None),
        (Limits(concurrency=Concurrency("g")), Facts(running=("a",)), True, None),
        (Limits(concurrency=Concurrency("g", 2)), Facts(running=("a",)), False, None),
        (Limits(concurrency=Concurrency("g", 2)), Facts(running=("a",), ahead=("b",)), True, None),
        (Limits(cooldown=Cooldown(6 * HOUR)), Facts(), False, None),
        (Limits(cooldown=Cooldown(6 * HOUR)), Facts(active=("a",), last_end=NOW - 9 * HOUR), True, None),
        (Limits(cooldown=Cooldown(6 * HOUR)), Facts(last_end=NOW - 2 * HOUR), True, NOW + 4 * HOUR),
        (Limits(cooldown=Cooldown(6 * HOUR)), Facts(last_end=NOW - 6 * HOUR), False, None),
        (Limits(cooldown=Cooldown(6 * HOUR, "start")), Facts(active=("a",), last_start=NOW - 7 * HOUR), False, None),
        (Limits(cooldown=Cooldown(6 * HOUR, "start")), Facts(last_start=NOW - HOUR), True, NOW + 5 * HOUR),
        (Limits(rate=Rate(2, 24 * HOUR)), Facts(openings=(NOW - HOUR,)), False, None),
        (Limits(rate=Rate(2, 24 * HOUR)), Facts(openings=(NOW - HOUR, NOW - 20 * HOUR)), True, NOW + 4 * HOUR),
        (Limits(rate=Rate(2, 24 * HOUR)), Facts(openings=(NOW - HOUR, NOW - 24 * HOUR)), False, None),
        (Limits(windows=(Window.parse("deny", "Wed 11:00-13:00"),)), Facts(), True, NOW + HOUR),
        (Limits(windows=(Window.parse("allow", "Wed 11:00-13:00"),)), Facts(), False, None),
        (Limits(windows=(Window.parse("deny", "00:00-24:00"),)), Facts(), True, None),
        (Limits(), Facts(paused="ann (delay-train)"), True, None),
    ],
)
def test_one_limit_at_a_time(limits: Limits, facts: Facts, holds: bool, until: datetime | None) -> None:
    decision = decide(limits, facts, NOW)
    assert isinstance(decision, Hold if holds else Open)
    if isinstance(decision, Hold):
        assert decision.until == until
        assert any(reason.holds and reason.text for reason in decision.reasons)


MIDNIGHT = datetime(2013, 2, 7, tzinfo=UTC)
BUDGET = Limits(budget=Budget(Decimal(20), "EUR", "day"))


@pytest.mark.parametrize(
    ("facts", "holds", "until", "text"),
    [
        (Facts(estimate=euros(20)), False, None, "0.00 EUR of 20.00 EUR"),
        (Facts(estimate=euros(21)), True, None, "more than the whole budget"),
        (Facts(estimate=euros(6), spends=(spend(15),)), True, MIDNIGHT, "15.00 EUR of 20.00 EUR this day"),
        (Facts(estimate=euros(6), spends=(spend(15, actual=14),)), False, None, "14.00 EUR"),
        (Facts(estimate=euros(6), spends=(spend(15, NOW - 13 * HOUR),)), False, None, "0.00 EUR"),
        (Facts(estimate=euros(6), spends=(spend(15, NOW - 12 * HOUR),)), True, MIDNIGHT, "15.00 EUR"),
        (Facts(estimate=euros(6), spends=(spend(15, NOW + 12 * HOUR),)), False, None, "0.00 EUR"),
        (Facts(estimate=None, no_estimate="gpu has no price"), True, None, "gpu has no price"),
        (Facts(estimate=Cost(Decimal(1), "USD")), True, None, "one currency"),
    ],
)
def test_a_budget_counts_what_was_spent_and_what_is_expected(
    facts: Facts, holds: bool, until: datetime | None, text: str
) -> None:
    decision = decide(BUDGET, facts, NOW)
    assert isinstance(decision, Hold if holds else Open)
    assert text in said(decision, "budget").text
    assert said(decision, "budget").until == until


def test_all_limits_speak_and_the_latest_time_counts() -> None:
    limits = Limits(
        cooldown=Cooldown(6 * HOUR), rate=Rate(1, 24 * HOUR), windows=(Window.parse("deny", "Wed 11:00-13:00"),)
    )
    decision = decide(limits, Facts(last_end=NOW - HOUR, openings=(NOW - 2 * HOUR,)), NOW)
    assert isinstance(decision, Hold)
    assert decision.until == NOW + 22 * HOUR
    assert [reason.guard for reason in decision.reasons if reason.holds] == ["windows", "cooldown", "rate"]
    assert said(decision, "rate").as_dict() == {
        "guard": "rate",
        "holds": True,
        "text": "1 of at most 1 openings within 1d",
        "values": {"opened": 1, "rate": "1 per 1d"},
        "until": "2013-02-07T10:00:00Z",
    }


def busy(when_busy: str) -> Limits:
    kind = {"hold": "hold", "merge": "merge", "skip": "skip"}[when_busy]
    return Limits(concurrency=Concurrency("g", 1, kind), cooldown=Cooldown(HOUR))  # type: ignore[arg-type] # of a table


TRIPPED = storms.Verdict(storms.State(), True, False, "tripped", None, {})


@pytest.mark.parametrize(
    ("when_busy", "facts", "expected"),
    [
        ("skip", Facts(running=("a",)), Skip),
        ("skip", Facts(last_end=NOW), Hold),  # it cools down: that is no reason to skip
        ("skip", Facts(running=("a",), paused="ann"), Hold),
        ("skip", Facts(running=("a",), storm=TRIPPED), Hold),
        ("merge", Facts(running=("a",)), Hold),  # nothing is held yet to merge into
        ("merge", Facts(running=("a",), held=("b", "c")), Merge),
        ("merge", Facts(last_end=NOW, held=("b",)), Merge),
        ("merge", Facts(held=("b",)), Open),
        ("merge", Facts(running=("a",), held=("b",), paused="ann"), Hold),
        ("hold", Facts(running=("a",), held=("b",)), Hold),
    ],
)
def test_precedence(when_busy: str, facts: Facts, expected: type[Decision]) -> None:
    decision = decide(busy(when_busy), facts, NOW)
    assert isinstance(decision, expected)
    if isinstance(decision, Merge):
        assert decision.into == "b"


TIMES = st.integers(0, 40 * 3600).map(lambda seconds: NOW - timedelta(seconds=seconds))
FACTS = st.builds(
    Facts,
    running=st.lists(st.sampled_from("abc"), max_size=2).map(tuple),
    held=st.lists(st.sampled_from("xyz"), max_size=2).map(tuple),
    last_start=st.none() | TIMES,
    last_end=st.none() | TIMES,
    openings=st.lists(TIMES, max_size=6).map(tuple),
    spends=st.lists(st.builds(Spend, st.just("a"), TIMES, st.integers(0, 9).map(euros)), max_size=5).map(tuple),
    estimate=st.none() | st.integers(0, 25).map(euros),
)
LIMITS = st.builds(
    Limits,
    concurrency=st.none() | st.builds(Concurrency, st.just("g"), st.integers(1, 3), st.sampled_from(["hold", "skip"])),
    cooldown=st.none() | st.builds(Cooldown, st.integers(1, 12).map(lambda hours: hours * HOUR)),
    rate=st.none() | st.builds(Rate, st.integers(1, 4), st.integers(1, 30).map(lambda hours: hours * HOUR)),
    budget=st.none() | st.builds(Budget, st.integers(1, 30).map(Decimal), st.just("EUR"), st.just("day")),
    windows=st.sampled_from([(), (Window.parse("deny", "Wed 09:00-15:00"),)]),
)


@given(LIMITS, FACTS)
def test_what_is_held_until_a_time_opens_then_and_not_before(limits: Limits, facts: Facts) -> None:
    decision = decide(limits, facts, NOW)
    if not isinstance(decision, Hold) or decision.until is None:
        return
    assert decision.until > NOW
    just_before = decide(limits, facts, decision.until - timedelta(seconds=1))
    assert isinstance(just_before, Hold)
    later = decide(limits, facts, decision.until)
    if not isinstance(later, Open):  # another guard closed meanwhile; the one that named the time has opened
        named = {reason.guard for reason in decision.reasons if reason.until == decision.until and reason.holds}
        assert named - {reason.guard for reason in later.reasons if reason.holds}


@given(LIMITS, FACTS)
def test_it_opens_only_where_no_guard_holds_and_each_limit_has_spoken(limits: Limits, facts: Facts) -> None:
    decision = decide(limits, facts, NOW)
    assert isinstance(decision, Open) == (not any(reason.holds for reason in decision.reasons))
    given_ones = (limits.concurrency, limits.cooldown, limits.rate, limits.budget, limits.windows or None)
    assert len(decision.reasons) == sum(limit is not None for limit in given_ones)


@given(st.integers(1, 5), st.lists(st.integers(0, 3600), max_size=60))
def test_a_rate_is_never_exceeded_in_any_stretch(count: int, gaps: list[int]) -> None:
    rule, now = Rate(count, HOUR), NOW
    openings: list[datetime] = []
    for gap in gaps:
        now += timedelta(seconds=gap)
        if isinstance(decide(Limits(rate=rule), Facts(openings=tuple(openings)), now), Open):
            openings.append(now)
    for time in openings:
        assert sum(time - HOUR < other <= time for other in openings) <= count


@pytest.mark.parametrize(
    ("per", "zone", "begin", "end"),
    [
        ("day", "UTC", "2013-02-06T00:00", "2013-02-07T00:00"),
        ("week", "UTC", "2013-02-04T00:00", "2013-02-11T00:00"),
        ("month", "America/New_York", "2013-02-01T05:00", "2013-03-01T05:00"),
    ],
)
def test_periods_of_a_budget(per: str, zone: str, begin: str, end: str) -> None:
    kind = {"day": "day", "week": "week", "month": "month"}[per]
    assert period_of(NOW, kind, zone) == (  # type: ignore[arg-type] # of a table
        datetime.fromisoformat(begin).replace(tzinfo=UTC),
        datetime.fromisoformat(end).replace(tzinfo=UTC),
    )


def test_a_day_of_summer_time_has_23_hours() -> None:
    begin, end = period_of(datetime(2013, 3, 31, 12, tzinfo=UTC), "day", "Europe/Berlin")
    assert end - begin == 23 * HOUR


def test_costs_are_nodes_by_hours_by_price_and_the_next_is_expected_to_take_the_median() -> None:
    assert cost_of(Decimal("0.9"), "EUR", 2, timedelta(minutes=30)) == Cost(Decimal("0.9"), "EUR")
    assert expected_length([HOUR, 9 * HOUR, 2 * HOUR], HOUR) == 2 * HOUR
    assert expected_length([], 3 * HOUR) == 3 * HOUR
    assert replace(spend(5), actual=euros(3)).counted == euros(3)


@pytest.mark.parametrize(("when_busy", "held"), [("merge", 1), ("skip", 0), ("hold", 999)])
def test_a_thousand_at_once_open_one_and_none_is_forgotten(when_busy: str, held: int) -> None:
    limits, merged, skipped = busy(when_busy), 0, 0
    running: list[str] = []
    waiting: list[str] = []
    for index in range(1000):
        facts = Facts(running=tuple(running), ahead=tuple(waiting), held=tuple(waiting))
        decision = decide(limits, facts, NOW)
        if isinstance(decision, Open):
            running.append(f"a{index}")
        elif isinstance(decision, Hold):
            waiting.append(f"a{index}")
        elif isinstance(decision, Merge):
            assert decision.into == waiting[0]
            merged += 1
        else:
            skipped += 1
    assert (len(running), len(waiting)) == (1, held)
    assert len(running) + len(waiting) + merged + skipped == 1000
