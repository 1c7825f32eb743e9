"""The pages: which template shows what, for which address."""

import re
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, get_args
from urllib.parse import urlencode

from shared import receipt_page
from shared.api.models import (
    ActivityView,
    AuditView,
    AutomationView,
    CollectionView,
    DeadLetterView,
    EventView,
    HoldView,
    Page,
)
from shared.api.problems import ProblemError
from shared.api.table import ROUTES
from shared.dashboard import drifting, now, serving, telling, timeline, wording
from shared.dashboard.asking import Desk
from shared.dashboard.sessions import Session
from shared.ledger.records import ActivityStatus
from shared.receipt import Receipt
from shared.why.answer import Why

Query = Mapping[str, str]
Context = dict[str, Any]
PAGE_SIZE: Final = "50"
OUTCOMES: Final = ("collected", "opened", "woke", "marked", "folded", "ignored", "quarantined")


@dataclass(frozen=True, slots=True)
class Shown:
    """A page: its template, its place in the menu, its title and what it shows; or a document that is whole already."""

    template: str
    menu: str
    title: str
    context: Context
    document: str = ""


Maker = Callable[[Desk, Query, tuple[str, ...]], Awaitable[Shown]]


async def first(desk: Desk, query: Query, parts: tuple[str, ...]) -> Shown:
    """What needs somebody, and what goes on."""
    shown = await now.now(desk)
    count = len(shown["needs"])
    return Shown("now.html", "now", f"({count}) Now" if count else "Now", shown)


async def activities(desk: Desk, query: Query, parts: tuple[str, ...]) -> Shown:
    """Activities, newest first."""
    asked = _some(query, "automation", "status", "token")
    page = await desk.ask("activities", Page[ActivityView], query={"limit": PAGE_SIZE, **asked})
    rules = await desk.ask("automations", Page[AutomationView])
    context = {
        "items": page.items,
        "next": _next("/activities", asked, page.next),
        "asked": {**dict.fromkeys(("automation", "status", "outcome", "token"), ""), **asked},
        "automations": [rule.name for rule in rules.items if rule.valid],
        "statuses": get_args(ActivityStatus),
    }
    return Shown("activities.html", "activities", "Activities", context)


async def activity(desk: Desk, query: Query, parts: tuple[str, ...]) -> Shown:
    """One activity from cause to effect."""
    found = await desk.ask("activity", ActivityView, {"id": parts[0]})
    acts = [kind for kind in timeline.acts_on(found) if desk.may(_route_of(kind))]
    context = {
        "activity": found,
        "acts": acts,
        "happened": timeline.happened(found),
        "receipts": desk.may("receipt"),
        **timeline.story(found, desk.now),
    }
    return Shown("activity.html", "activities", f"{found.automation} {found.status}", context)


def _route_of(kind: str) -> str:
    return "hold_release" if kind == "release" else f"activity_{kind}"


async def automations(desk: Desk, query: Query, parts: tuple[str, ...]) -> Shown:
    """The automations, valid or not, with when each last began something."""
    rules = await desk.ask("automations", Page[AutomationView])
    last: dict[str, ActivityView] = {}
    for one in (await desk.ask("activities", Page[ActivityView], query={"limit": "200"})).items:
        last.setdefault(one.automation, one)
    context = {
        "items": rules.items,
        "last": last,
        "may_act": desk.may("automation_pause"),
        "may_run": desk.may("automation_run"),
        "once": secrets.token_hex(12),
    }
    return Shown("automations.html", "automations", "Automations", context)


async def collections(desk: Desk, query: Query, parts: tuple[str, ...]) -> Shown:
    """What is gathering, and how far it is."""
    found = await desk.ask("collections", Page[CollectionView])
    limits = {}
    for one in found.items:
        head = await desk.hub.collections.head(one.id)
        if head is not None:
            limits[one.id] = await desk.hub.rulebook.rule(head[0])
    context = {"items": found.items, "limits": limits, "may_act": desk.may("collection_close")}
    return Shown("collections.html", "collections", "Collections", context)


async def holds(desk: Desk, query: Query, parts: tuple[str, ...]) -> Shown:
    """What is kept back, and why."""
    found = await desk.ask("holds", Page[HoldView])
    context = {"items": found.items, "may_act": desk.may("hold_release")}
    return Shown("holds.html", "now", "Held", context)


async def events(desk: Desk, query: Query, parts: tuple[str, ...]) -> Shown:
    """Events with what became of them."""
    asked = _some(query, "outcome", "token")
    page = await desk.ask("events", Page[EventView], query={"limit": PAGE_SIZE, **asked})
    context = {
        "items": page.items,
        "next": _next("/events", asked, page.next),
        "asked": {**dict.fromkeys(("automation", "status", "outcome", "token"), ""), **asked},
        "outcomes": OUTCOMES,
    }
    return Shown("events.html", "events", "Events", context)


async def event(desk: Desk, query: Query, parts: tuple[str, ...]) -> Shown:
    """Why an event did what it did."""
    why = await desk.ask("event_why", Why, {"id": parts[0]})
    return Shown("why.html", "events", "Why", {"why": why, "subject": why.asked})


