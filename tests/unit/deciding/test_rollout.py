"""A rollout: every act as a table, and whole releases against a model of an endpoint."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.deciding.analysis import Analysis, Measured
from shared.deciding.rollout import (
    Act,
    Confirm,
    Facts,
    Finish,
    Hold,
    Plan,
    RollBack,
    SetTraffic,
    Step,
    Stop,
    Wait,
    decide,
    plan,
    problems,
)
from shared.deciding.thresholds import Threshold
from shared.deciding.traffic import AGAIN, MOST_TRIES, Change, Traffic

START = datetime(2013, 5, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
BLUE = Traffic.of({"blue": 100})
CANARY = Traffic.of({"blue": 90, "green": 10})
RULE = Analysis(Threshold.parse("< 1%", "share"), min_requests=50, settle=3 * MINUTE)
STEPS = (Step("shadow", 20, 10 * MINUTE), Step("canary", 10, 15 * MINUTE), Step("canary", 50, 15 * MINUTE))
PLAN = plan("green", BLUE, STEPS, RULE)
CHANGE = Change(CANARY, BLUE, START)
SETTLED = Facts(1, CANARY, CHANGE, START)


def measured(minutes: float, *, requests: int = 100, errors: float = 0.0, start: datetime = START) -> Measured:
    end = start + minutes * MINUTE
    return Measured(start, end, end + RULE.settle, requests, errors)


def at(minutes: float, facts: Facts, of: Plan = PLAN) -> Act:
    return decide(of, facts, START + minutes * MINUTE)


def test_the_plan_ends_with_all_traffic() -> None:
    assert [str(step) for step in PLAN.steps] == ["shadow 20%", "canary 10%", "canary 50%", "full"]
    assert [str(PLAN.traffic(step)) for step in range(4)] == [
        "blue 100%, green mirrors 20%",
        "blue 90%, green 10%",
        "blue 50%, green 50%",
        "green 100%",
    ]


def test_a_first_release_takes_all_traffic_at_once_and_says_so() -> None:
    first = plan("green", Traffic(), STEPS, RULE)
    assert [str(step) for step in first.steps] == ["full"]
    act = at(0, Facts(-1, Traffic()), first)
    assert isinstance(act, SetTraffic)
    assert (act.traffic, act.reason) == (
        Traffic.of({"green": 100}),
        "nothing is live yet: it takes all traffic at once",
    )


@pytest.mark.parametrize(
    ("before", "steps", "can_mirror", "expected"),
    [
        (BLUE, STEPS, True, None),
        (BLUE, STEPS, False, "cannot mirror"),
        (BLUE, (Step("shadow", 51),), True, "from 1% to 50%"),
        (BLUE, (Step("canary", 100),), True, "from 1% to 99%"),
        (Traffic.of({"blue": 90}), (), True, "90% in all"),
        (CANARY, (), True, "green has traffic already"),
        (Traffic.of({"blue": 100}, {"red": 5}), (), True, "mirrors traffic already"),
    ],
)
def test_what_makes_a_plan_impossible(
    before: Traffic, steps: tuple[Step, ...], can_mirror: bool, expected: str | None
) -> None:
    found = problems(plan("green", before, steps, RULE), can_mirror=can_mirror)
    assert bool(found) == bool(expected)
    assert expected is None or expected in found[0]


UNSETTLED = replace(SETTLED, settled=None)


@pytest.mark.parametrize(
    ("minutes", "facts", "expected", "reason"),
    [
        (0, Facts(-1, BLUE), SetTraffic, "begin with shadow 20%"),
        (0, Facts(-1, CANARY), Stop, "somebody changed"),
        (0, UNSETTLED, Confirm, "canary 10% is read back"),
        (0, replace(UNSETTLED, observed=BLUE), Wait, "is read back"),
        (0, replace(UNSETTLED, updating=True), Wait, "updating"),
        (1, replace(UNSETTLED, observed=BLUE), SetTraffic, "asked for again"),
        (1, replace(UNSETTLED, observed=BLUE, change=replace(CHANGE, tries=MOST_TRIES)), RollBack, "10 times"),
        (0, replace(UNSETTLED, observed=Traffic.of({"red": 100})), Stop, "red 100%"),
        (0, replace(SETTLED, observed=BLUE), Stop, "blue 100%"),
        (5, SETTLED, Wait, "canary 10% for 15m"),
        (5, replace(SETTLED, measured=measured(2, errors=0.5)), RollBack, "error rate is 50%"),
        (5, replace(SETTLED, measured=measured(2, errors=0.5, requests=9)), Wait, "canary 10%"),
        (5, replace(SETTLED, measured=measured(15, errors=0.5, start=START - MINUTE)), Wait, "canary 10%"),
        (17, replace(SETTLED, measured=measured(14)), Wait, "canary 10%"),
        (18, replace(SETTLED, measured=measured(14)), SetTraffic, "100 requests, error rate 0%"),
        (18, replace(SETTLED, measured=measured(15)), SetTraffic, "100 requests"),
        (18, replace(SETTLED, measured=measured(9)), Wait, "have not come"),
        (18, SETTLED, Wait, "have not come"),
        (33, SETTLED, Hold, "no metrics came"),
        (18, replace(SETTLED, measured=measured(15, requests=49)), Hold, "49 requests"),
        (40, replace(SETTLED, measured=measured(35), held=True), SetTraffic, "100 requests"),
        (40, replace(SETTLED, measured=measured(35, errors=1), held=True), RollBack, "100%"),
        (40, replace(SETTLED, held=True, superseded_by="delay-9"), RollBack, "superseded by delay-9"),
        (5, replace(SETTLED, superseded_by="delay-9"), Wait, "canary"),
        (5, replace(SETTLED, failed="ContainerCrashed"), RollBack, "ContainerCrashed"),
        (5, replace(SETTLED, asked="rollback", who="ann"), RollBack, "ann asked"),
        (5, replace(SETTLED, asked="continue", who="ann"), SetTraffic, "ann said"),
        (5, replace(SETTLED, asked="continue", measured=measured(2, errors=1)), RollBack, "error rate"),
    ],
)
def test_the_next_act(minutes: float, facts: Facts, expected: type[Act], reason: str) -> None:
    act = at(minutes, facts)
    assert isinstance(act, expected)
    assert reason in act.reason
    if isinstance(act, Wait | Hold):
        assert act.until > START + minutes * MINUTE
    if isinstance(act, RollBack):
        assert act.traffic == BLUE


def test_the_last_step_finishes_when_all_traffic_was_read_back() -> None:
    full = Traffic.of({"green": 100})
    assert isinstance(at(0, Facts(3, full, Change(full, CANARY, START), START)), Finish)


def test_inconclusive_and_failure_follow_the_rule() -> None:
    strict = plan("green", BLUE, STEPS, RULE, inconclusive="rollback")
    assert isinstance(at(18, replace(SETTLED, measured=measured(15, requests=1)), strict), RollBack)
    careful = plan("green", BLUE, STEPS, RULE, on_failure="hold")
    bad = replace(SETTLED, measured=measured(2, errors=1))
    assert isinstance(at(5, bad, careful), Hold)
    assert isinstance(at(5, replace(bad, asked="continue"), careful), SetTraffic)
    assert isinstance(at(5, replace(bad, asked="rollback"), careful), RollBack)


def test_where_nothing_was_live_there_is_nothing_to_go_back_to() -> None:
    first = plan("green", Traffic(), (Step("full", 100, 5 * MINUTE),), RULE)
    full = Traffic.of({"green": 100})
    act = at(1, Facts(0, full, Change(full, Traffic(), START), START, failed="it crashed"), first)
    assert isinstance(act, Hold)
    assert "nothing to go back to" in act.reason
    before = at(1, Facts(-1, Traffic(), failed="it crashed"), first)
    assert isinstance(before, RollBack)


@dataclass
class Endpoint:
    """An endpoint whose changes take a while or get lost, a person who may interfere, and the engine that acts."""

    plan: Plan
    lag: int
    lost: set[int]
    errors: float
    requests: int
    traffic: Traffic = BLUE
    pending: tuple[datetime, Traffic] | None = None
    facts: Facts = field(default_factory=lambda: Facts(-1, BLUE))
    seen: list[Traffic] = field(default_factory=list)
    asked: int = 0

    def run(self, interfere_at: int | None) -> tuple[str, datetime]:
        now = START
        for turn in range(2000):
            if self.pending and self.pending[0] <= now:
                self.traffic, self.pending = self.pending[1], None
                self.seen.append(self.traffic)
            if turn == interfere_at:
                self.traffic, self.pending = Traffic.of({"blue": 77, "green": 23}), None
            end = now - RULE.settle
            window = None
            if self.facts.settled and end > self.facts.settled:
                window = Measured(self.facts.settled, end, now, self.requests, self.errors)
            self.facts = replace(self.facts, observed=self.traffic, measured=window)
            act = decide(self.plan, self.facts, now)
            if isinstance(act, SetTraffic):
                self.put(act, now)
                now += timedelta(seconds=5)
            elif isinstance(act, Confirm):
                self.facts = replace(self.facts, settled=now)
            elif isinstance(act, Wait):
                assert act.until > now
                now = act.until
            else:
                return type(act).__name__, now
        raise AssertionError("it never ends")

    def put(self, act: SetTraffic, now: datetime) -> None:
        old = self.facts.change
        repeated = old is not None and old.requested == act.traffic and act.step == self.facts.step
        tries = old.tries + 1 if old and repeated else 1
        confirmed = old.confirmed if old and repeated else self.traffic
        self.facts = replace(
            self.facts, step=act.step, change=Change(act.traffic, confirmed, now, tries), settled=None, held=False
        )
        self.asked += 1
        if self.asked not in self.lost:
            self.pending = (now + timedelta(seconds=self.lag), act.traffic)


STEP_LISTS = st.lists(
    st.sampled_from([*STEPS, Step("canary", 1, MINUTE), Step("canary", 99, 30 * MINUTE)]), max_size=4
).map(tuple)


@settings(deadline=None)
@given(
    STEP_LISTS,
    st.integers(0, int(AGAIN.total_seconds()) - 1),
    st.sets(st.integers(1, 6), max_size=3),
    st.sampled_from([(0.0, 100), (0.5, 100), (0.0, 3)]),
    st.none() | st.integers(0, 30),
)
def test_whole_releases(
    steps: tuple[Step, ...], lag: int, lost: set[int], behaves: tuple[float, int], interfere_at: int | None
) -> None:
    endpoint = Endpoint(plan("green", BLUE, steps, RULE), lag, lost, *behaves)
    end, _ = endpoint.run(interfere_at)
    for traffic in endpoint.seen:
        assert traffic.total == 100
        assert traffic in [endpoint.plan.traffic(step) for step in range(len(endpoint.plan.steps))]
    if end == "Stop":
        assert interfere_at is not None
        assert endpoint.traffic == Traffic.of({"blue": 77, "green": 23})
    elif interfere_at is None:
        rate, requests = behaves
        expected = "Finish" if not steps or (rate == 0 and requests >= 50) else "RollBack" if rate else "Hold"
        assert end == expected
    if end == "Finish":
        assert endpoint.traffic == Traffic.of({"green": 100})
