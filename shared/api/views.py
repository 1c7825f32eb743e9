"""Turns records of the ledger into what the API shows."""

from datetime import datetime
from typing import Final

import msgspec

from shared.api.models import (
    ActivityView,
    ActView,
    CauseView,
    DeadLetterView,
    EventView,
    FilesView,
    FileView,
    HoldView,
    OutcomeView,
    Paused,
    StepView,
)
from shared.ledger.deadletters import DeadLetter
from shared.ledger.records import Activity, File, Head, Taken
from shared.ledger.switches import Pause

_MOST_SHOWN: Final = 256 * 1024


def activity_view(activity: Activity, members: tuple[File, ...] | None = None) -> ActivityView:
    """Show an activity; `members` are its files where they are wanted."""
    return ActivityView(
        id=activity.id,
        automation=activity.automation,
        action=activity.action,
        status=activity.status,
        attempt=activity.attempt,
        cause=CauseView(**msgspec.to_builtins(activity.cause)),
        files=FilesView(
            count=activity.files.count,
            size=activity.files.size,
            items=None if members is None else [file_view(file) for file in members],
        ),
        steps=[
            StepView(
                name=step.name,
                kind=step.kind,
                state=step.state,
                attempt=step.attempt,
                started=step.started,
                ended=step.ended,
                reason=step.reason,
                detail=step.detail,
            )
            for step in activity.steps
        ],
        created=activity.created,
        updated=activity.updated,
        reason=activity.reason,
        content=activity.content,
        captures=activity.captures,
        inputs=activity.inputs,
        acts=[
            ActView(kind=act.kind, who=act.who, at=act.at, reason=act.reason, person=act.person, attempt=act.attempt)
            for act in activity.acts
        ],
        trace=activity.traceparent[3:35],
    )


def file_view(file: File) -> FileView:
    """Show a file."""
    return FileView(
        account=file.account,
        container=file.container,
        path=file.path,
        etag=file.etag,
        size=file.size,
        time=file.time,
        claim=file.claim,
    )


def event_view(received: datetime, event: Taken) -> EventView:
    """Show an event."""
    raw = event.event
    return EventView(
        id=event.claim,
        received=received,
        type=str(raw.get("eventType") or raw.get("type") or ""),
        subject=str(raw.get("subject") or ""),
        via=event.via,
        outcomes=[
            OutcomeView(
                what=outcome.what,
                automation=outcome.automation,
                target=outcome.target,
                generation=outcome.generation,
                reason=outcome.reason,
            )
            for outcome in event.outcomes
        ],
    )


def dead_letter_view(letter: DeadLetter, content: bytes | None = None) -> DeadLetterView:
    """Show a dead letter; `content` is what it holds where that is wanted."""
    return DeadLetterView(
        id=letter.id,
        kind=letter.kind,
        at=letter.at,
        reason=letter.reason,
        subject=letter.subject,
        type=letter.type,
        attempts=letter.attempts,
        replayed=letter.replayed,
        replayed_by=letter.replayed_by,
        content=None if content is None else content[:_MOST_SHOWN].decode("utf-8", "replace"),
    )


def pause_view(pause: Pause) -> Paused:
    """Show a pause."""
    return Paused(name=pause.name.removeprefix("automation:"), who=pause.who, reason=pause.reason, at=pause.at)


def held_activity(activity: Activity) -> HoldView:
    """Show an activity that is held."""
    return HoldView(
        id=activity.id,
        kind="activity",
        automation=activity.automation,
        since=activity.updated,
        reason=activity.reason,
    )


def held_collection(name: str, head: Head, reason: str) -> HoldView:
    """Show a collection that waits for what should make it whole."""
    return HoldView(id=name, kind="collection", automation=head.automation, since=head.opened, reason=reason)
