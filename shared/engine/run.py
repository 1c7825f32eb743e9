"""Runs activities: one short idempotent step after the other, each saved before and after its effect.

A step's attempt is saved as running before anything is asked for outside, so a crash after any write repeats the same
request under the same name. A message that wakes an activity carries the due time it was armed for; one that no longer
fits is dropped, so that messages never multiply.
"""

import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from shared.deciding.retrying import delay_before
from shared.engine.outcomes import (
    Again,
    Answer,
    Done,
    Enough,
    Failed,
    PermanentError,
    Refused,
    Superseded,
    TransientError,
)
from shared.ledger.activities import Activities
from shared.ledger.protocol import ChangedError, NotFoundError, StoreError
from shared.ledger.records import Act, Activity, ActivityStatus, Step, decode, encode
from shared.telemetry import telling

logger = logging.getLogger(__name__)

_LONG_ENOUGH: Final = 15.0
"""Seconds after which an invocation lets go and has itself woken again, far below any host's limit."""
_A_LOOK: Final = timedelta(minutes=2)
"""No look takes as long: the timeouts of what it asks for end it before."""
_A_MOMENT: Final = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Work:
    """One step to do: the activity it belongs to (a copy to read), the step, and the time."""

    activity: Activity
    step: Step
    now: datetime


StepRunner = Callable[[Work], Awaitable[Answer]]
_ENDS: Final[Mapping[type, ActivityStatus]] = {
    Failed: "failed",
    Refused: "refused",
    Superseded: "superseded",
    Enough: "succeeded",
}


