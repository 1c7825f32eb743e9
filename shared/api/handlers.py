"""Answers requests: who may, whether what is asked is sound, then the route's handler; every error is a problem."""

import contextlib
import logging
import re
from collections.abc import Iterator
from typing import Any, Final

import azure.functions as func
import msgspec
from pydantic import BaseModel, ValidationError

from shared.api.access import Caller, authorise
from shared.api.problems import ProblemError
from shared.api.routes import Call, Reply, Route
from shared.api.table import ROUTES
from shared.bootstrap import Hub, hub
from shared.engine.outcomes import TransientError
from shared.ledger.journal import UndecidedError
from shared.ledger.protocol import ChangedError, NotFoundError, StoreError
from shared.settings import SettingsError
from shared.telemetry import places

logger = logging.getLogger(__name__)

MOST_AT_ONCE: Final = 100
"""Requests answered at once by one instance; more are asked to come again, so that none of them times out."""
_SHOWN_ERRORS: Final = 20
_NOBODY: Final = Caller("nobody", frozenset())


class Gate:
    """Counts the requests under way, and refuses those over the most."""

    def __init__(self, most: int = MOST_AT_ONCE) -> None:
        self.most = most
        self.under_way = 0

    @contextlib.contextmanager
    def enter(self) -> Iterator[None]:
        """Go in; raises ProblemError 429 where too many are in already."""
        if self.under_way >= self.most:
            raise ProblemError(
                429,
                "Too many requests",
                "come again in a few seconds, or send less at once",
                headers={"Retry-After": "5"},
            )
        self.under_way += 1
        try:
            yield
        finally:
            self.under_way -= 1


gate = Gate()


async def handle(request: func.HttpRequest, name: str) -> func.HttpResponse:
    """Answer a request to the route of that name, if the caller may."""
    route = ROUTES[name]
    try:
        if route.name == "health":
            return _answer(route, Reply('{"status":"ok"}'))
        with gate.enter():
            return await respond(request, route, await hub())
    except ProblemError as problem:
        return _problem(problem)
    except SettingsError:
        logger.exception("the hub is not configured")
        return _problem(ProblemError(503, "Not configured", "see the log of the app", headers={"Retry-After": "60"}))


async def respond(request: func.HttpRequest, route: Route, this: Hub) -> func.HttpResponse:
    """Answer a request by this hub."""
    try:
        caller = _NOBODY if route.role is None else authorise(request.headers, this.settings, route.role)
        call = _checked(request, route, this, caller)
        # What a person or a pipeline starts belongs to the trace of the request; events have traces of their own.
        caused = None if route.name == "events_post" else places.parse(request.headers.get("traceparent"))
        with places.inside(caused):
            made = await route.handler(call)
        return _answer(route, made if isinstance(made, Reply) else Reply(made))
    except ProblemError as problem:
        return _problem(problem)
    except NotFoundError as error:
        return _problem(ProblemError(404, "Not found", str(error)))
    except (UndecidedError, ChangedError):
        detail = "another instance works on the same: send again in a few seconds"
        return _problem(ProblemError(503, "Busy", detail, headers={"Retry-After": "5"}))
    except StoreError as error:
        logger.exception("route %s", route.name)
        return _problem(
            ProblemError(503, "Storage does not answer", type(error).__name__, headers={"Retry-After": "10"})
        )
    except TransientError as error:
        logger.warning("route %s: %s", route.name, error)
        return _problem(ProblemError(503, "A service does not answer", str(error), headers={"Retry-After": "10"}))
    except Exception:
        logger.exception("route %s", route.name)
        return _problem(ProblemError(500, "An error of the hub", "the log of the app has it"))


def _checked(request: func.HttpRequest, route: Route, this: Hub, caller: Caller) -> Call:
    values: dict[str, str] = {}
    for name, (pattern, described) in route.values.items():
        values[name] = str(request.route_params.get(name) or "")
        if not re.fullmatch(pattern, values[name]) or values[name].endswith("\n"):
            raise ProblemError(404, "Not found", f"{values[name][:128]!r} is not {_lower(described)}")
    body = request.get_body()
    if len(body) > route.max_body:
        raise ProblemError(413, "Too large", f"a body has at most {route.max_body} bytes; this one has {len(body)}")
    try:
        query = route.query.model_validate_strings(dict(request.params), strict=True)
    except ValidationError as error:
        raise ProblemError(400, "Bad parameters", "see errors", errors=_shown(error)) from None
    return Call(this, caller, request, values, query, _body(route, body))


def _lower(sentence: str) -> str:
    return (sentence[:1].lower() + sentence[1:]).rstrip(".")


def _body(route: Route, body: bytes) -> BaseModel | None:
    if route.takes is None:
        return None
    text = body or b"{}"
    try:
        return route.takes.model_validate_json(text)
    except ValidationError as error:
        unread = any(one["type"] == "json_invalid" for one in error.errors(include_url=False, include_context=False))
        if unread:
            raise ProblemError(400, "Bad request", "the body is no JSON") from None
        raise ProblemError(422, "The body does not fit", "see errors", errors=_shown(error)) from None


def _shown(error: ValidationError) -> list[dict[str, str]]:
    found = error.errors(include_url=False, include_context=False, include_input=False)
    return [
        {"at": ".".join(map(str, one["loc"]))[:200], "message": str(one["msg"])[:500]} for one in found[:_SHOWN_ERRORS]
    ]


def _answer(route: Route, reply: Reply) -> func.HttpResponse:
    body = reply.body
    text = body.model_dump_json(by_alias=True) if isinstance(body, BaseModel) else body or ""
    return _response(text.encode(), reply.status or route.status, reply.kind, dict(reply.headers))


def _problem(problem: ProblemError) -> func.HttpResponse:
    headers = dict(problem.headers)
    if problem.status == 401:
        headers["WWW-Authenticate"] = 'ApiKey realm="hub", header="x-functions-key"'
    return _response(_encoded(problem.body), problem.status, "application/problem+json", headers)


def _encoded(body: dict[str, Any]) -> bytes:
    try:
        return msgspec.json.encode(body)
    except UnicodeEncodeError:
        text = {
            name: value.encode("utf-8", "replace").decode() if isinstance(value, str) else value
            for name, value in body.items()
        }
        return msgspec.json.encode(text)


def _response(body: bytes, status: int, kind: str, headers: dict[str, str]) -> func.HttpResponse:
    headers |= {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}
    return func.HttpResponse(body, status_code=status, mimetype=kind, headers=headers)
