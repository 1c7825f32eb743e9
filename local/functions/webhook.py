"""The webhook of the Event Grid extension: handshakes, and a call of the function for every event of a batch.

Statuses follow the sources: the host's HostController (the key, the verbs) and the extension's
EventGridExtensionConfigProvider and HttpRequestProcessor (Azure/azure-sdk-for-net, sdk/eventgrid): no key or an unknown
one 401, a key of another kind 403, another verb 405, unknown function 404, validation 200, no or another
`aeg-event-type` 400, a body that is no JSON 500, all events taken 202, any event failing 500, so that Event Grid sends
the whole batch again.
"""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from local.functions import datums
from local.functions.invoker import Invoker
from local.functions.keys import Keys, refusal
from local.functions.worker import FunctionSpec, InvocationError

_VERBS = frozenset({"GET", "POST", "DELETE", "OPTIONS"})


class EventGridWebhook:
    """Answers at /runtime/webhooks/eventgrid?functionName=…&code=…"""

    def __init__(self, specs: Mapping[str, FunctionSpec], invoker: Invoker, keys: Keys) -> None:
        self._specs = {spec.name: spec for spec in specs.values() if spec.trigger["type"] == "eventGridTrigger"}
        self._invoker, self._keys = invoker, keys

    async def answer(self, request: web.Request) -> web.Response:
        """Answer one request."""
        if request.method not in _VERBS:
            return web.Response(status=405, headers={"Allow": ", ".join(sorted(_VERBS))})
        if refused := refusal(self._keys.claim(request), "system"):
            return web.Response(status=refused)
        name = request.query.get("functionName", "")
        spec = self._specs.get(name)
        if spec is None:
            return web.Response(status=404, text=f"cannot find function: '{name}'")
        if request.method == "OPTIONS":
            origin = request.headers.get("WebHook-Request-Origin", "eventgrid.azure.net")
            return web.Response(headers={"Webhook-Allowed-Origin": origin, "Webhook-Allowed-Rate": "*"})
        return await self._handle(spec, request.headers.get("aeg-event-type", "").lower(), await request.read())

    async def _handle(self, spec: FunctionSpec, kind: str, body: bytes) -> web.Response:
        if kind == "unsubscribe":
            return web.Response(status=202)
        if kind not in {"subscriptionvalidation", "notification"}:
            return web.Response(status=400)
        try:
            content = json.loads(body)
            if kind == "subscriptionvalidation":
                return web.Response(text=json.dumps({"validationResponse": _code(content)}))
        except (ValueError, LookupError, TypeError):
            return web.Response(status=500)
        if not isinstance(content, list | dict):
            return web.Response(status=500)
        events = content if isinstance(content, list) else [content]
        results = await asyncio.gather(
            *(self._invoker.call(spec, datums.event(event)) for event in events), return_exceptions=True
        )
        failed = [result for result in results if isinstance(result, InvocationError)]
        return web.Response(status=500, text=str(failed[0])) if failed else web.Response(status=202)


def _code(content: Any) -> str:
    """Give the validation code; in an event that comes without its list, the data is JSON within a text."""
    if isinstance(content, list):
        return str(content[0]["data"]["validationCode"])
    data = content["data"]
    return str((json.loads(data) if isinstance(data, str) else data)["validationCode"])
