"""The workspace's events: what they look like, and the outbox that keeps them until Event Grid has taken them."""

import asyncio
import contextlib
import logging
import os
import uuid
from typing import Final

import aiohttp
from aiohttp import web

from local.azureml.routes import Call, Routes
from local.azureml.state import State
from local.azureml.wire import PROVIDER, Json, invalid, now, reply
from local.config import Cloud

_log = logging.getLogger("azureml.events")
_BATCH: Final = 100
_TIMEOUT: Final = aiohttp.ClientTimeout(total=30)
_RETRY: Final = (0.2, 0.5, 1.0, 2.0, 5.0)
KINDS: Final = ("ModelRegistered", "ModelDeployed", "RunCompleted", "RunStatusChanged")


class Events:
    """Raises events: `HUB_EVENTS_OFF` (comma-separated kinds) or `switch` turn kinds off.

    Shapes: https://learn.microsoft.com/azure/event-grid/event-schema-machine-learning
    """

    def __init__(self, cloud: Cloud, state: State) -> None:
        self._cloud, self._state = cloud, state
        self._pending = asyncio.Event()
        self.off: set[str] = {kind for kind in os.environ.get("HUB_EVENTS_OFF", "").split(",") if kind}
        stored = state.get("settings", "events")
        self.off |= set((stored or {}).get("off", ()))

    def serve(self, plain: Routes) -> None:
        """Add the control routes: `GET /control/events`, and `PUT` with {"off": [kinds]}."""
        plain.add("GET", "control/events", self._show)
        plain.add("PUT", "control/events", self._set)

    async def _show(self, _: Call) -> web.Response:
        return reply({"off": sorted(self.off), "kinds": list(KINDS)})

    async def _set(self, call: Call) -> web.Response:
        given = {str(kind) for kind in call.body.get("off", [])}
        if not given <= set(KINDS):
            raise invalid(
                f"Unknown kinds of events: {', '.join(sorted(given - set(KINDS)))}. Known: {', '.join(KINDS)}."
            )
        self.switch(given)
        return await self._show(call)

    def switch(self, off: set[str]) -> None:
        """Turn these kinds off, and all others on; remembered."""
        self.off = off & set(KINDS)
        self._state.put("settings", "events", {"off": sorted(self.off)})

    def _raise(self, kind: str, subject: str, data: Json) -> None:
        if kind in self.off:
            return
        event = {
            "topic": self._cloud.workspace_id,
            "subject": subject,
            "eventType": f"{PROVIDER}.{kind}",
            "eventTime": now().replace("+00:00", "Z"),
            "id": str(uuid.uuid4()),
            "data": data,
            "dataVersion": "",
            "metadataVersion": "1",
        }
        self._state.enqueue(event)
        self._pending.set()

    def model_registered(self, name: str, version: str, tags: Json, properties: Json) -> None:
        """Tell of a new model version; a version that is a number is sent as one, as in the documented sample."""
        self._raise(
            "ModelRegistered",
            f"models/{name}:{version}",
            {
                "ModelName": name,
                "ModelVersion": int(version) if version.isdecimal() else version,
                "ModelTags": tags,
                "ModelProperties": properties,
            },
        )

    def model_deployed(self, endpoint: str, models: str, tags: Json, properties: Json) -> None:
        """Tell of a finished deployment; `models` as name:version, comma-separated."""
        data = {"ServiceName": endpoint, "ServiceComputeType": "Managed", "ModelIds": models}
        self._raise(
            "ModelDeployed", f"endpoints/{endpoint}", {**data, "ServiceTags": tags, "ServiceProperties": properties}
        )

    def run_status(self, run: Json) -> None:
        """Tell of a run's new status; of its completion too where it completed."""
        data = {
            "experimentId": run["experimentId"],
            "experimentName": run["experimentName"],
            "runId": run["runId"],
            "runType": run["runType"],
            "runTags": run["tags"],
            "runProperties": run["properties"],
        }
        subject = f"experiments/{run['experimentId']}/runs/{run['runId']}"
        self._raise("RunStatusChanged", subject, {**data, "runStatus": run["status"]})
        if run["status"] == "Completed":
            self._raise("RunCompleted", subject, data)

    async def deliver(self) -> None:
        """Hand events over, oldest first, for ever; what is not accepted is tried again."""
        address = f"http://127.0.0.1:{self._cloud.eventgrid_port}/topics/workspace/api/events"
        headers = {"aeg-sas-key": self._cloud.keys["topic"]}
        failures = 0
        async with aiohttp.ClientSession(timeout=_TIMEOUT, headers=headers) as session:
            while True:
                self._pending.clear()
                batch = self._state.waiting(_BATCH)
                if not batch:
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self._pending.wait(), 30)
                    continue
                try:
                    async with session.post(address, json=[event for _, event in batch]) as response:
                        answer = f"answered {response.status}" if response.status not in {200, 202} else ""
                except (aiohttp.ClientError, TimeoutError) as error:
                    answer = f"did not answer ({type(error).__name__})"
                if answer:
                    if failures == 0:
                        _log.warning("Event Grid %s: %d events wait in the outbox", answer, len(batch))
                    await asyncio.sleep(_RETRY[min(failures, len(_RETRY) - 1)])
                    failures += 1
                else:
                    self._state.delivered(batch[-1][0])
                    failures = 0
