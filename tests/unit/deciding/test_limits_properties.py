"""Limits for any facts: nothing opens that a limit forbids, and the time that a hold names is the right one."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from shared.deciding.costs import Cost, Spend
from shared.deciding.limits import (
    Budget,
    Concurrency,
    Cooldown,
    Facts,
    Hold,
    Limits,
    Merge,
    Open,
    Rate,
    Skip,
    decide,
)

NOW = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)
names = st.lists(st.integers(0, 99).map(lambda number: f"a{number:02}"), max_size=4, unique=True).map(tuple)
lengths = st.integers(1, 7200).map(lambda seconds: timedelta(seconds=seconds))
past = st.integers(0, 7200).map(lambda seconds: NOW - timedelta(seconds=seconds))


@st.composite
def limits_of(draw: st.DrawFn) -> Limits:
    busy = st.sampled_from(["hold", "merge", "skip"])
    return Limits(
        concurrency=draw(st.none() | st.builds(Concurrency, st.just("g"), st.integers(1, 4), busy)),
        cooldown=draw(
            st.none()
            | st.builds(
                Cooldown, st.integers(1, 7200).map(lambda s: timedelta(seconds=s)), st.sampled_from(["start", "end"])
            )
        ),
        rate=draw(st.none() | st.builds(Rate, st.integers(1, 4), st.just(timedelta(hours=1)))),
        budget=draw(st.none() | st.just(Budget(Decimal(10), "USD", "day"))),
    )


@st.composite
def facts_of(draw: st.DrawFn) -> Facts:
    spend = st.builds(lambda at, amount: Spend("a", at, Cost(Decimal(amount), "USD")), past, st.integers(0, 6))
    return Facts(
        paused=draw(st.sampled_from(["", "", "ann"])),
        running=draw(names),
        ahead=draw(names),
        held=draw(names),
        active=draw(names),
        last_start=draw(st.none() | past),
        last_end=draw(st.none() | past),
        openings=tuple(draw(st.lists(past, max_size=6))),
        spends=tuple(draw(st.lists(spend, max_size=4))),
        estimate=draw(st.none() | st.integers(0, 12).map(lambda amount: Cost(Decimal(amount), "USD"))),
    )


@given(limits_of(), facts_of())
def test_nothing_opens_that_a_limit_forbids(limits: Limits, facts: Facts) -> None:
    if not isinstance(decide(limits, facts, NOW), Open):
        return
    assert not facts.paused
    if limits.concurrency:
        assert len(facts.running) < limits.concurrency.most
    if limits.rate:
        assert sum(time > NOW - limits.rate.per for time in facts.openings) < limits.rate.count
    if limits.cooldown and limits.cooldown.since == "start" and facts.last_start:
        assert NOW - facts.last_start >= limits.cooldown.length
    if limits.budget:
        assert facts.estimate is not None
        today = sum(spend.estimated.amount for spend in facts.spends if spend.at.date() == NOW.date())
        assert today + facts.estimate.amount <= limits.budget.amount


@given(limits_of(), facts_of())
def test_only_a_rule_that_says_so_skips_or_merges(limits: Limits, facts: Facts) -> None:
    decision = decide(limits, facts, NOW)
    rule = limits.concurrency.when_busy if limits.concurrency else "hold"
    if isinstance(decision, Skip):
        assert rule == "skip"
    if isinstance(decision, Merge):
        assert rule == "merge"
        assert decision.into == facts.held[0]
    if facts.paused:
        assert isinstance(decision, Hold)


@given(limits_of(), facts_of())
def test_every_guard_says_what_it_saw_and_no_hold_is_without_one(limits: Limits, facts: Facts) -> None:
    decision = decide(limits, facts, NOW)
    guards = [reason.guard for reason in decision.reasons]
    assert len(guards) == len(set(guards))
    assert all(reason.text for reason in decision.reasons)
    assert isinstance(decision, Open) or any(reason.holds for reason in decision.reasons)
    for name in ("concurrency", "cooldown", "rate", "budget"):
        assert (getattr(limits, name) is not None) == (name in guards)


@settings(max_examples=200)
@given(limits_of(), facts_of())
def test_what_only_time_holds_opens_at_the_time_that_is_named(limits: Limits, facts: Facts) -> None:
    decision = decide(limits, facts, NOW)
    if isinstance(decision, Hold) and decision.until is not None:
        assert decision.until > NOW
        assert isinstance(decide(limits, facts, decision.until), Open)
