"""Long-running operations: what a client polls until an endpoint or deployment is made, changed or gone."""

import asyncio
import logging
import uuid
from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import web

from local.azureml.faults import Faults
from local.azureml.routes import Call, Routes
from local.azureml.state import State
from local.azureml.storage import StorageError
from local.azureml.wire import LOCATION, PROVIDER, WORKSPACE_GUID, ArmError, Json, not_found, now, reply
from local.config import Cloud

_log = logging.getLogger("azureml.operations")
_ENDED: Final = frozenset({"Succeeded", "Failed", "Canceled"})
POLL: Final = "500"
"""Milliseconds that a client is asked to wait between polls. The service asks for nothing, and then azure-ai-ml waits 5
or 30 seconds: on a laptop that would be most of the time of a deployment."""


class Operations:
    """Operations on `target` (a resource's path below the workspace), each in a task of its own."""

    def __init__(self, cloud: Cloud, state: State, faults: Faults) -> None:
        self._cloud, self._state, self._faults = cloud, state, faults
        self._tasks: set[asyncio.Task[None]] = set()

    def serve(self, subscription: Routes) -> None:
        """Add the routes below the subscription."""
        subscription.add("GET", "locations/{location}/mfeOperationsStatus/{operation}", self._status)

    async def stop(self) -> None:
        """End all tasks; what they had not finished is taken up by the next start."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def begin(
        self,
        call: Call,
        kind: str,
        target: str,
        work: Callable[[], Awaitable[None]],
        failed: Callable[[ArmError], None] | None = None,
    ) -> dict[str, str]:
        """Start the work, and give the headers of the answer. `kind` is the prefix of the operation's name (oe, od)."""
        name = f"{kind}:{WORKSPACE_GUID}:{uuid.uuid4()}"
        self._state.put("operations", name, {"target": target, "start": now(), "status": "Updating", "error": None})
        self._go(target, [name], work, failed)
        host = f"{call.request.scheme}://{call.request.host}"
        version = call.request.query.get("api-version", "")
        subscription = self._cloud.workspace_id.split("/")[2]
        base = f"{host}/subscriptions/{subscription}/providers/{PROVIDER}/locations/{LOCATION}/mfeOperationsStatus"
        return {
            "Azure-AsyncOperation": f"{base}/{name}?api-version={version}",
            "Location": str(call.request.url),
            "x-ms-async-operation-timeout": "PT30M",
            "retry-after-ms": POLL,
        }

    def resume(
        self, target: str, work: Callable[[], Awaitable[None]], failed: Callable[[ArmError], None] | None = None
    ) -> None:
        """Do work again that a restart cut short; the operations on the target end with it."""
        names = [
            name
            for name, body in self._state.named("operations")
            if body["target"] == target and body["status"] not in _ENDED
        ]
        self._go(target, names, work, failed)

    def _go(
        self,
        target: str,
        names: list[str],
        work: Callable[[], Awaitable[None]],
        failed: Callable[[ArmError], None] | None,
    ) -> None:
        task = asyncio.create_task(self._carry(target, names, work, failed))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _carry(
        self,
        target: str,
        names: list[str],
        work: Callable[[], Awaitable[None]],
        failed: Callable[[ArmError], None] | None,
    ) -> None:
        error: ArmError | None = None
        try:
            await self._faults.operation(target)
            await work()
        except ArmError as caught:
            error = caught
        except StorageError as caught:
            error = ArmError(503, "ServiceError", f"Storage failed: {caught}")
        except Exception:  # noqa: BLE001 a fault of the emulator must end the operation, not leave it running
            _log.exception("operation on %s", target)
            error = ArmError(500, "ServiceError", "InternalServerError")
        if error is not None:
            _log.warning("%s failed: %s", target, error.message)
            if failed is not None:
                failed(error)
        for name in names:
            body = self._state.get("operations", name) or {}
            body["status"] = "Succeeded" if error is None else "Failed"
            body["error"] = None if error is None else {"code": error.code, "message": error.message}
            body["end"] = now()
            self._state.put("operations", name, body)

    async def _status(self, call: Call) -> web.Response:
        name = call.params["operation"]
        body = self._state.get("operations", name)
        if body is None:
            raise not_found(f"Operation '{name}'")
        ended = body["status"] in _ENDED
        answer: Json = {"id": call.request.path, "name": name, "status": body["status"]}
        if not name.startswith("be"):
            # Recorded: operations on batch endpoints say no more than their status.
            answer |= {"startTime": body["start"], "percentComplete": 100.0 if ended else 0.0}
            answer |= {"endTime": body.get("end")} if ended else {}
        if body["error"]:
            answer["error"] = body["error"]
        return reply(answer, 200, {} if ended else {"retry-after-ms": POLL})