async def why(desk: Desk, query: Query, parts: tuple[str, ...]) -> Shown:
    """Why something happened, or did not."""
    subject = query.get("subject", "").strip()
    found, problem = None, ""
    if subject:
        try:
            found = await desk.ask("why", Why, query={"subject": subject})
        except ProblemError as error:
            problem = str(error.body.get("detail") or error.body["title"])
    return Shown("why.html", "events", "Why", {"why": found, "subject": subject, "problem": problem})


async def dead_letters(desk: Desk, query: Query, parts: tuple[str, ...]) -> Shown:
    """What could not be delivered, read or worked on."""
    asked = _some(query, "token")
    page = await desk.ask("dead_letters", Page[DeadLetterView], query={"limit": PAGE_SIZE, **asked})
    context = {"items": page.items, "next": _next("/dead-letters", asked, page.next)}
    return Shown("dead_letters.html", "dead-letters", "Dead letters", context)


async def dead_letter(desk: Desk, query: Query, parts: tuple[str, ...]) -> Shown:
    """One dead letter with its content."""
    found = await desk.ask("dead_letter", DeadLetterView, {"id": parts[0]})
    context = {"letter": found, "content": wording.readable(found.content or ""), "may_act": desk.may("replay")}
    return Shown("dead_letter.html", "dead-letters", "Dead letter", context)


async def endpoints(desk: Desk, query: Query, parts: tuple[str, ...]) -> Shown:
    """Endpoints with their traffic, and the analysis of the last rollouts."""
    context = {"items": await serving.endpoints(desk), "may_act": desk.may("endpoint_rollback")}
    return Shown("endpoints.html", "endpoints", "Endpoints", context)


async def models(desk: Desk, query: Query, parts: tuple[str, ...]) -> Shown:
    """Model versions that were made here lately."""
    return Shown("models.html", "models", "Models", {"items": await serving.models(desk)})


async def receipt(desk: Desk, query: Query, parts: tuple[str, ...]) -> Shown:
    """What led to a model version."""
    found = await desk.ask("receipt", Receipt, {"name": parts[0], "version": parts[1]})
    return Shown("receipt.html", "models", f"{found.model} {found.version}", {"receipt": found})


async def drift(desk: Desk, query: Query, parts: tuple[str, ...]) -> Shown:
    """What monitors found, and what it deserved."""
    return Shown("drift.html", "drift", "Drift", {"items": await drifting.monitors(desk)})


async def notifications(desk: Desk, query: Query, parts: tuple[str, ...]) -> Shown:
    """Who is told, and what did not reach them."""
    return Shown("notifications.html", "notifications", "Notifications", {"items": await telling.channels(desk)})


async def sheet(desk: Desk, query: Query, parts: tuple[str, ...]) -> Shown:
    """The same, to be printed."""
    found = await desk.ask("receipt", Receipt, {"name": parts[0], "version": parts[1]})
    return Shown("", "models", found.model, {}, receipt_page.page(found))


async def audit(desk: Desk, query: Query, parts: tuple[str, ...]) -> Shown:
    """Who did what."""
    asked = _some(query, "token")
    page = await desk.ask("audit", Page[AuditView], query={"limit": PAGE_SIZE, **asked})
    context = {"items": page.items, "next": _next("/audit", asked, page.next), "older": "token" in asked}
    return Shown("audit.html", "audit", "Audit", context)


def _some(query: Query, *names: str) -> dict[str, str]:
    return {name: query[name] for name in names if query.get(name)}


def _next(path: str, asked: Mapping[str, str], token: str | None) -> str:
    return f"{path}?{urlencode({**asked, 'token': token})}" if token else ""


_ALL: Final[tuple[tuple[str, str, Maker], ...]] = (
    ("", "status", first),
    ("activities", "activities", activities),
    (r"activities/([^/]+)", "activity", activity),
    ("automations", "automations", automations),
    ("collections", "collections", collections),
    ("holds", "holds", holds),
    ("events", "events", events),
    (r"events/([^/]+)", "event_why", event),
    ("why", "why", why),
    ("dead-letters", "dead_letters", dead_letters),
    (r"dead-letters/([^/]+)", "dead_letter", dead_letter),
    ("endpoints", "endpoints", endpoints),
    ("models", "receipt", models),
    (r"models/([^/]+)/versions/([^/]+)", "receipt", receipt),
    (r"models/([^/]+)/versions/([^/]+)/sheet", "receipt", sheet),
    ("drift", "activities", drift),
    ("notifications", "dead_letters", notifications),
    ("audit", "audit", audit),
)


def find(path: str) -> tuple[str, Maker, tuple[str, ...]] | None:
    """Give route, maker and parts of a page's address, or None."""
    for pattern, route, maker in _ALL:
        if match := re.fullmatch(pattern, path):
            return route, maker, match.groups()
    return None


def shows(session: Session, menu: str, route: str) -> bool:
    """Tell whether the menu shows a page: it exists, and whoever looks has the role that it needs."""
    exists = any(path == ("" if menu == "now" else menu) for path, _, _ in _ALL)
    return exists and route in ROUTES and (not ROUTES[route].role or ROUTES[route].role in session.caller.roles)
