"""All-of: it fires with every event of each kind, whatever order they come in, and uses each event once."""

from datetime import UTC, datetime, timedelta
from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st

from shared.deciding.gathering import LATE, Fire, Rule, Seen, Wait, arrive, expire

START = datetime(2026, 5, 1, tzinfo=UTC)
RULE = Rule(kinds=2, within=timedelta(minutes=60))


def tell(events: list[tuple[str, int, set[int]]], rule: Rule = RULE) -> tuple[list[list[str]], tuple[Seen, ...]]:
    """Give the claims of each firing, and what still waits, after events of (claim, minute, kinds)."""
    state: tuple[Seen, ...] = ()
    fired = []
    for claim, minute, kinds in events:
        time = START + timedelta(minutes=minute)
        result = arrive(rule, state, claim, time, kinds, START + timedelta(minutes=200))
        state = result.state
        if isinstance(result, Fire):
            fired.append([seen.claim for seen in result.events])
    return fired, state


def test_every_event_of_each_kind_is_kept() -> None:
    fired, state = tell([("a1", 140, {0}), ("a2", 150, {0}), ("a3", 160, {0}), ("b1", 170, {1})])
    assert fired == [["a1", "a2", "a3", "b1"]]
    assert state == ()


def test_as_far_apart_as_may_be_is_near_enough() -> None:
    assert tell([("a", 100, {0}), ("b", 160, {1})])[0] == [["a", "b"]]
    assert tell([("a", 100, {0}), ("b", 161, {1})])[0] == []


def test_the_same_event_twice_is_one() -> None:
    fired, state = tell([("a1", 140, {0}), ("a1", 140, {0})])
    assert (fired, len(state)) == ([], 1)


def test_kinds_too_far_apart_wait_on_and_say_so() -> None:
    result = arrive(RULE, (), "a", START, {0}, START)
    later = START + timedelta(minutes=61)
    waiting = arrive(RULE, result.state, "b", later, {1}, later)
    assert isinstance(waiting, Wait)
    assert waiting.missing == ()
    assert "too far apart" in waiting.reason


def test_an_event_told_late_still_meets_those_before_it() -> None:
    fired, state = tell([("a", 100, {0}), ("b", 190, {1}), ("late", 140, {1})])
    assert fired == [["a", "late"]]
    assert [seen.claim for seen in state] == ["b"]


def test_what_nothing_can_meet_any_more_is_let_go_and_named() -> None:
    state = arrive(RULE, (), "a", START, {0}, START).state
    assert expire(RULE, state, START + RULE.within + LATE).expired == ()
    gone = expire(RULE, state, START + RULE.within + LATE + timedelta(seconds=1))
    assert [seen.claim for seen in gone.expired] == ["a"]
    assert gone.missing == (0, 1)


def test_one_event_of_both_kinds_is_enough() -> None:
    assert tell([("ab", 150, {0, 1})])[0] == [["ab"]]


def test_three_events_fire_the_same_in_every_order() -> None:
    events = [("a", 140, {0}), ("b", 150, {1}), ("c", 160, {2})]
    for order in permutations(events):
        assert tell(list(order), Rule(3, timedelta(minutes=60)))[0] == [["a", "b", "c"]]


@given(st.lists(st.tuples(st.integers(125, 199), st.integers(0, 2)), max_size=40))
def test_each_event_is_used_once_or_waits_and_each_firing_is_whole_and_within(pairs: list[tuple[int, int]]) -> None:
    rule = Rule(3, timedelta(minutes=20))
    events = [(f"{index}", minute, {kind}) for index, (minute, kind) in enumerate(pairs)]
    fired, state = tell(events, rule)
    used = [claim for claims in fired for claim in claims]
    assert sorted([*used, *(seen.claim for seen in state)]) == sorted(claim for claim, _, _ in events)
    for claims in fired:
        minutes = [pairs[int(claim)][0] for claim in claims]
        assert max(minutes) - min(minutes) <= 20
        assert {pairs[int(claim)][1] for claim in claims} == {0, 1, 2}
