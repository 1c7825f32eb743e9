"""What people ask of an activity: kept with it first, then done by the engine at its next look."""

from datetime import timedelta
from typing import Final

from shared.ledger.activities import Activities
from shared.ledger.audit import Audit
from shared.ledger.protocol import ChangedError
from shared.ledger.records import Act, Activity

_TRIES: Final = 8


class NotPossibleError(Exception):
    """The activity is not in a state in which this can be asked; the message says what it is and what would do."""


class Acts:
    """Takes acts of people in."""

    def __init__(self, activities: Activities, audit: Audit) -> None:
        self._activities = activities
        self._audit = audit

    async def ask(self, identifier: str, act: Act, etag: str = "") -> Activity:
        """Keep the act with the activity and wake it; `etag` is what the person saw, "" for whatever it is now.

        Raises NotFoundError, NotPossibleError, ChangedError (somebody else wrote after the person looked).
        """
        change = {"retry": _retry, "acknowledge": _acknowledge}.get(act.kind, _add)
        for _ in range(_TRIES):
            activity, current = await self._activities.load(identifier)
            if etag and etag != current:
                raise ChangedError(f"activity {identifier} has changed since it was read")
            change(activity, act)
            if act.kind in {"retry", "acknowledge"}:  # the end is gone through again: the audit hears of it for sure
                await self._activities.enter(identifier)
            try:
                await self._activities.save(activity, current)
            except ChangedError:
                continue
            await self.record(activity, len(activity.acts) - 1)
            await self._activities.wake(identifier, timedelta(0))
            return activity
        raise ChangedError(f"activity {identifier} is being written all the time: try again")

    async def record(self, activity: Activity, number: int) -> None:
        """Have the audit trail hold an act of the activity, once; its end does so again for what a crash left out."""
        act = activity.acts[number]
        detail = {"person": act.person, "roles": list(act.roles), "attempt": act.attempt}
        subject, once = f"activity/{activity.id}", f"act {number} of {activity.id}"
        await self._audit.record(act.at, act.who, act.kind, subject, act.reason, detail, once=once)


def _add(activity: Activity, act: Act) -> None:
    if activity.finished:
        retry = "" if activity.status not in _RETRIED else " but a retry"
        raise NotPossibleError(f"activity {activity.id} is {activity.status}: nothing more can be asked of it{retry}")
    wanted = _WANTED.get(act.kind)
    if wanted and activity.status != wanted:
        raise NotPossibleError(
            f"activity {activity.id} is {activity.status}: only one that is {wanted} can be so asked"
        )
    activity.acts.append(_stamped(activity, act))
    activity.updated = act.at


_RETRIED: Final = frozenset({"failed", "refused", "cancelled"})
_WANTED: Final = {"release": "held", "approve": "waiting-approval", "reject": "waiting-approval"}


def _retry(activity: Activity, act: Act) -> None:
    """Begin a new attempt: what is frozen stays, everything from the step that failed on is done again."""
    if activity.status not in _RETRIED:
        raise NotPossibleError(
            f"activity {activity.id} is {activity.status}: only a failed, refused or cancelled one can be retried"
        )
    activity.attempt += 1
    activity.acts.append(_stamped(activity, act))
    over = True
    for step in activity.steps:
        over = over and step.state in {"done", "skipped"}
        if not over or step.kind == "admit":
            kept = {"into": step.detail["into"]} if step.kind == "admit" and "into" in step.detail else {}
            step.state, step.attempt, step.tries, step.detail, step.reason = "pending", activity.attempt, 0, kept, ""
            step.started = step.ended = None
    if over:
        raise NotPossibleError(f"activity {activity.id} has done all its steps: start the automation anew")
    activity.status, activity.reason, activity.updated, activity.due = "queued", "", act.at, act.at


def _acknowledge(activity: Activity, act: Act) -> None:
    """Note that somebody has seen to a failure; it stays what it is, and when it ended too."""
    if activity.status != "failed":
        raise NotPossibleError(f"activity {activity.id} is {activity.status}: only a failed one can be acknowledged")
    activity.acts.append(_stamped(activity, act))


def _stamped(activity: Activity, act: Act) -> Act:
    return Act(
        kind=act.kind,
        who=act.who,
        at=act.at,
        reason=act.reason[:1000],
        person=act.person,
        roles=act.roles,
        attempt=activity.attempt,
    )
