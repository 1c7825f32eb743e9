"""What each route answers: authorised in one place, errors as problems, lists with a token to go on."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import azure.functions as func
import msgspec

from shared.api.access import Caller, caller_of_key
from shared.api.problems import ProblemError
from shared.bootstrap import Hub, hub
from shared.ledger.journal import UndecidedError
from shared.ledger.protocol import ChangedError, NotFoundError, StoreError
from shared.ledger.records import Activity, FileList, decode
from shared.ledger.unfinished import Unfinished

logger = logging.getLogger(__name__)

_MOST: Final = 200
_MAX_BODY: Final = 8 * 1024 * 1024
_MAX_EVENTS: Final = 5000


@dataclass(frozen=True, slots=True)
class _Call:
    hub: Hub
    request: func.HttpRequest
    caller: Caller

    def parameter(self, name: str, default: str = "") -> str:
        return str(self.request.params.get(name) or default)

    def route(self, name: str) -> str:
        return str(self.request.route_params.get(name) or "")

    def limit(self) -> int:
        text = self.parameter("limit", "50")
        if not text.isdigit() or not 1 <= int(text) <= _MOST:
            raise ProblemError(400, "Bad limit", f"limit is {text!r}: 1 to {_MOST} is expected")
        return int(text)


Handler = Callable[[_Call], Awaitable[tuple[int, Any]]]


async def handle(request: func.HttpRequest, route: str) -> func.HttpResponse:
    """Answer a request to a route by its handler, if the caller may."""
    try:
        role, handler = _ROUTES[route]
        this = await hub()
        caller = caller_of_key(request.headers.get("x-functions-key", ""), this.settings.keys)
        if caller is None:
            raise ProblemError(401, "Unauthorized", "give a key of the hub in the header x-functions-key")
        if role not in caller.roles:
            raise ProblemError(403, "Forbidden", f"this needs the role {role}; {caller.name} has not got it")
        status, body = await handler(_Call(this, request, caller))
    except ProblemError as problem:
        return _answer(problem.status, problem.body, "application/problem+json")
    except NotFoundError as error:
        return _answer(404, ProblemError(404, "Not found", str(error)).body, "application/problem+json")
    except (UndecidedError, ChangedError):
        body = ProblemError(503, "Busy", "another instance works on the same: send again in a few seconds").body
        return _answer(503, body, "application/problem+json", {"Retry-After": "5"})
    except StoreError as error:
        logger.exception("route %s", route)
        body = ProblemError(503, "Storage does not answer", type(error).__name__).body
        return _answer(503, body, "application/problem+json", {"Retry-After": "10"})
    return _answer(status, body, "application/json")


def _answer(status: int, body: Any, kind: str, headers: dict[str, str] | None = None) -> func.HttpResponse:
    return func.HttpResponse(msgspec.json.encode(body), status_code=status, mimetype=kind, headers=headers)


async def _automations(call: _Call) -> tuple[int, Any]:
    catalogue = call.hub.rulebook.catalogue
    items = [
        {
            "name": loaded.automation.name,
            "description": loaded.automation.description,
            "action": loaded.automation.do.kind,
            "valid": True,
            "content": loaded.content,
            "file": f"{loaded.file}:{loaded.line}",
            "inputs": {name: value.model_dump() for name, value in loaded.automation.inputs.items()},
        }
        for loaded in catalogue.automations.values()
    ]
    items += [
        {"name": key, "valid": False, "problems": [str(problem) for problem in problems]}
        for key, problems in catalogue.invalid.items()
    ]
    if not (name := call.route("name")):
        return 200, {"items": items, "next": None}
    for item in items:
        if item["name"] == name:
            return 200, item
    raise ProblemError(404, "Not found", f"there is no automation {name!r}")


async def _automation_run(call: _Call) -> tuple[int, Any]:
    name = call.route("name")
    key = call.request.headers.get("Idempotency-Key", "")
    if len(key) > 200:
        raise ProblemError(400, "Bad Idempotency-Key", "at most 200 characters are expected")
    body = _json(call)
    inputs = body.get("inputs", {}) if isinstance(body, dict) else None
    if not isinstance(inputs, dict):
        raise ProblemError(400, "Bad request", 'the body is {"inputs": {…}} or empty')
    now = call.hub.clock()
    try:
        identifier, new = await call.hub.rulebook.open_by_hand(
            name, inputs, call.caller.name, key or now.isoformat(), now
        )
    except KeyError:
        raise ProblemError(404, "Not found", f"there is no valid automation {name!r}") from None
    except ValueError as error:
        raise ProblemError(422, "Inputs do not fit", str(error)) from None
    return 202, {"id": identifier, "new": new}


def _json(call: _Call) -> Any:
    body = call.request.get_body()
    if len(body) > _MAX_BODY:
        raise ProblemError(413, "Too large", f"a body has at most {_MAX_BODY} bytes")
    if not body:
        return {}
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise ProblemError(400, "Bad request", "the body is no JSON") from None


async def _activities(call: _Call) -> tuple[int, Any]:
    if identifier := call.route("id"):
        activity, _ = await call.hub.activities.load(identifier)
        return 200, await _shown(call.hub, activity, whole=True)
    limit, now = call.limit(), call.hub.clock()
    since = _moment(call.parameter("since")) or now - timedelta(days=30)
    automation, status = call.parameter("automation"), call.parameter("status")
    found: list[Any] = []
    last = ""
    async for activity in call.hub.activities.newest(now, until=since, before=_token(call)):
        if activity.created < since:
            break
        if (automation and activity.automation != automation) or (status and activity.status != status):
            continue
        if len(found) == limit:
            return 200, {"items": found, "next": last}
        found.append(await _shown(call.hub, activity, whole=False))
        last = activity.id
    return 200, {"items": found, "next": None}


def _token(call: _Call) -> str:
    token = call.parameter("token")
    if token and not (len(token) == 26 and token[:8].isdigit() and token[8] == "t" and token[9:15].isdigit()):
        raise ProblemError(400, "Bad token", "give the `next` of the page before")
    return token


def _moment(text: str) -> datetime | None:
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text.replace(" ", "+"))
    except ValueError:
        raise ProblemError(400, "Bad time", f"{text!r} is no ISO 8601 time") from None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


async def _shown(this: Hub, activity: Activity, *, whole: bool) -> dict[str, Any]:
    cause = msgspec.to_builtins(activity.cause)
    body: dict[str, Any] = {
        "id": activity.id,
        "automation": activity.automation,
        "action": activity.action,
        "status": activity.status,
        "attempt": activity.attempt,
        "cause": cause,
        "files": {"count": activity.files.count, "size": activity.files.size},
        "steps": [
            {
                "name": step.name,
                "state": step.state,
                "started": step.started,
                "ended": step.ended,
                "reason": step.reason,
                "detail": step.detail,
            }
            for step in activity.steps
        ],
        "created": activity.created,
        "updated": activity.updated,
        "reason": activity.reason,
        "content": activity.content,
    }
    if whole and activity.files.blob:
        members = decode(FileList, await this.store.blobs.get(activity.files.blob)).files
        body["files"]["items"] = [msgspec.to_builtins(file) for file in members[:_MAX_EVENTS]]
    return body


async def _events(call: _Call) -> tuple[int, Any]:
    page, token = await call.hub.journal.newest(limit=call.limit(), before=call.parameter("token"))
    items = [
        {
            "id": event.claim,
            "received": received,
            "type": event.event.get("eventType", event.event.get("type", "")),
            "subject": event.event.get("subject", ""),
            "via": event.via,
            "outcomes": [msgspec.to_builtins(outcome) for outcome in event.outcomes],
        }
        for received, event in page
    ]
    return 200, {"items": items, "next": token or None}


async def _events_post(call: _Call) -> tuple[int, Any]:
    body = call.request.get_body()
    if len(body) > _MAX_BODY:
        raise ProblemError(413, "Too large", f"a request has at most {_MAX_BODY} bytes")
    parsed = _json(call)
    items = parsed if isinstance(parsed, list) else [parsed]
    if len(items) > _MAX_EVENTS:
        raise ProblemError(413, "Too many events", f"a request has at most {_MAX_EVENTS} events")
    code = _validation_code(items)
    if code:
        return 200, {"validationResponse": code}
    accepted = await call.hub.intake.accept(body, call.hub.clock(), call.caller.name)
    return 200, {"new": accepted.new, "known": accepted.known, "broken": accepted.broken}


def _validation_code(items: list[Any]) -> str:
    for item in items:
        if isinstance(item, dict) and item.get("eventType") == "Microsoft.EventGrid.SubscriptionValidationEvent":
            data = item.get("data")
            return str(data.get("validationCode", "")) if isinstance(data, dict) else ""
    return ""


async def _collections(call: _Call) -> tuple[int, Any]:
    items = []
    for entry in await Unfinished(call.hub.store).all("collection"):
        found = await call.hub.collections.head(entry.name)
        if found is None or found[0].state == "idle":
            continue
        head = found[0]
        gathered = await call.hub.collections.gathered(entry.name, head.generation)
        items.append(
            {
                "id": entry.name,
                "automation": head.automation,
                "by": head.by,
                "generation": head.generation,
                "state": head.state,
                "opened": head.opened,
                "files": len(gathered.files),
                "size": gathered.size,
                "last": gathered.arrived,
                "marker": gathered.marked is not None,
            }
        )
    return 200, {"items": items, "next": None}


async def _collection_close(call: _Call) -> tuple[int, Any]:
    name = call.route("id")
    if not await call.hub.gatherer.ask(name, f"closed by {call.caller.name}"):
        raise ProblemError(404, "Not found", f"no collection {name!r} is open")
    return 202, {"id": name}


async def _status(call: _Call) -> tuple[int, Any]:
    this = call.hub
    queues = {}
    for name in (this.settings.events_queue, this.settings.work_queue):
        count, age = await this.store.queue(name).depth()
        queues[name] = {"messages": count, "oldest-seconds": round(age, 1)}
    unfinished = Unfinished(this.store)
    return 200, {
        "hub": this.settings.hub_id,
        "time": this.clock(),
        "queues": queues,
        "open": {kind: len(await unfinished.all(kind)) for kind in ("activity", "collection")},
        "automations": {
            "valid": len(this.rulebook.catalogue.automations),
            "invalid": {
                key: [str(problem) for problem in problems] for key, problems in this.rulebook.catalogue.invalid.items()
            },
        },
    }


_ROUTES: Final[dict[str, tuple[str, Handler]]] = {
    "automations": ("reader", _automations),
    "automation_run": ("operator", _automation_run),
    "activities": ("reader", _activities),
    "events": ("reader", _events),
    "events_post": ("publisher", _events_post),
    "collections": ("reader", _collections),
    "collection_close": ("operator", _collection_close),
    "status": ("reader", _status),
}
