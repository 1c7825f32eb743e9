"""Whether enough different people approved: the requester never counts, one rejection wins, silence refuses."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from shared.deciding.verdicts import Passed, Refused, Verdict, Waiting
from shared.deciding.wording import length, moment


@dataclass(frozen=True, slots=True)
class Approval:
    """So many different persons with one of the roles approve in time."""

    roles: frozenset[str] = frozenset({"approver"})
    quorum: int = 1
    expires: timedelta = timedelta(hours=48)


@dataclass(frozen=True, slots=True)
class Voter:
    """Who says something. A key is a machine's: it has a name, and no person behind it."""

    name: str
    kind: Literal["person", "key"]

    @property
    def identity(self) -> tuple[str, str]:
        """What makes a voter the same: kind and name, whatever the case."""
        return self.kind, self.name.strip().casefold()


@dataclass(frozen=True, slots=True)
class Vote:
    """What somebody said, when, and in which roles."""

    voter: Voter
    roles: frozenset[str]
    approves: bool
    at: datetime
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Asked:
    """Since when people are asked, who asked (None: nobody, an event), and what they said, in any order.

    `again`: who had a release that was refused tried again; they asked for it as well.
    """

    since: datetime
    requester: Voter | None = None
    votes: Sequence[Vote] = ()
    again: Sequence[Voter] = ()

    @property
    def requesters(self) -> frozenset[str]:
        """The names of all who asked, whatever the case: with a key or in person is the same to them."""
        asked = [*([self.requester] if self.requester else []), *self.again]
        return frozenset(one.identity[1] for one in asked)


def weigh(gate: Approval, asked: Asked | None, now: datetime) -> Verdict:
    """Weigh what people said.

    1. A vote counts from the question on until it expires, by somebody with one of the roles.
    2. A rejection that counts refuses, whatever else is said, the requester's own included.
    3. Approvals count once a person; not the requester's; a key's only where one approval is enough.
    4. Enough approvals pass; before the time is over it waits; then it refuses.
    """
    if asked is None:
        return Waiting("approval", "people are to be asked", {"roles": sorted(gate.roles), "quorum": gate.quorum})
    ends = asked.since + gate.expires
    counted: dict[tuple[str, str], Vote] = {}
    rejections: list[Vote] = []
    rows: list[dict[str, Any]] = []
    for vote in sorted(asked.votes, key=lambda one: (one.at, one.voter.identity)):
        why_not = _why_not(gate, asked, vote, ends)
        rows.append(_row(vote, why_not))
        if why_not:
            continue
        if vote.approves:
            counted.setdefault(vote.voter.identity, vote)
        else:
            rejections.append(vote)
    evidence = {
        "roles": sorted(gate.roles),
        "quorum": gate.quorum,
        "since": moment(asked.since),
        "expires": moment(ends),
        "requester": asked.requester.name if asked.requester else None,
        "votes": rows,
    }
    if rejections:
        first = rejections[0]
        reason = f"rejected by {first.voter.name}" + (f": {first.reason}" if first.reason else "")
        return Refused("approval", reason, evidence)
    told = f"{len(counted)} of {gate.quorum} approvals"
    if len(counted) >= gate.quorum:
        names = ", ".join(vote.voter.name for vote in counted.values())
        return Passed("approval", f"{told}: {names}", evidence)
    if now >= ends:
        return Refused("approval", f"{told} within {length(gate.expires)}: expired", evidence)
    return Waiting("approval", f"{told}, until {moment(ends)}", evidence, ends)


def _why_not(gate: Approval, asked: Asked, vote: Vote, ends: datetime) -> str:
    if vote.at < asked.since:
        return "before the question"
    if vote.at >= ends:
        return "too late"
    if not vote.roles & gate.roles:
        return f"none of the roles {', '.join(sorted(gate.roles))}"
    if not vote.approves:
        return ""
    if vote.voter.identity[1] in asked.requesters:
        return "the requester does not count"
    if vote.voter.kind == "key" and gate.quorum > 1:
        return "a key is no person and counts in no quorum of more than one"
    return ""


def _row(vote: Vote, why_not: str) -> dict[str, Any]:
    return {
        "who": vote.voter.name,
        "kind": vote.voter.kind,
        "approves": vote.approves,
        "at": moment(vote.at),
        "reason": vote.reason,
        "counts": not why_not,
        "why-not": why_not,
    }
