"""What the hub tells of its work, in its own words: events, collections, activities, steps, jobs."""

import contextlib
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from shared.events.model import Event, ModelRegistered, RunCompleted, RunStatusChanged
from shared.ledger.records import Activity, File, Head, Outcome, Step
from shared.telemetry import places, recording
from shared.telemetry.places import Place
from shared.telemetry.recording import Span, Value

_LONGEST: Final = 500
_LINKS: Final = 20
_OPENS: Final = frozenset({"opened"})
Done = tuple[Event, str, tuple[Outcome, ...]]
"""An event, its claim, and what became of it."""
TAG: Final = "traceparent"
"""Tag of jobs, models and data by which their own events come back into the trace."""


def brought(event: Event) -> str:
    """Give the traceparent that an event brings: a CloudEvents extension, or the tag of a run or model; "" for none."""
    found = event.raw.get(TAG)
    if found is None and isinstance(event.facts, ModelRegistered | RunCompleted | RunStatusChanged):
        found = event.facts.tags.get(TAG)
    return found if places.parse(found) and isinstance(found, str) else ""


def place_of(event: Event, claim: str) -> Place:
    """Give an event's place: in the trace it brings, else the root of its own."""
    return places.of_event(claim, brought(event))


def taken(via: str, received: datetime, done: Sequence[Done], counts: Mapping[str, int]) -> None:
    """Tell of a delivery: `done` are its new events and what became of each, `counts` all of them by result.

    Numbers are whole; spans of events that open nothing are a share of their like.
    """
    if not recording.on():
        return
    now = datetime.now(UTC)
    for result, count in counts.items():
        if count > 0:
            recording.number("hub.events", count, via=via, result=result)
    tally = Counter((one.what, one.automation) for _, _, outcomes in done for one in outcomes)
    for (what, automation), count in tally.items():
        recording.number("hub.decisions", count, outcome=what, automation=automation)
    oldest = min((event.time for event, _, _ in done), default=None)
    if oldest is not None:
        recording.number("hub.delivery.age", max(0.0, (now - oldest).total_seconds()), via=via)
    for event, claim, outcomes in done:
        place = place_of(event, claim)
        whole = any(outcome.what in _OPENS for outcome in outcomes)
        if whole or recording.kept(place):
            _event(place, event, claim, via, received, now, outcomes, 1.0 if whole else recording.share())


def _event(
    place: Place,
    event: Event,
    claim: str,
    via: str,
    received: datetime,
    ended: datetime,
    found: Sequence[Outcome],
    share: float,
) -> None:
    attributes: dict[str, Value] = {
        "hub.claim": claim,
        "hub.event.id": event.id,
        "hub.event.type": event.type,
        "hub.event.subject": event.subject[:_LONGEST],
        "hub.via": via,
        "hub.outcome": ",".join(sorted({outcome.what for outcome in found})),
        "hub.automation": ",".join(sorted({outcome.automation for outcome in found if outcome.automation})),
        "hub.activity": ",".join(sorted({outcome.target for outcome in found if outcome.what in _OPENS})),
    }
    began = min(event.time, received)
    name = event.type.rpartition(".")[2] or "unread"
    recording.put(Span(f"event {name}", place, began, ended, attributes, kind="consumer", share=share))
    recording.put(Span("decide", place.child("decide", claim), received, ended, attributes, share=share))


def place_of_collection(name: str, head: Head, first: File) -> Place:
    """Give the place of a collection's generation: in the trace of its first file's event."""
    return places.of_event(first.claim, first.traceparent).child("collect", name, str(head.generation))


