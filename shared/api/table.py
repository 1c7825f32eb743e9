"""All routes of the API, in one table."""

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from shared.api import acting, asking, reading, receiving, sending
from shared.api.models import (
    ACTIVITY,
    AUTOMATION,
    CLAIM,
    COLLECTION,
    LETTER,
    ActivitiesQuery,
    ActivityView,
    ActRequest,
    AutomationView,
    BackfillRequest,
    BacktestRequest,
    Closing,
    CollectionView,
    DeadLetterView,
    EventsQuery,
    EventsTaken,
    EventView,
    Health,
    HoldView,
    Page,
    PageQuery,
    Paused,
    PauseRequest,
    ReplayRequest,
    Resumed,
    RunRequest,
    SimulateRequest,
    Started,
    Status,
    UsedByQuery,
    WhyQuery,
)
from shared.api.openapi import document
from shared.api.routes import Call, Reply, Route
from shared.backfill import Backfill
from shared.backtest.answer import Backtest
from shared.receipt import Receipt
from shared.replay import Replay
from shared.simulate.answer import Simulation
from shared.usedby import UsedBy
from shared.why.answer import Why

_NAME = {"name": (AUTOMATION, "An automation's name.")}
_ACTIVITY = {"id": (ACTIVITY, "An activity's id.")}
_COLLECTION = {"id": (COLLECTION, "A collection's id.")}
_HOLD = {"id": (f"{ACTIVITY}|{COLLECTION}", "The id of a held activity or collection.")}


async def health(call: Call) -> Health:
    """Say that the app answers, and nothing else."""
    return Health()


@lru_cache(maxsize=1)
def _described() -> str:
    return json.dumps(document(ROUTES), ensure_ascii=False)


async def openapi(call: Call) -> Reply:
    """Describe all of this."""
    return Reply(_described())


def _act(kind: acting.Kind, role: str, summary: str) -> Route:
    return Route(
        f"activity_{kind}",
        "POST",
        f"activities/{{id}}/{kind}",
        role,
        summary,
        acting.act(kind),
        ActivityView,
        takes=ActRequest,
        values=_ACTIVITY,
        headers=("If-Match",),
        problems=(404, 409, 412),
    )


_ALL: Final[tuple[Route, ...]] = (
    Route("health", "GET", "health", None, "Whether the app answers", health, Health),
    Route("openapi", "GET", "openapi.json", "", "This document", openapi, None, document=True),
    Route("status", "GET", "status", "reader", "Queues, backlog, pauses, invalid automations", reading.status, Status),
    Route(
        "pause",
        "POST",
        "pause",
        "operator",
        "Pause the whole hub: what would begin is held",
        acting.pause,
        Paused,
        takes=PauseRequest,
    ),
    Route("resume", "POST", "resume", "operator", "End the pause of the hub", acting.resume, Resumed),
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
        "automation_run",
        "POST",
        "automations/{name}/run",
        "operator",
        "Start an automation by hand; the same Idempotency-Key starts it once",
        acting.run,
        Started,
        status=202,
        takes=RunRequest,
        values=_NAME,
        headers=("Idempotency-Key",),
        problems=(404,),
    ),
    Route(
        "automation_pause",
        "POST",
        "automations/{name}/pause",
        "operator",
        "Pause one automation",
        acting.pause,
        Paused,
        takes=PauseRequest,
        values=_NAME,
        problems=(404,),
    ),
    Route(
        "automation_resume",
        "POST",
        "automations/{name}/resume",
        "operator",
        "End the pause of one automation",
        acting.resume,
        Resumed,
        values=_NAME,
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
    _act("approve", "approver", "Approve what waits for it"),
    _act("reject", "approver", "Reject what waits for approval"),
    _act("cancel", "operator", "Cancel; a job that runs is ended"),
    _act("retry", "operator", "Begin a new attempt with the same frozen inputs"),
    Route(
        "collections",
        "GET",
        "collections",
        "reader",
        "What is gathering",
        reading.collections,
        Page[CollectionView],
    ),
    Route(
        "collection_close",
        "POST",
        "collections/{id}/close",
        "operator",
        "Close a collection now",
        acting.close,
        Closing,
        status=202,
        values=_COLLECTION,
        problems=(404,),
    ),
    Route("holds", "GET", "holds", "reader", "What is kept back, and why", reading.holds, Page[HoldView]),
    Route(
        "hold_release",
        "POST",
        "holds/{id}/release",
        "operator",
        "Let go of a hold",
        acting.release,
        None,
        takes=ActRequest,
        values=_HOLD,
        headers=("If-Match",),
        problems=(404, 409, 412),
        also=(ActivityView, Closing),
    ),
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
        "simulate",
        "POST",
        "simulate",
        "reader",
        "Decide events without acting",
        asking.simulated,
        Simulation,
        takes=SimulateRequest,
        max_body=receiving.MAX_BODY,
    ),
    Route(
        "backtest",
        "POST",
        "backtest",
        "reader",
        "Compare rules with those in force over a span of history",
        asking.backtested,
        Backtest,
        takes=BacktestRequest,
        max_body=receiving.MAX_BODY,
    ),
    Route(
        "replay",
        "POST",
        "replay",
        "operator",
        "Send events again, or say what would come of it",
        sending.replay,
        Replay,
        takes=ReplayRequest,
        headers=("Idempotency-Key",),
        problems=(404,),
    ),
    Route(
        "backfill",
        "POST",
        "backfill",
        "operator",
        "Bring in files that are older than an automation, or say what they would begin",
        sending.backfilled,
        Backfill,
        takes=BackfillRequest,
        problems=(404, 409),
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
        "events_post",
        "POST",
        "events",
        "publisher",
        "Take in events of either schema, up to 5,000",
        receiving.receive,
        EventsTaken,
        raw=True,
        max_body=receiving.MAX_BODY,
    ),
    Route(
        "events_handshake",
        "OPTIONS",
        "events",
        None,
        "The handshake of CloudEvents' webhooks",
        receiving.handshake,
        None,
    ),
)
ROUTES: Final[Mapping[str, Route]] = {route.name: route for route in _ALL}
