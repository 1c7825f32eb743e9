"""The host's admin API, as far as tools use it: ping, status, keys, the functions, and starting one by hand.

As the host's HostController, FunctionsController and KeysController answer: only ping goes without the master key;
starting a function answers 202 before it has run, whatever comes of it
(https://learn.microsoft.com/azure/azure-functions/functions-manually-run-non-http).
"""

import asyncio
import json
import time
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from local.functions import datums
from local.functions.invoker import Invoker
from local.functions.keys import Keys, refusal
from local.functions.worker import FunctionSpec, InvocationError


class Admin:
    """Answers under /admin."""

    def __init__(self, specs: Mapping[str, FunctionSpec], invoker: Invoker, keys: Keys, worker: str) -> None:
        self._specs, self._invoker, self._keys, self._worker = specs, invoker, keys, worker
        self._began = time.monotonic()
        self._started: set[asyncio.Task[None]] = set()

    async def answer(self, request: web.Request) -> web.Response:
        """Answer one request."""
        path = request.match_info["path"].strip("/").lower()
        if path == "host/ping":
            return web.Response(status=200 if request.method in {"GET", "POST"} else 405)
        if refused := refusal(self._keys.claim(request), "admin"):
            return web.Response(status=refused)
        if path == "host/status":
            return web.json_response(self._status())
        if path == "host/keys":
            return _keys({"default": self._keys.host})
        if path == "host/systemkeys":
            return _keys({"eventgrid_extension": self._keys.eventgrid})
        if path == "functions":
            return web.json_response([self._described(spec) for spec in self._specs.values()])
        return await self._function(request, path)

    async def _function(self, request: web.Request, path: str) -> web.Response:
        area, _, rest = path.partition("/")
        name, _, what = rest.partition("/")
        spec = self._specs.get(name)
        if area != "functions" or spec is None or what not in {"", "status", "keys"}:
            return web.Response(status=404)
        if what == "keys":
            return _keys({"default": self._keys.function(spec.name)})
        if what == "status":
            return web.json_response({})
        if request.method == "POST":
            return self._start(spec, await request.read())
        return web.json_response(self._described(spec))

    def _status(self) -> dict[str, Any]:
        counts = {name: getattr(self._invoker, name) for name in ("calls", "failures", "running")}
        uptime = round((time.monotonic() - self._began) * 1000)
        return {"state": "Running", "processUptime": uptime, "worker": self._worker, **counts}

    @staticmethod
    def _described(spec: FunctionSpec) -> dict[str, Any]:
        return {"name": spec.name, "config": {"bindings": list(spec.bindings)}, "isDisabled": spec.disabled}

    def _start(self, spec: FunctionSpec, body: bytes) -> web.Response:
        try:
            given = json.loads(body)
            value = _input(spec, given.get("input"))
        except (ValueError, AttributeError):
            return web.Response(status=400)
        task = asyncio.create_task(self._run(spec, value))
        self._started.add(task)
        task.add_done_callback(self._started.discard)
        return web.Response(status=202)

    async def _run(self, spec: FunctionSpec, value: Any) -> None:
        try:
            await self._invoker.call(spec, value)
        except InvocationError:
            return  # the invoker has logged it


def _keys(values: Mapping[str, str]) -> web.Response:
    return web.json_response({"keys": [{"name": name, "value": value} for name, value in values.items()], "links": []})


def _input(spec: FunctionSpec, given: Any) -> Any:
    """Give the trigger's datum for what a person gave as `input`."""
    text = given if isinstance(given, str) else "" if given is None else json.dumps(given)
    kind = spec.trigger["type"]
    if kind == "timerTrigger":
        return datums.timer({}, past_due=False)
    if kind == "queueTrigger":
        return datums.text(text)
    if kind == "eventGridTrigger":
        return datums.event(json.loads(text))
    return datums.http("POST", f"/admin/functions/{spec.name}", {}, {}, {}, text.encode())
