"""The publishing side: `POST /topics/{name}/api/events`, checked as the service checks it."""

import hmac
import logging
from collections.abc import Mapping
from typing import Any, Final

from aiohttp import web

from local.eventgrid.grid import Grid
from local.eventgrid.journal import JournalError
from local.eventgrid.publishing import PublishError, read_events
from local.eventgrid.sas import is_valid

logger = logging.getLogger("eventgrid.topics")

MAX_BODY: Final = 1024 * 1024
"""Bytes of a request, and of an event (https://learn.microsoft.com/azure/event-grid/quotas-limits)."""


class Topics:
    """Answers publishers. `key` is what `aeg-sas-key` must hold, or sign."""

    def __init__(self, grid: Grid, key: str) -> None:
        self._grid = grid
        self._key = key

    def add_routes(self, application: web.Application) -> None:
        """Add the routes."""
        application.router.add_post("/topics/{name}/api/events", self._publish)
        application.router.add_get("/validate/{subscription}", self._validate)

    def _may(self, request: web.Request) -> bool:
        given = request.headers.get("aeg-sas-key", "")
        if given:
            return hmac.compare_digest(given.encode(), self._key.encode())
        token = request.headers.get("aeg-sas-token", "") or request.headers.get("authorization", "")
        return is_valid(token.removeprefix("SharedAccessSignature "), self._key, str(request.url.with_query(None)))

    async def _publish(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        topic = self._grid.routes.topics.get(name)
        if topic is None:
            return problem(404, f"there is no topic {name!r} on this machine")
        if not self._may(request):
            return problem(401, "The request authorization key is not authorized for this topic.")
        body = await request.content.read(MAX_BODY + 1)
        while len(body) <= MAX_BODY and (more := await request.content.read(MAX_BODY + 1)):
            body += more
        if len(body) > MAX_BODY:
            return problem(413, f"The maximum size ({MAX_BODY}) has been exceeded.")
        try:
            schema, events = read_events(body, request.headers, topic.schemas, self._grid.topic_id(name))
        except PublishError as error:
            return problem(400, str(error), error.code)
        try:
            await self._grid.publish(name, schema, events)
        except JournalError as error:
            return problem(503, str(error))
        return web.Response(status=200)

    async def _validate(self, request: web.Request) -> web.Response:
        found = self._grid.subscribers.get(request.match_info["subscription"])
        agree = getattr(found.destination, "agree", None) if found else None
        if agree is None or request.query.get("id") != getattr(found and found.destination, "validation_code", ""):
            return problem(404, "there is no such validation")
        agree()
        return web.json_response("Webhook successfully validated as a subscription endpoint")


def problem(status: int, text: str, detail: str = "") -> web.Response:
    """Give an error as the service writes it."""
    code = _CODES.get(status, "InternalServerError")
    error: Mapping[str, Any] = {"code": code, "message": text, "details": [{"code": detail or code, "message": text}]}
    return web.json_response({"error": error}, status=status)


_CODES: Final = {
    400: "BadRequest",
    401: "Unauthorized",
    404: "NotFound",
    413: "RequestEntityTooLarge",
    503: "ServiceUnavailable",
}
