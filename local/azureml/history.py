"""The run history: what a run's details say while it goes on, its changes by a client, its children."""

from typing import Any

from aiohttp import web

from local.azureml.inputs import Resolver
from local.azureml.job_outputs import JobOutputs
from local.azureml.routes import Call, Routes
from local.azureml.runs import ENDED, Runs
from local.azureml.storage import Storage
from local.azureml.wire import PERSON, Json, listing, reply, text_map

LOG: str = "user_logs/std_log.txt"
"""Where a command job's output goes, below the run's own folder."""
_CHANGEABLE = {"displayName": "displayName", "description": "description", "hidden": "isArchived"}


class History:
    """The routes below /history/v1.0/<workspace>."""

    def __init__(self, runs: Runs, storage: Storage, resolver: Resolver, outputs: JobOutputs) -> None:
        self._runs, self._storage, self._resolver, self._outputs = runs, storage, resolver, outputs

    def serve(self, history: Routes) -> None:
        """Add the routes: by run, by experiment's name and by its id."""
        history.add("POST", "rundata", self._data)
        for base in ("", "experiments/{experiment}/", "experimentids/{experiment}/"):
            history.add("GET", f"{base}runs/{{name}}", self._get)
            history.add("PATCH", f"{base}runs/{{name}}", self._patch)
            history.add("GET", f"{base}runs/{{name}}/details", self._details)
            history.add("GET", f"{base}runs/{{name}}/children", self._children)
            history.add("POST", f"{base}runs/{{name}}/events", self._events)

    def _run(self, document: Json) -> Json:
        job, run = document["job"], document["run"]
        properties = job["properties"]
        return {
            "runId": job["name"],
            "runNumber": run["number"],
            "rootRunId": run["parent"] or job["name"],
            "parentRunId": run["parent"] or None,
            "experimentId": run["experimentId"],
            "experimentName": properties["experimentName"],
            "displayName": properties["displayName"],
            "description": properties["description"],
            "status": properties["status"],
            "runType": run["runType"],
            "runTypeV2": {"orchestrator": "Job", "traits": [], "computeType": "AmlCompute"},
            "createdUtc": run["created"],
            "startTimeUtc": run["started"],
            "endTimeUtc": run["ended"],
            "createdBy": {"userName": PERSON},
            "error": run["error"],
            "hidden": properties["isArchived"],
            "tags": properties["tags"],
            "properties": properties["properties"],
            "warnings": None,
        }

    async def _get(self, call: Call) -> web.Response:
        return reply(self._run(self._runs.document(call.name)))

    async def _details(self, call: Call) -> web.Response:
        document = self._runs.document(call.name)
        run = self._run(document)
        keys = ("runId", "status", "parentRunId", "startTimeUtc", "endTimeUtc", "error", "tags", "properties")
        logs = {}
        if document["run"]["started"] or run["status"] in ENDED:
            place = self._resolver.artifacts(call.name).under(LOG)
            if await self._storage.is_blob(place):
                logs[LOG] = self._storage.signed(place, write=False)
        return reply({**{key: run[key] for key in keys}, "warnings": [], "logFiles": logs, "services": {}})

    async def _patch(self, call: Call) -> web.Response:
        """Change what may change; tags and properties are added to those that are there."""
        stored = self._runs.job(call.name)["properties"]
        changes: Json = {
            target: call.body[key] for key, target in _CHANGEABLE.items() if call.body.get(key) is not None
        }
        for key in ("tags", "properties"):
            if call.body.get(key):
                changes[key] = {**stored[key], **text_map(call.body[key])}
        self._runs.update(call.name, changes)
        return reply(self._run(self._runs.document(call.name)))

    async def _children(self, call: Call) -> web.Response:
        self._runs.job(call.name)
        children: list[Any] = [self._run(self._runs.document(job["name"])) for job in self._runs.jobs(call.name)]
        return listing(children)

    async def _events(self, call: Call) -> web.Response:
        self._runs.job(call.name)
        return web.Response(status=200)

    async def _data(self, call: Call) -> web.Response:
        document = self._runs.document(str(call.body.get("runId") or ""))
        specification = {"job": {"spec": {"job_type": document["job"]["properties"]["jobType"]}}}
        return reply(
            {
                "runMetadata": {**self._run(document), "outputs": self._outputs.of(document["job"])},
                "runDefinition": None,
                "jobSpecification": specification,
                "systemSettings": None,
            }
        )
