"""The routes that look: who may, what they take, what they give."""

from typing import Final

from shared.api import asking, reading, serving
from shared.api.models import (
    ACTIVITY,
    AUTOMATION,
    CLAIM,
    COLLECTION,
    LETTER,
    ActivityView,
    AuditView,
    AutomationView,
    CollectionView,
    DeadLetterView,
    EndpointShown,
    EventView,
    Health,
    HoldView,
    Page,
    Status,
    VerifiedView,
)
from shared.api.requests import (
    ActivitiesQuery,
    AuditQuery,
    EventsQuery,
    PageQuery,
    UsedByQuery,
    WhyQuery,
)
from shared.api.routes import Call, Route
from shared.checkup import Checkup
from shared.receipt import Receipt
from shared.usedby import UsedBy
from shared.why.answer import Why

_NAME = {"name": (AUTOMATION, "An automation's name.")}
_ACTIVITY = {"id": (ACTIVITY, "An activity's id.")}
_COLLECTION = {"id": (COLLECTION, "A collection's id.")}
_HOLD = {"id": (f"{ACTIVITY}|{COLLECTION}", "The id of a held activity or collection.")}


async def health(call: Call) -> Health:
    """Say that the app answers, and nothing else."""
    return Health()


LOOKING: Final[tuple[Route, ...]] = (
    Route("health", "GET", "health", None, "Whether the app answers", health, Health),
    Route("status", "GET", "status", "reader", "Queues, backlog, pauses, invalid automations", reading.status, Status),
    Route(
        "automations",
        "GET",
        "automations",
        "reader",
        "The automations, valid or not",
        reading.automations,
        Page[AutomationView],
    ),
    Route(
        "automation",
        "GET",
        "automations/{name}",
        "reader",
        "One automation",
        reading.automation,
        AutomationView,
        values={"name": (r"^[A-Za-z0-9_./# -]{1,255}$", "An automation's name, or the file of an invalid one.")},
        problems=(404,),
    ),
    Route(
        "activities",
        "GET",
        "activities",
        "reader",
        "Activities, newest first",
        reading.activities,
        Page[ActivityView],
        query=ActivitiesQuery,
    ),
    Route(
        "activity",
        "GET",
        "activities/{id}",
        "reader",
        "One activity, with its files",
        reading.activity,
        ActivityView,
        values=_ACTIVITY,
        problems=(404,),
        etag=True,
    ),
    Route(
        "collections",
        "GET",
        "collections",
        "reader",
        "What is gathering",
        reading.collections,
        Page[CollectionView],
    ),
    Route("holds", "GET", "holds", "reader", "What is kept back, and why", reading.holds, Page[HoldView]),
    Route(
        "events",
        "GET",
        "events",
        "reader",
        "Events with what became of them, newest first",
        reading.events,
        Page[EventView],
        query=EventsQuery,
    ),
    Route(
        "dead_letters",
        "GET",
        "dead-letters",
        "reader",
        "What could not be delivered, read or worked on, newest first",
        reading.dead_letters,
        Page[DeadLetterView],
        query=PageQuery,
    ),
    Route(
        "dead_letter",
        "GET",
        "dead-letters/{id}",
        "reader",
        "One dead letter, with its content",
        reading.dead_letter,
        DeadLetterView,
        values={"id": (LETTER, "A dead letter's id.")},
        problems=(404,),
    ),
    Route(
        "event_why",
        "GET",
        "events/{id}/why",
        "reader",
        "Why an event did what it did, or nothing",
        asking.why_event,
        Why,
        values={"id": (CLAIM, "An event's id in the ledger.")},
        problems=(404,),
    ),
    Route(
        "why",
        "GET",
        "why",
        "reader",
        "Why something happened, or did not",
        asking.why,
        Why,
        query=WhyQuery,
        problems=(404,),
    ),
    Route(
        "receipt",
        "GET",
        "models/{name}/versions/{version}/receipt",
        "reader",
        "What led to a model version",
        asking.received,
        Receipt,
        values={
            "name": (r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,254}$", "A model's name."),
            "version": (r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,254}$", "Its version."),
        },
        problems=(404,),
        kinds=("text/html",),
    ),
    Route(
        "files_used_by",
        "GET",
        "files/used-by",
        "reader",
        "Which models a file went into",
        asking.files_used_by,
        UsedBy,
        query=UsedByQuery,
        problems=(404,),
    ),
    Route(
        "endpoints",
        "GET",
        "endpoints",
        "reader",
        "What serves which model",
        serving.endpoints,
        Page[EndpointShown],
    ),
    Route(
        "checkup",
        "GET",
        "checkup",
        "reader",
        "Whether all that the hub needs is there, and what mends it",
        asking.checked_up,
        Checkup,
    ),
    Route(
        "audit",
        "GET",
        "audit",
        "reader",
        "Who did what, newest first",
        reading.audit,
        Page[AuditView],
        query=AuditQuery,
    ),
    Route(
        "audit_verify",
        "GET",
        "audit/verify",
        "reader",
        "Whether the audit trail is as it was written",
        reading.audit_verify,
        VerifiedView,
    ),
)
