"""The host's web side: routes of HTTP functions, and the way to the Event Grid webhook and the admin API.

As the host answers (FunctionsController, FunctionInvocationMiddleware): no route 404, no key or an unknown one 401, a
key of another kind 403, a function that fails or whose output cannot be written 500 without a body.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Any, Final

from aiohttp import web

from local.functions import datums
from local.functions.admin import Admin
from local.functions.invoker import Invoker
from local.functions.keys import Claim, Keys, refusal
from local.functions.routing import Router
from local.functions.webhook import EventGridWebhook
from local.functions.worker import FunctionSpec, InvocationError

logger = logging.getLogger("host.web")

HTTP_LIMIT: Final = 230.0
"""Seconds after which Azure's front end cuts an answer off."""
_MAX_BODY: Final = 100 * 1024 * 1024
_LEVELS: Final[Mapping[str, Claim]] = {"anonymous": "", "function": "function", "admin": "admin"}


class Web:
    """Answers HTTP for the functions of an app. `secrets`: eventgrid (the webhook's key) and master."""

    def __init__(
        self, specs: Sequence[FunctionSpec], prefix: str, invoker: Invoker, secrets: Mapping[str, str], worker: str
    ) -> None:
        named = {spec.name.lower(): spec for spec in specs}
        enabled = {name: spec for name, spec in named.items() if not spec.disabled}
        self._router = Router([spec for spec in enabled.values() if spec.trigger["type"] == "httpTrigger"], prefix)
        self._invoker = invoker
        self._keys = Keys(secrets)
        webhook = EventGridWebhook(enabled, invoker, self._keys)
        admin = Admin(named, invoker, self._keys, worker)
        self.application = web.Application(client_max_size=_MAX_BODY)
        self.application.router.add_route("*", "/runtime/webhooks/eventgrid", webhook.answer)
        self.application.router.add_route("*", "/admin/{path:.*}", admin.answer)
        self.application.router.add_get("/", self._home)
        self.application.router.add_route("*", "/{path:.*}", self._http)

    async def _home(self, request: web.Request) -> web.Response:
        return web.Response(text="Your Functions app is up and running")

    async def _http(self, request: web.Request) -> web.StreamResponse:
        found = self._router.find(request.method, request.rel_url.raw_path)
        if found is None:
            return web.Response(status=404)
        spec, values = found
        needed = _LEVELS[str(spec.trigger.get("authLevel", "function")).lower()]
        if needed and (refused := refusal(self._keys.claim(request, spec.name), needed)):
            return web.Response(status=refused)
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
