"""Approvals: who counts, who does not and why, and that silence refuses."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.deciding.approval import Approval, Asked, Vote, Voter, weigh
from shared.deciding.verdicts import Passed, Refused, Waiting

START = datetime(2013, 5, 1, tzinfo=UTC)
ANN, BEN, CAT = (Voter(name, "person") for name in ("ann", "ben", "cat"))
KEY, OTHER_KEY = Voter("ci", "key"), Voter("cd", "key")
ONE, TWO = Approval(quorum=1), Approval(quorum=2)


def vote(voter: Voter, approves: bool = True, hours: float = 1, role: str = "approver", reason: str = "") -> Vote:
    return Vote(voter, frozenset({role}), approves, START + timedelta(hours=hours), reason)


@pytest.mark.parametrize(
    ("gate", "votes", "hours", "result", "reason"),
    [
        (ONE, [], 1, Waiting, "0 of 1"),
        (ONE, [], 48, Refused, "expired"),
        (ONE, [vote(ANN)], 2, Passed, "1 of 1 approvals: ann"),
        (ONE, [vote(ANN)], 200, Passed, "ann"),
        (ONE, [vote(ANN, hours=48)], 49, Refused, "expired"),
        (ONE, [vote(ANN, hours=0)], 2, Passed, "ann"),
        (ONE, [vote(ANN, hours=-1)], 2, Waiting, "0 of 1"),
        (ONE, [vote(ANN, role="operator")], 2, Waiting, "0 of 1"),
        (ONE, [vote(CAT)], 2, Waiting, "0 of 1"),  # cat asked for it
        (ONE, [vote(Voter(" Cat", "person"))], 2, Waiting, "0 of 1"),
        (ONE, [vote(KEY)], 2, Passed, "ci"),
        (TWO, [vote(ANN)], 2, Waiting, "1 of 2"),
        (TWO, [vote(ANN), vote(ANN, hours=2)], 3, Waiting, "1 of 2"),
        (TWO, [vote(ANN), vote(Voter("ANN", "person"), hours=2)], 3, Waiting, "1 of 2"),
        (TWO, [vote(ANN), vote(KEY)], 3, Waiting, "1 of 2"),
        (TWO, [vote(KEY), vote(OTHER_KEY)], 3, Waiting, "0 of 2"),
        (TWO, [vote(ANN), vote(BEN, hours=2)], 3, Passed, "ann, ben"),
        (ONE, [vote(ANN), vote(BEN, False, 2, reason="too slow")], 3, Refused, "rejected by ben: too slow"),
        (TWO, [vote(CAT, False)], 3, Refused, "rejected by cat"),
        (ONE, [vote(BEN, False, role="reader"), vote(ANN)], 3, Passed, "ann"),
        (ONE, [vote(BEN, False, hours=50)], 51, Refused, "expired"),
    ],
)
def test_who_counts(
    gate: Approval, votes: list[Vote], hours: float, result: type[Passed | Refused | Waiting], reason: str
) -> None:
    verdict = weigh(gate, Asked(START, CAT, votes), START + timedelta(hours=hours))
    assert isinstance(verdict, result)
    assert reason in verdict.reason


def test_the_evidence_says_who_did_not_count_and_why() -> None:
    verdict = weigh(TWO, Asked(START, CAT, [vote(CAT), vote(KEY), vote(ANN, role="reader")]), START)
    assert {row["who"]: row["why-not"] for row in verdict.evidence["votes"]} == {
        "ann": "none of the roles approver",
        "cat": "the requester does not count",
        "ci": "a key is no person and counts in no quorum of more than one",
    }


def test_it_waits_until_people_are_asked() -> None:
    verdict = weigh(ONE, None, START)
    assert isinstance(verdict, Waiting)
    assert verdict.until is None


VOTES = st.lists(
    st.builds(
        Vote,
        st.sampled_from([ANN, BEN, CAT, KEY, OTHER_KEY]),
        st.sampled_from([frozenset({"approver"}), frozenset({"reader"})]),
        st.sampled_from([True, True, True, False]),
        st.integers(-5, 60).map(lambda hours: START + timedelta(hours=hours)),
    ),
    max_size=8,
)


@given(VOTES, st.integers(1, 3), st.integers(0, 60))
def test_it_passes_only_by_enough_different_persons_and_never_against_a_rejection(
    votes: list[Vote], quorum: int, hours: int
) -> None:
    gate, now = Approval(quorum=quorum), START + timedelta(hours=hours)
    verdict = weigh(gate, Asked(START, CAT, votes), now)
    assert verdict == weigh(gate, Asked(START, CAT, votes[::-1]), now) or len({vote.at for vote in votes}) < len(votes)
    inside = [v for v in votes if v.roles & gate.roles and START <= v.at < START + gate.expires]
    if isinstance(verdict, Passed):
        assert all(v.approves for v in inside)
        names = {v.voter for v in inside if v.voter != CAT and (quorum == 1 or v.voter.kind == "person")}
        assert len(names) >= quorum
    if now >= START + gate.expires:
        assert not isinstance(verdict, Waiting)
