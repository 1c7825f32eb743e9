"""Jobs as resources: created once, read, listed, tagged, archived, cancelled; how they run is the runner's."""

import uuid
from collections.abc import Callable
from typing import Any, Final, Protocol

from aiohttp import web

from local.azureml.commands import seconds
from local.azureml.environments import Environments
from local.azureml.routes import Call, Routes
from local.azureml.runs import ENDED, Runs
from local.azureml.uris import compute_name
from local.azureml.wire import (
    LOCATION,
    PROVIDER,
    ArmError,
    Json,
    checked_name,
    invalid,
    listing,
    not_found,
    reply,
    resource,
    text_map,
)
from local.config import Cloud

_MUTABLE: Final = frozenset(
    {"description", "tags", "displayName", "properties", "isArchived", "status", "services", "notificationSetting"}
)
_REFUSED: Final = {
    "AutoML": "AutoML jobs need the service's own algorithms",
    "Spark": "Spark jobs need a Spark pool",
    "Labeling": "labelling jobs need the service's own pages",
    "FineTuning": "fine-tuning jobs need the service's own models",
}


class Runner(Protocol):
    """What carries a job out."""

    def check(self, properties: Json) -> None:
        """Raise ArmError where the job cannot run here: before anything of it is kept."""

    def start(self, name: str) -> None:
        """Begin to carry a job out; returns at once."""

    def cancel(self, name: str) -> None:
        """Ask for its end; returns at once."""


