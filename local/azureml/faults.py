"""Faults on demand (POST /control/faults): refusals, lost answers, delays, failing or slow operations and jobs.

A fault: `{"fault": "status" | "lost" | "delay" | "operation" | "job", "match": regex, "times": n, ...}`. `match` is
searched in "METHOD path" (operations: the resource's path below the workspace; jobs: the job's name); `times` (1) is
how often it strikes, -1 for ever. `status` answers `code` (503) with `retryAfter` (seconds, optional) and does nothing;
`lost` does everything and closes the connection instead of answering; `delay` waits `seconds` first; `operation` waits
`seconds`, and fails where `error` is given; `job` waits `seconds` before its command, and fails where `error` is given.
"""

import asyncio
import logging
import re
from typing import Any, Final

from aiohttp import web

from local.azureml.routes import Call, Routes
from local.azureml.wire import ArmError, Json, invalid, reply

_log = logging.getLogger("azureml.faults")
_KINDS: Final = ("status", "lost", "delay", "operation", "job")


class Faults:
    """The faults that wait to strike; none outlives the process."""

    def __init__(self) -> None:
        self._set: list[Json] = []

    def serve(self, plain: Routes) -> None:
        """Add the routes; they are open, as they are on the loopback interface only and touch nothing that lasts."""
        plain.add("GET", "control/faults", self._list)
        plain.add("POST", "control/faults", self._add)
        plain.add("DELETE", "control/faults", self._clear)

    async def _list(self, _: Call) -> web.Response:
        return reply({"faults": self._set})

    async def _add(self, call: Call) -> web.Response:
        given = call.body.get("faults", [call.body])
        self._set += [_checked(fault) for fault in given]
        return reply({"faults": self._set}, 201)

    async def _clear(self, _: Call) -> web.Response:
        self._set.clear()
        return reply({"faults": []})

    def strike(self, kind: str, text: str) -> Json | None:
        """Give the first fault of a kind that matches, and count it."""
        for fault in self._set:
            if fault["fault"] == kind and re.search(fault["match"], text, re.IGNORECASE):
                if fault["times"] > 0:
                    fault["times"] -= 1
                    if fault["times"] == 0:
                        self._set.remove(fault)
                _log.warning("fault %s strikes %s", kind, text)
                return fault
        return None

    async def before(self, text: str) -> web.Response | None:
        """Wait, or give the answer instead of the true one, for a request ("METHOD path")."""
        slow = self.strike("delay", text)
        if slow:
            await asyncio.sleep(float(slow.get("seconds", 1)))
        refused = self.strike("status", text)
        if refused is None:
            return None
        status = int(refused.get("code", 503))
        code = {429: "TooManyRequests", 503: "ServiceUnavailable"}.get(status, "ServiceError")
        headers = {"Retry-After": str(refused["retryAfter"])} if "retryAfter" in refused else {}
        return reply(ArmError(status, code, f"A fault that was set answers {status}.").body(), status, headers)

    async def operation(self, target: str) -> None:
        """Wait, or raise ArmError, for an operation."""
        await self._slow_or_failed("operation", target)

    async def job(self, name: str) -> None:
        """Wait, or raise ArmError, for a job."""
        await self._slow_or_failed("job", name)

    async def _slow_or_failed(self, kind: str, text: str) -> None:
        fault = self.strike(kind, text)
        if fault is None:
            return
        await asyncio.sleep(float(fault.get("seconds", 0)))
        if "error" in fault:
            raise ArmError(500, str(fault.get("code", "InternalServerError")), str(fault["error"]))


def _checked(fault: Any) -> Json:
    if not isinstance(fault, dict) or fault.get("fault") not in _KINDS:
        raise invalid(f"A fault is an object whose 'fault' is one of {', '.join(_KINDS)}.")
    try:
        re.compile(str(fault.get("match", "")))
        return {**fault, "match": str(fault.get("match", "")), "times": int(fault.get("times", 1))}
    except (re.error, ValueError) as error:
        raise invalid(f"The fault is not valid: {error}") from None
