"""The storm breaker: trips once, tells once, holds until it is calm or reset, and lets go no faster than it may."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from shared.deciding.storms import Rule, State, judge, opened, reset

NOW = datetime(2013, 2, 6, 12, 0, tzinfo=UTC)
RULE = Rule(openings=3, within=timedelta(minutes=10), calm=timedelta(minutes=15))


def storm(state: State, now: datetime, count: int) -> tuple[State, int, int]:
    """Give the state after `count` new activities at once, how many opened, and how often it told."""
    ran = told = 0
    for _ in range(count):
        verdict = judge(RULE, state, now, new=True)
        state = verdict.state
        told += verdict.tell
        if not verdict.holds:
            ran += 1
            state = opened(RULE, state, now)
    return state, ran, told


def test_a_thousand_at_once_open_as_many_as_may_and_tell_once() -> None:
    state, ran, told = storm(State(), NOW, 1000)
    assert (ran, told, state.trips) == (3, 1, 1)
    assert len(state.arrived) <= RULE.arrivals_kept


def test_it_ends_after_calm_and_lets_held_work_go_at_the_rate_without_tripping_again() -> None:
    state, _, _ = storm(State(), NOW, 1000)
    held = judge(RULE, state, NOW + timedelta(minutes=14), new=False)
    assert held.holds
    assert held.until == NOW + timedelta(minutes=15)
    now, ran, told = NOW + timedelta(minutes=15), 0, 0
    for _ in range(10):
        verdict = judge(RULE, state, now, new=False)
        state, told = verdict.state, told + verdict.tell
        if not verdict.holds:
            ran, state = ran + 1, opened(RULE, state, now)
    assert (ran, told, state.trips) == (3, 1, 1)
    assert verdict.until == now + RULE.within


def test_it_does_not_end_while_more_and_more_arrives() -> None:
    state, _, _ = storm(State(), NOW, 10)
    later = NOW + timedelta(minutes=14)
    state, ran, told = storm(state, later, 10)
    assert (ran, told) == (0, 0)
    assert judge(RULE, state, NOW + timedelta(minutes=16), new=False).until == later + RULE.calm


def test_what_opened_a_whole_stretch_ago_counts_no_more() -> None:
    state, _, _ = storm(State(), NOW, 3)
    assert not judge(RULE, state, NOW + RULE.within, new=True).holds
    assert judge(RULE, state, NOW + RULE.within - timedelta(seconds=1), new=True).tell


def test_an_operator_resets_it() -> None:
    state, _, _ = storm(State(), NOW, 10)
    verdict = judge(RULE, reset(state), NOW, new=True)
    assert not verdict.holds
    assert verdict.state.trips == 1


@given(st.lists(st.tuples(st.integers(0, 900), st.booleans()), max_size=120))
def test_never_more_than_its_openings_in_any_stretch(steps: list[tuple[int, bool]]) -> None:
    state, now, ran = State(), NOW, []
    for gap, new in steps:
        now += timedelta(seconds=gap)
        verdict = judge(RULE, state, now, new=new)
        state = verdict.state
        if not verdict.holds:
            ran.append(now)
            state = opened(RULE, state, now)
        else:
            assert verdict.until is not None
            assert verdict.until > now
    for time in ran:
        assert sum(time - RULE.within < other <= time for other in ran) <= RULE.openings