class Engine:
    """Looks after activities.

    `runners` gives the code of each kind of step, `cancellers` that which undoes a step that is under way (Done once
    it is undone). `finished` hears of every end, perhaps more than once, before the activity leaves the index of what
    is unfinished; `told` of every look after which it is held or waits for approval.
    """

    def __init__(
        self,
        activities: Activities,
        runners: Mapping[str, StepRunner],
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        *,
        cancellers: Mapping[str, StepRunner] | None = None,
        finished: Callable[[Activity], Awaitable[None]] | None = None,
        told: Callable[[Activity], Awaitable[None]] | None = None,
    ) -> None:
        self._activities = activities
        self._runners = runners
        self._cancellers = cancellers or {}
        self._clock = clock
        self._finished = finished
        self._told = told

    async def look(self, identifier: str, armed_for: str = "") -> None:
        """Do what is due for an activity; `armed_for` is the due time the message was armed for, "" to look at once.

        Raises StoreError where the ledger cannot be read or written: the message then comes again.
        """
        activity, etag = await self._activities.load(identifier)
        if activity.finished:
            await self._close(activity)
            return
        if armed_for and armed_for != due_mark(activity.due):
            return
        if not armed_for and looked_at(activity, self._clock()):
            await self._activities.wake(identifier, _A_MOMENT)
            return
        try:
            with telling.inside(activity):
                await self._proceed(activity, etag)
        except ChangedError:
            logger.info("activity %s is looked after by another instance", identifier)

    async def _proceed(self, activity: Activity, etag: str) -> None:
        began = time.monotonic()
        while True:
            step = next((step for step in activity.steps if step.state not in {"done", "skipped"}), None)
            if step is None:
                await self._end(activity, etag, "succeeded", "")
                return
            cancel = activity.asked("cancel")
            if cancel is not None and step.state == "pending":
                await self._end(activity, etag, "cancelled", _said(cancel))
                return
            now = self._clock()
            if step.state == "pending":
                step.started = now
            step.state = "running"
            step.tries += 1
            if activity.status == "queued":
                activity.status = "running"
            activity.updated, activity.due = now, now + _A_LOOK
            etag = await self._activities.save(activity, etag)
            runners = self._runners if cancel is None else self._cancellers
            with telling.inside(activity, step), telling.look(step) as told:
                answer = told.answer = await self._run(activity, step, now, runners)
            now = self._clock()
            if not isinstance(answer, Done | Again):
                _stop(activity, step, answer, now)
                await self._end(activity, etag, _ENDS[type(answer)], answer.reason)
                return
            step.detail = answer.detail
            if isinstance(answer, Again):
                await self._wait(activity, etag, step, answer, now)
                return
            if cancel is not None:
                step.state, step.ended, step.reason = "failed", now, _said(cancel)
                await self._end(activity, etag, "cancelled", _said(cancel))
                return
            step.state, step.ended, step.tries, step.reason = "done", now, 0, ""
            activity.status, activity.reason = "running", ""
            activity.updated, activity.due = now, now
            etag = await self._activities.save(activity, etag)
            telling.step_ended(activity, step)
            if time.monotonic() - began > _LONG_ENOUGH:
                await self._activities.wake(activity.id, timedelta(0), due_mark(activity.due))
                return

    async def _wait(self, activity: Activity, etag: str, step: Step, answer: Again, now: datetime) -> None:
        step.state, step.reason = "waiting", answer.reason or step.reason
        activity.status, activity.reason = answer.status, answer.reason
        activity.updated, activity.due = now, now + answer.after
        await self._activities.save(activity, etag)
        await self._activities.wake(activity.id, answer.after, due_mark(activity.due))
        if self._told and answer.status != "running":
            await self._told(activity)

    async def _run(self, activity: Activity, step: Step, now: datetime, runners: Mapping[str, StepRunner]) -> Answer:
        runner = runners.get(step.kind)
        if runner is None and runners is self._cancellers:
            return Done(step.detail)
        if runner is None:
            return Failed(f"step {step.name} is of kind {step.kind!r}, which this version of the hub does not know")
        asked: timedelta | None = None
        try:
            answer = await runner(Work(decode(Activity, encode(activity)), decode(Step, encode(step)), now))
        except PermanentError as error:
            return Failed(str(error))
        except TransientError as error:
            reason, asked = str(error), error.retry_after
        except StoreError as error:
            reason = f"the store did not answer as expected: {error}"
        except Exception as error:
            logger.exception("step %s of activity %s", step.name, activity.id)
            reason = f"{type(error).__name__}: {error}"
        else:
            if not isinstance(answer, Again):
                return answer
            step.tries = 0
            return answer
        delay = delay_before(step.tries, f"{activity.id}:{step.name}", asked)
        if delay is None:
            return Failed(f"gave up after {step.tries} tries: {reason}")
        note = f"try {step.tries} failed, again in {delay.total_seconds():.0f} s: {reason}"
        logger.warning("activity %s step %s: %s", activity.id, step.name, note)
        return Again(delay, step.detail, reason=note)

    async def _end(self, activity: Activity, etag: str, status: ActivityStatus, reason: str) -> None:
        activity.status, activity.reason, activity.updated, activity.due = status, reason, self._clock(), None
        await self._activities.save(activity, etag)
        for step in activity.steps:
            if step.state == "failed":
                telling.step_ended(activity, step)
        telling.ended(activity)
        logger.info("activity %s of %s %s%s", activity.id, activity.automation, status, f": {reason}" if reason else "")
        await self._close(activity)

    async def _close(self, activity: Activity) -> None:
        if self._finished:
            await self._finished(activity)
        await self._activities.close(activity.id)

    async def overdue(self, identifier: str, grace: timedelta) -> str:
        """Wake an activity whose message was lost: it is due for longer than `grace`, or finished and not closed.

        Gives its status, "" where its row is not there.
        """
        try:
            activity, _ = await self._activities.load(identifier)
        except NotFoundError:
            # The row that should follow its index entry never came: the opener crashed and does it again, or the event
            # that would is redelivered. The entry stays until then; a day later nothing comes any more.
            return ""
        if activity.finished:
            await self._close(activity)
        elif activity.due is not None and self._clock() - activity.due > grace:
            await self._activities.wake(identifier, timedelta(0), due_mark(activity.due))
        return activity.status


def looked_at(activity: Activity, now: datetime) -> bool:
    """Tell whether an instance is in the middle of a step, or died in it a moment ago: what it asks for may still come.

    Nobody else goes on before that look is overdue, so that what undoes a step finds all that the step has made.
    """
    running = any(step.state == "running" for step in activity.steps)
    return running and activity.due is not None and activity.due > now


def _stop(activity: Activity, step: Step, answer: Failed | Refused | Superseded | Enough, now: datetime) -> None:
    step.state, step.ended, step.reason = "failed", now, answer.reason
    step.detail = answer.detail or step.detail
    if isinstance(answer, Enough):
        step.state = "done"
        for later in activity.steps:
            if later.state == "pending":
                later.state = "skipped"


def _said(act: Act) -> str:
    return f"cancelled by {act.who}{f': {act.reason}' if act.reason else ''}"


def due_mark(due: datetime | None) -> str:
    """Write a due time for a message, to the millisecond."""
    return str(int(due.timestamp() * 1000)) if due else ""


__all__ = ["Done", "Engine", "StepRunner", "Work", "due_mark", "looked_at"]