class Jobs:
    """The job routes."""

    def __init__(self, cloud: Cloud, runs: Runs, environments: Environments) -> None:
        self._cloud, self._runs, self._environments = cloud, runs, environments
        self._runners: dict[str, Runner] = {}

    def register(self, kind: str, runner: Runner) -> None:
        """Have jobs of a kind (such as Command) carried out by `runner`."""
        self._runners[kind.lower()] = runner

    def runner(self, kind: str) -> Runner:
        """Give what carries out a kind of job; raises ArmError for kinds that a laptop does not have."""
        found = self._runners.get(kind.lower())
        if found is None:
            reason = next((why for name, why in _REFUSED.items() if name.lower() == kind.lower()), "")
            raise invalid(f"Jobs of type '{kind}' do not run on a laptop{': ' + reason if reason else ''}.")
        return found

    def serve(self, arm: Routes, subscription: Routes) -> None:
        """Add the routes: below the workspace, and below the subscription (results of operations)."""
        arm.add("GET", "jobs", self._list)
        arm.add("GET", "jobs/{name}", self._get)
        arm.add("PUT", "jobs/{name}", self._put)
        arm.add("DELETE", "jobs/{name}", self._delete)
        arm.add("POST", "jobs/{name}/cancel", self._cancel)
        subscription.add("GET", "locations/{location}/mfeOperationResults/{operation}", self._cancelled)

    async def _list(self, call: Call) -> web.Response:
        view, kind = call.query.get("listviewtype", "ActiveOnly"), call.query.get("jobtype", "").lower()
        tag, parent = call.query.get("tag", ""), call.query.get("parentjobname", "")
        key, _, value = tag.partition("=")
        found = []
        for job in self._runs.jobs(parent):
            properties = job["properties"]
            if view != "All" and properties["isArchived"] != (view == "ArchivedOnly"):
                continue
            if kind and properties["jobType"].lower() != kind:
                continue
            if tag and (key not in properties["tags"] or (value and properties["tags"][key] != value)):
                continue
            found.append(job)
        return listing(found)

    async def _get(self, call: Call) -> web.Response:
        return reply(self._runs.job(call.name))

    async def _put(self, call: Call) -> web.Response:
        given = call.properties()
        stored = self._runs.find(call.name)
        if stored is not None:
            return reply(self.changed(stored, given))
        job = self.create(call.name, given)
        return reply(job, 201, {"Location": str(call.request.url)})

    def create(self, name: str, given: Json, *, parent: str = "", run_type: str = "") -> Json:
        """Make a job and begin to carry it out; raises ArmError where it is refused."""
        checked_name(name, "job")
        kind = str(given.get("jobType") or "")
        runner = self.runner(kind)
        properties = self._shape(name, given)
        runner.check(properties)
        body = resource(f"{self._cloud.workspace_id}/jobs/{name}", "jobs", properties)
        del body["systemData"]["lastModifiedAt"], body["systemData"]["lastModifiedBy"]
        del body["systemData"]["lastModifiedByType"]
        self._runs.create(body, _frozen(given), run_type or RUN_TYPES.get(kind.lower(), kind), parent)
        runner.start(name)
        return self._runs.job(name)

    def known(self, name: str) -> Json | None:
        """Give the document of a job, or None."""
        return self._runs.find(name)

    def changed(self, stored: Json, given: Json) -> Json:
        """Change what may change of a job that is there; raises ArmError where more would change."""
        before, after = stored["frozen"], _frozen(given)
        changed = sorted(key for key in before.keys() | after.keys() if before.get(key) != after.get(key))
        if changed:
            raise immutable(changed)
        changes: Json = {key: given[key] for key in ("description", "displayName", "isArchived") if key in given}
        for key in ("tags", "properties"):
            if key in given:
                changes[key] = text_map(given[key])
        return self._runs.update(stored["job"]["name"], changes)

    def _shape(self, name: str, given: Json) -> Json:
        compute = given.get("computeId")
        if compute:
            self._environments.check_compute(compute_name(compute))
        common = {
            "description": given.get("description"),
            "tags": text_map(given.get("tags")),
            "properties": {"_azureml.ComputeTargetType": "amlctrain", **text_map(given.get("properties"))},
            "displayName": given.get("displayName") or name,
            "status": "NotStarted",
            "experimentName": given.get("experimentName") or "Default",
            "services": self._services(name),
            "computeId": compute or None,
            "isArchived": bool(given.get("isArchived", False)),
            "identity": given.get("identity"),
            "componentId": given.get("componentId"),
            "jobType": given["jobType"],
        }
        shape = SHAPES.get(str(given["jobType"]).lower())
        return {**common, **(shape(given) if shape else {})}

    def _services(self, name: str) -> Json:
        def service(kind: str, endpoint: str) -> Json:
            rest = dict.fromkeys(("port", "status", "errorMessage", "properties", "nodes"))
            return {"jobServiceType": kind, "endpoint": endpoint, **rest}

        base = f"127.0.0.1:{self._cloud.azureml_tls_port}"
        studio = f"http://127.0.0.1:{self._cloud.azureml_port}/runs/{name}?wsid={self._cloud.workspace_id}"
        tracking = f"azureml://{base}/mlflow/v1.0{self._cloud.workspace_id}?"
        return {"Tracking": service("Tracking", tracking), "Studio": service("Studio", studio)}

    async def _delete(self, call: Call) -> web.Response:
        stored = self._runs.find(call.name)
        if stored is None:
            return web.Response(status=204)
        if stored["job"]["properties"]["status"] not in ENDED:
            raise ArmError(409, "UserError", f"Job '{call.name}' has not ended: cancel it first.", ("Conflict",))
        self._runs.delete(call.name)
        return web.Response(status=200)

    async def _cancel(self, call: Call) -> web.Response:
        stored = self._runs.find(call.name)
        if stored is None:
            raise not_found(f"Job '{call.name}'")
        if stored["job"]["properties"]["status"] in ENDED:
            return web.Response(status=200)
        self._runs.set_status(call.name, "CancelRequested")
        self.runner(stored["job"]["properties"]["jobType"]).cancel(call.name)
        subscription = self._cloud.workspace_id.split("/")[2]
        operation = f"/subscriptions/{subscription}/providers/{PROVIDER}/locations/{LOCATION}/mfeOperationResults"
        host = f"{call.request.scheme}://{call.request.host}"
        version = call.request.query.get("api-version", "")
        location = f"{host}{operation}/jc:{uuid.uuid4()}:{call.name}?api-version={version}"
        return web.Response(status=202, headers={"Location": location, "retry-after-ms": "500"})

    async def _cancelled(self, call: Call) -> web.Response:
        job = self._runs.job(call.params["operation"].rpartition(":")[2])
        if job["properties"]["status"] in ENDED:
            return web.Response(status=200)
        return web.Response(status=202, headers={"Location": str(call.request.url), "retry-after-ms": "500"})


