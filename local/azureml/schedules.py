"""Schedules: resources that start a job, or a monitor's job, when their time comes or when they are triggered."""

import asyncio
import contextlib
import logging
from datetime import UTC, datetime
from typing import Final

from aiohttp import web

from local.azureml.jobs import Jobs
from local.azureml.monitors import Monitors
from local.azureml.routes import Call, Routes
from local.azureml.state import State
from local.azureml.triggers import check_trigger, next_time
from local.azureml.wire import (
    ArmError,
    Json,
    checked_name,
    invalid,
    listing,
    not_found,
    reply,
    resource,
    text_map,
    touched,
)
from local.config import Cloud

_log = logging.getLogger("azureml.schedules")
_KIND: Final = "schedules"
_LONGEST: Final = 30.0


class Schedules:
    """The schedule routes, and the clock.

    What was missed while the emulator did not run is not caught up: a laptop that was asleep does not wake to a
    hundred jobs.
    """

    def __init__(self, cloud: Cloud, state: State, jobs: Jobs, monitors: Monitors) -> None:
        self._cloud, self._state, self._jobs, self._monitors = cloud, state, jobs, monitors
        self._changed = asyncio.Event()

    def serve(self, arm: Routes) -> None:
        """Add the routes."""
        arm.add("GET", _KIND, self._list)
        arm.add("GET", f"{_KIND}/{{name}}", self._get)
        arm.add("PUT", f"{_KIND}/{{name}}", self._put)
        arm.add("DELETE", f"{_KIND}/{{name}}", self._delete)
        arm.add("POST", f"{_KIND}/{{name}}/trigger", self._trigger)

    async def run(self) -> None:
        """Start what is due, for ever."""
        since = datetime.now(UTC)
        while True:
            self._changed.clear()
            upcoming = [time for time, _ in self._due(since)]
            wait = min(((time - datetime.now(UTC)).total_seconds() for time in upcoming), default=_LONGEST)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), max(0.0, min(wait, _LONGEST)))
            now = datetime.now(UTC)
            for time, name in self._due(since):
                if time <= now:
                    self._fire(name, time)
            since = now

    def _due(self, since: datetime) -> list[tuple[datetime, str]]:
        """Give the next time of every schedule that is enabled."""
        found = []
        for body in self._state.documents(_KIND):
            properties = body["properties"]
            if not properties["isEnabled"]:
                continue
            created = datetime.fromisoformat(body["systemData"]["createdAt"])
            time = next_time(properties["trigger"], max(since, created), created)
            if time is not None:
                found.append((time, body["name"]))
        return found

    def _fire(self, name: str, time: datetime) -> str:
        """Start the job of a schedule; gives its name. A refused one is logged: nobody waits for an answer."""
        job = f"{name}-{time:%Y%m%d%H%M%S}{time.microsecond // 1000:03d}"
        try:
            self._start(name, job)
        except ArmError as error:
            _log.error("schedule %s could not start its job: %s", name, error.message)
        return job

    def _start(self, name: str, job: str) -> None:
        properties = self._schedule(name)["properties"]
        action = properties["action"]
        if action["actionType"] == "CreateMonitor":
            body = self._monitors.job(name, action["monitorDefinition"])
        else:
            body = {**action["jobDefinition"]}
            body["experimentName"] = body.get("experimentName") or name
        body["properties"] = {**(body.get("properties") or {}), "azureml.schedulename": name}
        if self._jobs.known(job) is None:
            self._jobs.create(job, body)

    def _schedule(self, name: str) -> Json:
        found = self._state.get(_KIND, name)
        if found is None:
            raise not_found(f"Schedule '{name}'")
        return found

    async def _list(self, call: Call) -> web.Response:
        view = call.query.get("listviewtype", "EnabledOnly")
        found = self._state.documents(_KIND)
        return listing(
            [body for body in found if view == "All" or body["properties"]["isEnabled"] == (view != "DisabledOnly")]
        )

    async def _get(self, call: Call) -> web.Response:
        return reply(self._schedule(call.name))

    async def _put(self, call: Call) -> web.Response:
        given = call.properties()
        checked_name(call.name, "schedule")
        action, trigger = given.get("action") or {}, given.get("trigger") or {}
        check_trigger(trigger)
        kind = action.get("actionType")
        if kind == "CreateMonitor":
            self._monitors.check(action.get("monitorDefinition") or {})
        elif kind == "CreateJob":
            self._jobs.runner(str((action.get("jobDefinition") or {}).get("jobType") or ""))
        else:
            raise invalid(f"The action type '{kind}' is neither CreateJob nor CreateMonitor.")
        before = self._state.get(_KIND, call.name)
        body = resource(
            f"{self._cloud.workspace_id}/{_KIND}/{call.name}",
            _KIND,
            {
                "description": given.get("description"),
                "displayName": given.get("displayName"),
                "tags": text_map(given.get("tags")),
                "properties": text_map(given.get("properties")),
                "isEnabled": bool(given.get("isEnabled", True)),
                "provisioningState": "Succeeded",
                "action": action,
                "trigger": trigger,
            },
            touched(before["systemData"]) if before else None,
        )
        self._state.put(_KIND, call.name, body)
        self._changed.set()
        return reply(body, 200 if before else 201)

    async def _delete(self, call: Call) -> web.Response:
        body = self._state.get(_KIND, call.name)
        if body is None:
            return web.Response(status=204)
        if body["properties"]["isEnabled"]:
            raise invalid(f"The schedule '{call.name}' is enabled: disable it before it is deleted.")
        self._state.delete(_KIND, call.name)
        return web.Response(status=200)

    async def _trigger(self, call: Call) -> web.Response:
        body = self._schedule(call.name)
        now = datetime.now(UTC)
        job = f"{call.name}-{now:%Y%m%d%H%M%S}{now.microsecond // 1000:03d}"
        self._start(call.name, job)
        return reply({"submissionId": job, "scheduleActionType": body["properties"]["action"]["actionType"]})
