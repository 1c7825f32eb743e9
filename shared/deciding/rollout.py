"""The next act of a release that is live already: more traffic, wait, hold, go back, stop, or done."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from shared.deciding.analysis import Analysis, Finding, Measured, analyse
from shared.deciding.traffic import Change, Traffic, look, mirrored, split
from shared.deciding.wording import length, moment

MOST_MIRRORED: Final = 50
"""Per cent, to one deployment, which must not be live; no Kubernetes endpoints
(https://learn.microsoft.com/azure/machine-learning/how-to-safely-rollout-online-endpoints)."""
LOOK: Final = timedelta(seconds=15)
GRAIN: Final = timedelta(minutes=1)
"""Azure Monitor gives metrics by the minute: a window may end so much before the step does."""
PATIENCE: Final = timedelta(minutes=15)
"""So long after they should be there, metrics that do not come make a step inconclusive."""


@dataclass(frozen=True, slots=True)
class Step:
    """A share of the traffic (per cent) for a time: mirrored, live, or all of it."""

    kind: Literal["shadow", "canary", "full"]
    share: int
    length: timedelta = timedelta(0)

    def __str__(self) -> str:
        return self.kind if self.kind == "full" else f"{self.kind} {self.share}%"


@dataclass(frozen=True, slots=True)
class Plan:
    """A whole rollout. `before`: the traffic that was read when it was planned; going back means this."""

    challenger: str
    before: Traffic
    steps: tuple[Step, ...]
    analysis: Analysis
    on_failure: Literal["rollback", "hold"] = "rollback"
    inconclusive: Literal["hold", "rollback"] = "hold"
    note: str = ""

    def traffic(self, step: int) -> Traffic:
        """Give the traffic of a step."""
        one = self.steps[step]
        if one.kind == "shadow":
            return mirrored(self.before, self.challenger, one.share)
        return split(self.before, self.challenger, 100 if one.kind == "full" else one.share)


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known when it is looked at.

    Attributes:
        step: number of the present step; -1 before the first.
        change: the last change of traffic that was asked for, None before the first. It is saved before the request.
        settled: when that traffic was read back, None until then.
        observed: the traffic that is read now.
        updating: the endpoint is changing, so that nothing can be asked of it.
        failed: why the deployment no longer serves, in the service's words; "" while it does.
        measured: the challenger's metrics since the step settled, as far as they have settled; None where there are
            none.
        held: the last act was to hold.
        superseded_by: a newer release of the same endpoint that waits, "" for none.
        asked: what a person asked for at this step, and `who`.
    """

    step: int
    observed: Traffic
    change: Change | None = None
    settled: datetime | None = None
    updating: bool = False
    failed: str = ""
    measured: Measured | None = None
    held: bool = False
    superseded_by: str = ""
    asked: Literal["", "continue", "rollback"] = ""
    who: str = ""


@dataclass(frozen=True, slots=True)
class SetTraffic:
    """Save the change, ask for it, read it back. `step` is then the present one."""

    step: int
    traffic: Traffic
    reason: str
    finding: Finding | None = None


@dataclass(frozen=True, slots=True)
class Confirm:
    """The traffic was read back: save that it has settled now; the step's time begins."""

    reason: str


@dataclass(frozen=True, slots=True)
class Wait:
    """Look again at `until`."""

    until: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class Hold:
    """Leave the traffic as it is, tell people, look again at `until`: they decide, or metrics come."""

    until: datetime
    reason: str
    finding: Finding | None = None


@dataclass(frozen=True, slots=True)
class RollBack:
    """Set this traffic, then remove the challenger after saving its logs. `superseded`: by a newer release."""

    traffic: Traffic
    reason: str
    finding: Finding | None = None
    superseded: bool = False


@dataclass(frozen=True, slots=True)
class Stop:
    """Somebody else changed the traffic: touch nothing any more, say so."""

    reason: str
    evidence: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Finish:
    """The challenger takes all traffic, and that was read back."""

    reason: str
    finding: Finding | None = None


Act = SetTraffic | Confirm | Wait | Hold | RollBack | Stop | Finish


def plan(
    challenger: str,
    before: Traffic,
    steps: tuple[Step, ...],
    analysis: Analysis,
    on_failure: Literal["rollback", "hold"] = "rollback",
    inconclusive: Literal["hold", "rollback"] = "hold",
) -> Plan:
    """Plan a rollout: the steps, and full at the end. Where nothing is live, there is nothing to share with: full."""
    last = steps[-1] if steps and steps[-1].kind == "full" else Step("full", 100)
    shared = tuple(step for step in steps if step.kind != "full")
    if before.total == 0:
        note = "nothing is live yet: it takes all traffic at once"
        return Plan(challenger, before, (last,), analysis, on_failure, inconclusive, note)
    return Plan(challenger, before, (*shared, last), analysis, on_failure, inconclusive)


def problems(plan: Plan, *, can_mirror: bool = True) -> tuple[str, ...]:
    """Give what makes a plan impossible, before anything is created."""
    found = []
    if plan.before.total not in {0, 100}:
        found.append(f"the endpoint's traffic is {plan.before}, {plan.before.total}% in all: set it to 100% first")
    if plan.challenger in plan.before.live or plan.challenger in plan.before.mirror:
        found.append(f"{plan.challenger} has traffic already: {plan.before}")
    if plan.before.mirror:
        found.append(f"the endpoint mirrors traffic already: {plan.before}")
    for step in plan.steps:
        if step.kind == "shadow" and not can_mirror:
            found.append("this kind of endpoint cannot mirror traffic (Kubernetes cannot): leave shadow out")
        if step.kind == "shadow" and not 0 < step.share <= MOST_MIRRORED:
            found.append(f"shadow {step.share}%: from 1% to {MOST_MIRRORED}% can be mirrored")
        if step.kind == "canary" and not 0 < step.share < 100:
            found.append(f"canary {step.share}%: from 1% to 99%")
    return tuple(dict.fromkeys(found))


def decide(plan: Plan, facts: Facts, now: datetime) -> Act:
    """Decide the next act.

    1. Traffic that neither was asked for nor was there before: a person's; stop.
    2. The endpoint is changing: wait.
    3. A person asked to go back, or a newer release waits while this one is held: go back.
    4. The deployment failed: as `on_failure` says.
    5. Nothing was asked for yet: the first step.
    6. What was asked for is not there yet: wait, ask again, and in the end go back. It is there: confirm.
    7. The step's metrics say bad, at any time: as `on_failure` says; a person may overrule only where it says hold.
    8. The step's time, and that of its metrics, is not over: wait, save where a person said to go on.
    9. They cannot be told: as `inconclusive` says. They say good: the next step, or finish.
    """
    return (
        _foreign(plan, facts, now)
        or _interrupted(plan, facts, now)
        or _unsettled(plan, facts, now)
        or _step(plan, facts, facts.settled or now, now)
    )


def _foreign(plan: Plan, facts: Facts, now: datetime) -> Act | None:
    change = facts.change
    if change is None:
        expected, foreign = plan.before, facts.observed != plan.before
    elif facts.settled:
        expected, foreign = change.requested, facts.observed != change.requested
    else:
        expected, foreign = change.requested, look(change, facts.observed, now) == "foreign"
    if not foreign:
        return None
    evidence = {"observed": str(facts.observed), "expected": str(expected)}
    return Stop(f"somebody changed the traffic to {facts.observed}; {expected} was expected", evidence)


def _interrupted(plan: Plan, facts: Facts, now: datetime) -> Act | None:
    if facts.updating:
        return Wait(now + LOOK, "the endpoint is updating")
    if facts.asked == "rollback":
        return _back(plan, facts, now, f"{facts.who or 'a person'} asked to go back")
    if facts.held and facts.superseded_by:
        return _back(plan, facts, now, f"superseded by {facts.superseded_by}", superseded=True)
    if facts.failed:
        return _failure(plan, facts, now, f"the deployment failed: {facts.failed}")
    return None


def _unsettled(plan: Plan, facts: Facts, now: datetime) -> Act | None:
    change = facts.change
    if change is None:
        return SetTraffic(0, plan.traffic(0), plan.note or f"begin with {plan.steps[0]}")
    if facts.settled:
        return None
    outcome = look(change, facts.observed, now)
    if outcome == "again":
        return SetTraffic(facts.step, change.requested, "it had no effect: asked for again")
    if outcome == "gave-up":
        return _failure(plan, facts, now, f"{change.requested} was asked for {change.tries} times without effect")
    if outcome == "wait":
        return Wait(now + LOOK, f"until {change.requested} is read back")
    return Confirm(f"{plan.steps[facts.step]} is read back: {facts.observed}")


def _step(plan: Plan, facts: Facts, settled: datetime, now: datetime) -> Act:
    step = plan.steps[facts.step]
    if not step.length:
        return _onward(plan, facts, f"{step} has no time to wait for", None)
    end = settled + step.length
    due = end + plan.analysis.settle
    finding = analyse(plan.analysis, facts.measured) if facts.measured and facts.measured.start >= settled else None
    forced = facts.asked == "continue"
    if finding and finding.verdict == "bad" and not (forced and plan.on_failure == "hold"):
        return _failure(plan, facts, now, f"{step}: {finding.reason}", finding)
    if forced:
        return _onward(plan, facts, f"{facts.who or 'a person'} said to go on", finding)
    if now < due:
        return Wait(due, f"{step} for {length(step.length)}, metrics settle {length(plan.analysis.settle)} later")
    whole = facts.measured is not None and facts.measured.end >= end - GRAIN
    if finding and whole and finding.verdict == "good":
        return _onward(plan, facts, f"{step}: {finding.reason}", finding)
    if not (finding and whole) and now < due + PATIENCE and not facts.held:
        return Wait(now + LOOK, f"metrics until {moment(end)} have not come")
    reason = finding.reason if finding else f"no metrics came within {length(PATIENCE)}"
    if plan.inconclusive == "rollback":
        return _failure(plan, facts, now, f"{step} is inconclusive: {reason}", finding)
    return Hold(now + GRAIN, f"{step} is inconclusive: {reason}", finding)


def _onward(plan: Plan, facts: Facts, reason: str, finding: Finding | None) -> Act:
    following = facts.step + 1
    if following == len(plan.steps):
        return Finish(reason, finding)
    return SetTraffic(following, plan.traffic(following), reason, finding)


def _failure(plan: Plan, facts: Facts, now: datetime, reason: str, finding: Finding | None = None) -> Act:
    if plan.on_failure == "hold":
        return Hold(now + GRAIN, f"{reason}; on-failure says hold", finding)
    return _back(plan, facts, now, reason, finding)


def _back(
    plan: Plan, facts: Facts, now: datetime, reason: str, finding: Finding | None = None, *, superseded: bool = False
) -> Act:
    """Go back; where nothing was live before and something is now, there is nowhere to go, and a person must decide."""
    live = facts.observed.live or (facts.change.requested.live if facts.change else {})
    if plan.before.total == 0 and live:
        return Hold(now + GRAIN, f"{reason}; nothing was live before, so there is nothing to go back to", finding)
    return RollBack(plan.before, reason, finding, superseded)