def immutable(changed: list[str]) -> ArmError:
    """Give the answer to a second PUT that changes what a job is; the text is the service's."""
    return ArmError(
        400,
        "UserError",
        "A job with this name already exists. If you are trying to create a new job, use a different name. If you are "
        "trying to update an existing job, the existing job's Settings,  Inputs,  Outputs,  Jobs,  InputBindings,  "
        "OutputBindings cannot be changed. Only description, tags, displayName, properties, and isArchived can be "
        f"updated. Changed: {', '.join(changed)}.",
        ("Immutable", "JobPropertyImmutable"),
        property=", ".join(changed),
    )


def _frozen(given: Json) -> Json:
    """Give what of a job never changes, without what is only another spelling of nothing."""
    return {key: value for key, value in given.items() if key not in _MUTABLE and value not in (None, {}, [])}


def _command(given: Json) -> Json:
    limits = given.get("limits")
    if limits and limits.get("timeout"):
        seconds(limits["timeout"])
    resources = given.get("resources") or {}
    if int(resources.get("instanceCount") or 1) != 1 or given.get("distribution"):
        raise invalid("Distributed jobs (more than one instance, or a distribution) do not run on a laptop.")
    if str(resources.get("instanceType") or "").upper().startswith(("STANDARD_NC", "STANDARD_ND", "STANDARD_NV")):
        raise invalid(f"The instance type '{resources['instanceType']}' has a GPU, which this laptop has not.")
    return {
        "resources": {
            "instanceCount": 1,
            "instanceType": resources.get("instanceType"),
            "properties": resources.get("properties"),
            "shmSize": resources.get("shmSize") or "2g",
            "dockerArgs": resources.get("dockerArgs"),
        },
        "queueSettings": {"jobTier": None, "priority": None, **given["queueSettings"]}
        if given.get("queueSettings")
        else None,
        "codeId": given.get("codeId"),
        "command": str(given.get("command") or ""),
        "environmentId": given.get("environmentId"),
        "inputs": {name: job_input(item) for name, item in (given.get("inputs") or {}).items() if item is not None},
        "outputs": {name: job_output(item) for name, item in (given.get("outputs") or {}).items()},
        "distribution": None,
        "autologgerSettings": given.get("autologgerSettings"),
        "limits": limits,
        "environmentVariables": text_map(given.get("environmentVariables")),
        "parameters": {},
    }


def job_input(given: Json) -> Json:
    """Give an input of a job as the service gives it back; raises ArmError where it names nothing."""
    kind = given.get("jobInputType") or "uri_folder"
    if kind == "literal":
        return {"description": given.get("description"), "value": str(given.get("value")), "jobInputType": "literal"}
    if not given.get("uri"):
        raise invalid(f"An input of type '{kind}' has no 'uri'.")
    return {
        "description": given.get("description"),
        "uri": given["uri"],
        "mode": given.get("mode") or "ReadOnlyMount",
        "jobInputType": kind,
    }


def job_output(given: Json | None) -> Json:
    """Give an output of a job as the service gives it back."""
    given = given or {}
    return {
        "description": given.get("description"),
        "uri": given.get("uri"),
        "assetName": given.get("assetName"),
        "assetVersion": given.get("assetVersion"),
        "mode": given.get("mode") or "ReadWriteMount",
        "jobOutputType": given.get("jobOutputType") or "uri_folder",
    }


SHAPES: dict[str, Callable[[Json], Json]] = {"command": _command}
"""How the properties of each kind of job look; pipelines and sweeps add theirs."""
RUN_TYPES: Final[dict[str, Any]] = {
    "command": "azureml.scriptrun",
    "pipeline": "azureml.PipelineRun",
    "sweep": "hyperdrive",
}
