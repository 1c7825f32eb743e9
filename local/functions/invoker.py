"""Calls functions: time limit, outputs after success only, one log line a call."""

import asyncio
import json
import logging
import re
import secrets
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any, Final

from local.functions.worker import FIRST, FunctionSpec, InvocationError, Result, Try, Worker

logger = logging.getLogger("host")

_TRACEPARENT: Final = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-([0-9a-f]{2})")

Commit = Callable[[FunctionSpec, Result], Awaitable[None]]


class Invoker:
    """Calls functions by a worker; `commit` writes their outputs."""

    def __init__(self, worker: Worker, timeout: timedelta, commit: Commit) -> None:
        self._worker = worker
        self._timeout = timeout
        self._commit = commit
        self.running = 0
        self.calls = 0
        self.failures = 0

    async def call(
        self,
        spec: FunctionSpec,
        value: Any,
        metadata: Mapping[str, Any] | None = None,
        traceparent: str = "",
        attempt: Try = FIRST,
    ) -> Result:
        """Call a function and write its outputs; raises InvocationError where either fails or takes too long."""
        invocation, began = str(uuid.uuid4()), time.monotonic()
        self.running += 1
        self.calls += 1
        try:
            async with asyncio.timeout(self._timeout.total_seconds()) as limit:
                parent = child_of(traceparent)
                result = await self._worker.invoke(spec, invocation, value, metadata or {}, parent, attempt)
            await self._commit(spec, result)
        except TimeoutError as error:
            self.failures += 1
            late = f"{spec.name} ran longer than functionTimeout {self._timeout}"
            reason = late if limit.expired() else f"an output of {spec.name} could not be written: {error or 'timeout'}"
            self._log(spec, invocation, began, "timed out", reason)
            raise InvocationError(reason) from None
        except InvocationError as error:
            self.failures += 1
            self._log(spec, invocation, began, "failed", f"{error}\n{error.trace}")
            raise
        except Exception as error:
            self.failures += 1
            self._log(spec, invocation, began, "failed", f"output: {type(error).__name__}: {error}")
            raise InvocationError(f"an output of {spec.name} could not be written: {error}") from error
        finally:
            self.running -= 1
        self._log(spec, invocation, began, "succeeded")
        return result

    @staticmethod
    def _log(spec: FunctionSpec, invocation: str, began: float, outcome: str, error: str = "") -> None:
        line = {
            "function": spec.name,
            "invocation": invocation,
            "milliseconds": round((time.monotonic() - began) * 1000, 1),
            "outcome": outcome,
        }
        if error:
            logger.error("%s", json.dumps({**line, "error": error}))
        else:
            logger.debug("%s", json.dumps(line))


def child_of(traceparent: str) -> str:
    """Give the trace context of a call: a span of its own in the caller's trace, or in a new one where that is missing
    or broken (https://www.w3.org/TR/trace-context/#traceparent-header).
    """
    match = _TRACEPARENT.fullmatch(traceparent)
    trace, flags = (match[1], match[2]) if match else (secrets.token_hex(16), "00")
    return f"00-{trace}-{secrets.token_hex(8)}-{flags}"
