"""What a channel is told: one message of one thing that happened, before it takes a channel's own form."""

import hashlib
from datetime import datetime
from typing import Any, Final

import msgspec

from shared.ledger.records import Activity
from shared.notify.channels import Severity, severity_of

_VERBS: Final = {
    "held": "is held",
    "waiting-approval": "waits for approval",
    "cancelled": "was cancelled",
    "superseded": "was superseded",
    "refused": "was refused",
}
_LONGEST: Final = 1500


class Message(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One message. `id` makes telling twice one; `link` is a path of the page, `decides` an attempt to approve."""

    id: str
    at: datetime
    severity: Severity
    title: str
    text: str = ""
    automation: str = ""
    activity: str = ""
    attempt: int = 1
    status: str = ""
    facts: dict[str, str] = {}
    decides: bool = False
    data: dict[str, Any] = {}
    traceparent: str = ""


def about(activity: Activity) -> Message:
    """Give the message that an activity came to its status; the same status of the same attempt and step is one."""
    step = next((step.name for step in activity.steps if step.state not in {"done", "skipped"}), "")
    number = _number(activity.id, str(activity.attempt), activity.status, step if activity.due else "")
    facts = {"activity": activity.id, "action": activity.action}
    if activity.files.count:
        facts["files"] = str(activity.files.count)
    facts |= dict(list(activity.captures.items())[:6])
    return Message(
        id=number,
        at=activity.updated,
        severity=severity_of(activity.status),
        title=f"{activity.automation} {_VERBS.get(activity.status, activity.status)}",
        text=activity.reason[:_LONGEST],
        automation=activity.automation,
        activity=activity.id,
        attempt=activity.attempt,
        status=activity.status,
        facts=facts,
        decides=activity.status == "waiting-approval",
        data={
            "action": activity.action,
            "cause": activity.cause.kind,
            "created": activity.created.isoformat(),
            "steps": {one.name: one.state for one in activity.steps},
        },
        traceparent=activity.traceparent,
    )


def said(activity: Activity, step: str, subject: str, text: str, at: datetime) -> Message:
    """Give the message that a `notify` action asks for."""
    return Message(
        id=_number(activity.id, str(activity.attempt), "step", step),
        at=at,
        severity="info",
        title=subject,
        text=text,
        automation=activity.automation,
        activity=activity.id,
        attempt=activity.attempt,
        status="running",
        facts={"activity": activity.id, **dict(list(activity.captures.items())[:6])},
        traceparent=activity.traceparent,
    )


def _number(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:24]
