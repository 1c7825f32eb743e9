"""The host's web side: routes of HTTP functions, the Event Grid webhook, the admin API.

Statuses of the webhook follow the extension's source (EventGridEvents/HttpRequestProcessor): no key 401, a key of
another kind 403, unknown function 404, no aeg-event-type header 400, validation 200, accepted 202, a failing event 500.
"""

import asyncio
import hmac
import json
import logging
from collections.abc import Mapping, Sequence
from typing import Any, Final

from aiohttp import web

from local.functions import datums
from local.functions.invoker import Invoker
from local.functions.routing import Router
from local.functions.worker import FunctionSpec, InvocationError

logger = logging.getLogger("host.web")

HTTP_LIMIT: Final = 230.0
"""Seconds after which Azure's front end cuts an answer off."""
_MAX_BODY: Final = 100 * 1024 * 1024


class Web:
    """Answers HTTP for the functions of an app. `keys`: eventgrid (the webhook's) and master (admin and functions)."""

    def __init__(
        self, specs: Sequence[FunctionSpec], prefix: str, invoker: Invoker, keys: Mapping[str, str], worker: str
    ) -> None:
        self._specs = {spec.name.lower(): spec for spec in specs}
        self._router = Router([spec for spec in specs if spec.trigger["type"] == "httpTrigger"], prefix)
        self._invoker = invoker
        self._keys = keys
        self._worker = worker
        self.application = web.Application(client_max_size=_MAX_BODY)
        self.application.router.add_route("*", "/runtime/webhooks/eventgrid", self._eventgrid)
        self.application.router.add_route("*", "/admin/{path:.*}", self._admin)
        self.application.router.add_get("/", self._home)
        self.application.router.add_route("*", "/{path:.*}", self._http)

    async def _home(self, request: web.Request) -> web.Response:
        return web.Response(text="Your Functions app is up and running")

    def _has(self, request: web.Request, *names: str) -> bool:
        given = request.headers.get("x-functions-key") or request.query.get("code") or ""
        return bool(given) and any(hmac.compare_digest(given.encode(), self._keys[name].encode()) for name in names)

    async def _http(self, request: web.Request) -> web.StreamResponse:
        found = self._router.find(request.method, request.path)
        if found is None:
            return web.Response(status=404)
        spec, values = found
        level = str(spec.trigger.get("authLevel", "function")).lower()
        if level != "anonymous" and not self._has(request, "master"):
            return web.Response(status=401)
        body = await request.read()
        value = datums.http(
            request.method, str(request.url), dict(request.headers.items()), dict(request.query.items()), values, body
        )
        try:
            async with asyncio.timeout(HTTP_LIMIT):
                result = await self._invoker.call(spec, value, traceparent=request.headers.get("traceparent", ""))
        except TimeoutError:
            return web.Response(status=502, text="The function did not answer within 230 s")
        except InvocationError:
            return web.Response(status=500)
        return _response(result.returned)

    async def _eventgrid(self, request: web.Request) -> web.Response:
        if request.method == "OPTIONS":
            origin = request.headers.get("WebHook-Request-Origin", "*")
            return web.Response(headers={"Webhook-Allowed-Origin": origin, "Webhook-Allowed-Rate": "*"})
        if not (request.headers.get("x-functions-key") or request.query.get("code")):
            return web.Response(status=401)
        if not self._has(request, "eventgrid", "master"):
            return web.Response(status=403)
        spec = self._specs.get(request.query.get("functionName", "").lower())
        if spec is None or spec.trigger["type"] != "eventGridTrigger":
            name = request.query.get("functionName", "")
            return web.Response(status=404, text=f"cannot find function: '{name}'")
        kind = request.headers.get("aeg-event-type", "").lower()
        body = await request.read()
        try:
            parsed = json.loads(body or b"null")
        except ValueError:
            return web.Response(status=400, text="the body is no JSON")
        events = parsed if isinstance(parsed, list) else [parsed]
        if kind == "subscriptionvalidation":
            return web.json_response({"validationResponse": events[0]["data"]["validationCode"]})
        if kind == "unsubscribe":
            return web.Response(status=202)
        if kind != "notification" and not (events and isinstance(events[0], dict) and "specversion" in events[0]):
            return web.Response(status=400, text="the header aeg-event-type is missing or unknown")
        calls = [self._invoker.call(spec, datums.event(event)) for event in events]
        results = await asyncio.gather(*calls, return_exceptions=True)
        failed = [result for result in results if isinstance(result, BaseException)]
        return web.Response(status=500, text=str(failed[0])) if failed else web.Response(status=202)

    async def _admin(self, request: web.Request) -> web.Response:
        path = request.match_info["path"].strip("/").lower()
        if path == "host/ping":
            return web.Response()
        if not self._has(request, "master"):
            return web.Response(status=401)
        if path == "host/status":
            counts = {name: getattr(self._invoker, name) for name in ("calls", "failures", "running")}
            return web.json_response({"state": "Running", "worker": self._worker, **counts})
        if path == "functions":
            items = [{"name": spec.name, "config": {"bindings": list(spec.bindings)}} for spec in self._specs.values()]
            return web.json_response(items)
        if path.startswith("functions/") and request.method == "POST":
            return await self._by_hand(path.removeprefix("functions/"), await request.read())
        return web.Response(status=404)

    async def _by_hand(self, name: str, body: bytes) -> web.Response:
        spec = self._specs.get(name)
        if spec is None:
            return web.Response(status=404)
        given = json.loads(body or b"{}").get("input", "")
        kind = spec.trigger["type"]
        value: Any
        if kind == "timerTrigger":
            value = datums.timer({}, past_due=False)
        elif kind == "queueTrigger":
            value = datums.text(given if isinstance(given, str) else json.dumps(given))
        elif kind == "eventGridTrigger":
            value = datums.event(json.loads(given) if isinstance(given, str) else given)
        else:
            value = datums.http("POST", "/", {}, {}, {}, str(given).encode())
        try:
            await self._invoker.call(spec, value)
        except InvocationError as error:
            return web.Response(status=500, text=str(error))
        return web.Response(status=202)


def _response(datum: Any) -> web.Response:
    if datum is None:
        return web.Response(status=204)
    if datum.type != "http":
        return web.Response(body=datums.content(datum), content_type="text/plain")
    value = datum.value
    headers = {name: item.value for name, item in value["headers"].items() if name.lower() != "content-length"}
    response = web.Response(status=int(value["status_code"].value), body=value["body"].value, headers=headers)
    for cookies in value.get("cookies") or ():
        for name, morsel in cookies.items():
            response.headers.add("Set-Cookie", morsel.OutputString())
            logger.debug("cookie %s", name)
    return response