def collected(name: str, head: Head, members: Sequence[File], activity: str) -> None:
    """Tell that a collection closed and opened an activity. Its first file's event is told here, if it was not yet."""
    if not recording.on():
        return
    first = members[0]
    place = place_of_collection(name, head, first)
    root = places.of_event(first.claim, first.traceparent)
    closed = head.closed or first.time
    if not recording.kept(root):
        attributes: dict[str, Value] = {
            "hub.claim": first.claim,
            "hub.event.type": "Microsoft.Storage.BlobCreated",
            "hub.event.subject": f"/blobServices/default/containers/{first.container}/blobs/{first.path}"[:_LONGEST],
            "hub.outcome": "collected",
            "hub.automation": head.automation,
        }
        recording.put(Span("event BlobCreated", root, first.time, closed, attributes, kind="consumer"))
    attributes = {
        "hub.automation": head.automation,
        "hub.collection": name,
        "hub.generation": head.generation,
        "hub.closed_by": head.closed_by,
        "hub.files": len(members),
        "hub.activity": activity,
    }
    links = tuple(places.of_event(file.claim, file.traceparent) for file in members[1:_LINKS] if file.claim)
    began = min(head.opened or closed, closed)
    recording.put(Span(f"collect {head.automation}", place, began, closed, attributes, links=links))


def place_of_activity(activity: Activity) -> Place:
    """Give the place of an activity's present attempt."""
    return places.of_activity(activity.id, activity.attempt, activity.traceparent)


def place_of_step(activity: Activity, step: Step) -> Place:
    """Give the place of a step."""
    return places.of_step(activity.id, activity.attempt, activity.traceparent, step.name, step.attempt)


def place_of_job(activity: Activity, step: Step, job: str) -> Place:
    """Give the place of a job that a step runs: what the job's tag holds, for spans that the job makes itself."""
    return place_of_step(activity, step).child("job", job)


def ended(activity: Activity) -> None:
    """Tell that an activity ended."""
    if not recording.on():
        return
    recording.number("hub.activities", automation=activity.automation, status=activity.status)
    attributes = _about(activity) | {
        "hub.action": activity.action,
        "hub.status": activity.status,
        "hub.cause": activity.cause.kind,
        "hub.files": activity.files.count,
        "hub.reason": activity.reason[:_LONGEST],
    }
    error = activity.reason[:_LONGEST] or activity.status if activity.status == "failed" else ""
    name = f"activity {activity.automation}"
    recording.put(Span(name, place_of_activity(activity), activity.created, activity.updated, attributes, error=error))


def step_ended(activity: Activity, step: Step) -> None:
    """Tell that a step of an activity ended."""
    if recording.on() and step.started and step.ended:
        attributes = _about(activity) | {"hub.step": step.name, "hub.status": step.state}
        if job := step.detail.get("job"):
            attributes["hub.job"] = str(job)
        error = step.reason[:_LONGEST] or "failed" if step.state == "failed" else ""
        place = place_of_step(activity, step)
        recording.put(Span(f"step {step.name}", place, step.started, step.ended, attributes, error=error))


def job_ended(activity: Activity, step: Step, job: str, status: str, began: datetime | None, end: datetime) -> None:
    """Tell that a job was seen to have ended; `began` is when the service says that it was created."""
    if recording.on():
        attributes = _about(activity) | {"hub.step": step.name, "hub.job": job, "hub.status": status}
        start = began or step.started or end
        recording.put(
            Span(
                f"job {activity.automation} {step.name}",
                place_of_job(activity, step, job),
                min(start, end),
                end,
                attributes,
                kind="client",
                error="" if status == "Completed" else status,
            )
        )


class Look:
    """One look at a step under way; its answer is set once it is known."""

    answer: object = None


@contextlib.contextmanager
def look(step: Step) -> Iterator[Look]:
    """Time one look at a step."""
    told, began = Look(), time.perf_counter()
    try:
        yield told
    finally:
        if recording.on():
            result = type(told.answer).__name__.lower() if told.answer is not None else "error"
            if result == "again" and step.tries:
                result = "retry"
            recording.number("hub.step.latency", time.perf_counter() - began, step=step.kind, result=result)


def _about(activity: Activity) -> dict[str, Value]:
    return {
        "hub.activity": activity.id,
        "hub.automation": activity.automation,
        "hub.attempt": activity.attempt,
    }


def inside(activity: Activity, step: Step | None = None) -> Any:
    """Do something for an activity: what is logged meanwhile names it."""
    place = place_of_step(activity, step) if step else place_of_activity(activity)
    names = {"hub.activity": activity.id, "hub.automation": activity.automation}
    return places.inside(place, **names, **({"hub.step": step.name} if step else {}))
