"""Online deployments as resources: each a server that is started, replaced without a gap, scaled and ended."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

from aiohttp import web

from local.azureml.commands import seconds
from local.azureml.events import Events
from local.azureml.online import BUSY, DEPLOYMENT_NAME, DEPLOYMENTS, KIND, OnlineEndpoints
from local.azureml.operations import Operations
from local.azureml.routes import Call, Routes
from local.azureml.serving import Server, Serving
from local.azureml.state import State
from local.azureml.wire import LOCATION, ArmError, Json, invalid, listing, not_found, reply, resource, text_map, touched
from local.config import Cloud

_log = logging.getLogger("azureml.deployments")
_MOST: Final = 20
_INSTANCES: Final = 50
_WATCH: Final = 1.0
_DRAIN: Final = 2.0
"""Seconds that a replaced server has for the requests that it still answers."""
_REQUESTS: Final = {"maxQueueWait": "PT0.5S", "requestTimeout": "PT5S", "maxConcurrentRequestsPerInstance": 1}
_UNCHANGED: Final = ("codeConfiguration", "environmentId", "environmentVariables", "model")


class OnlineDeployments:
    """The deployment routes, and the servers that run."""

    def __init__(
        self,
        cloud: Cloud,
        state: State,
        endpoints: OnlineEndpoints,
        operations: Operations,
        serving: Serving,
        events: Events,
    ) -> None:
        self._cloud, self._state, self._endpoints = cloud, state, endpoints
        self._operations, self._serving, self._events = operations, serving, events
        self._servers: dict[tuple[str, str], Server] = {}
        self._drains: set[asyncio.Task[None]] = set()
        endpoints.on_delete = self._remove_all

    def serve(self, arm: Routes) -> None:
        """Add the routes."""
        base = f"{KIND}/{{endpoint}}/deployments"
        arm.add("GET", base, self._list)
        arm.add("GET", f"{base}/{{name}}", self._get)
        arm.add("PUT", f"{base}/{{name}}", self._put)
        arm.add("PATCH", f"{base}/{{name}}", self._patch)
        arm.add("DELETE", f"{base}/{{name}}", self._delete)
        arm.add("POST", f"{base}/{{name}}/getLogs", self._logs)

    def resume(self) -> None:
        """Start the servers of the deployments that are there, and finish what was under way."""
        for endpoint, _ in self._state.named(KIND):
            for name, stored in self._state.named(DEPLOYMENTS, endpoint):
                if stored["body"]["properties"]["provisioningState"] == "Failed":
                    continue
                target = f"{KIND}/{endpoint}/deployments/{name}"
                self._operations.resume(target, self._work(endpoint, name), self._failed(endpoint, name))

    async def stop(self) -> None:
        """End all servers."""
        for task in self._drains:
            task.cancel()
        await asyncio.gather(*self._drains, return_exceptions=True)
        servers, self._servers = list(self._servers.values()), {}
        await asyncio.gather(*(self._serving.stop(server) for server in servers))

    async def watch(self) -> None:
        """Start servers anew that ended by themselves, for ever: the service restarts containers too."""
        while True:
            await asyncio.sleep(_WATCH)
            for (endpoint, name), server in list(self._servers.items()):
                stored = self._state.get(DEPLOYMENTS, name, endpoint)
                if server.process.poll() is None or stored is None:
                    continue
                if stored["body"]["properties"]["provisioningState"] != "Succeeded":
                    continue
                _log.warning("the container of %s/%s ended (%s): restarted", endpoint, name, server.process.returncode)
                self._servers.pop((endpoint, name), None)
                await self._serving.stop(server)
                target = f"{KIND}/{endpoint}/deployments/{name}"
                self._operations.resume(target, self._work(endpoint, name), self._failed(endpoint, name))

    def server(self, endpoint: str, name: str) -> Server | None:
        """Give the server that answers for a deployment, or None."""
        return self._servers.get((endpoint.lower(), name.lower()))

    def find(self, endpoint: str, name: str) -> Json | None:
        """Give a deployment's body, or None."""
        stored = self._state.get(DEPLOYMENTS, name.lower(), endpoint.lower())
        return stored["body"] if stored else None

    def _stored(self, call: Call) -> Json:
        self._endpoints.stored(call.params["endpoint"])
        stored = self._state.get(DEPLOYMENTS, call.name.lower(), call.params["endpoint"].lower())
        if stored is None:
            raise not_found(f"Online deployment '{call.name}' of endpoint '{call.params['endpoint']}'")
        return stored

    async def _list(self, call: Call) -> web.Response:
        self._endpoints.stored(call.params["endpoint"])
        return listing(self._endpoints.deployments(call.params["endpoint"]))

    async def _get(self, call: Call) -> web.Response:
        return reply(self._stored(call)["body"])

    async def _put(self, call: Call) -> web.Response:
        endpoint, name, given = call.params["endpoint"], call.name, call.properties()
        if not DEPLOYMENT_NAME.fullmatch(name):
            raise invalid(f"The deployment name '{name}' is not valid: 3 to 32 letters, digits and dashes.")
        owner = self._endpoints.check_idle(endpoint)
        if (
            owner["body"]["properties"]["provisioningState"] == "Failed"
            and not owner["body"]["properties"]["scoringUri"]
        ):
            raise ArmError(
                400,
                "BadRequest",
                f"Specified endpoint [{endpoint}] has not been created successfully. Please recreate the endpoint.",
            )
        before = self._state.get(DEPLOYMENTS, name.lower(), endpoint.lower())
        if before is None and len(self._endpoints.deployments(endpoint)) >= _MOST:
            raise ArmError(400, "OutOfQuota", f"An endpoint has at most {_MOST} deployments.")
        self._check_idle(name, before)
        capacity = _capacity(call.body)
        properties = _shape(given)
        self._serving.check(properties)
        identity = f"{self._cloud.workspace_id}/{KIND}/{endpoint}/deployments/{name}"
        body = resource(
            identity,
            DEPLOYMENTS,
            properties,
            touched(before["body"]["systemData"]) if before else None,
            tags=text_map(call.body.get("tags")),
            location=call.body.get("location") or LOCATION,
            kind="Managed",
            sku={"name": "Default", "tier": "Standard", "capacity": capacity},
        )
        properties["provisioningState"] = "Updating"
        headers = self._begin(call, endpoint, name)
        properties["properties"]["AzureAsyncOperationUri"] = headers["Azure-AsyncOperation"]
        keep = before is not None and _same(before["body"], body)
        stored = {"body": body, "keep": keep, "served": bool(before and before["served"])}
        self._state.put(DEPLOYMENTS, name.lower(), stored, endpoint.lower())
        return reply(body, 200 if before else 201, headers)

    async def _patch(self, call: Call) -> web.Response:
        """Change tags and the number of instances, as the service's PATCH does."""
        stored = self._stored(call)
        self._check_idle(call.name, stored)
        before = stored["body"]
        body = {**before, "properties": {**before["properties"], "provisioningState": "Updating"}}
        if "tags" in call.body:
            body["tags"] = text_map(call.body["tags"])
        if "sku" in call.body:
            body["sku"] = {**before["sku"], "capacity": _capacity(call.body)}
        headers = self._begin(call, call.params["endpoint"], call.name)
        changed = {**stored, "body": body, "keep": _same(before, body)}
        self._state.put(DEPLOYMENTS, call.name.lower(), changed, call.params["endpoint"].lower())
        return reply(body, 200, headers)

    def _begin(self, call: Call, endpoint: str, name: str) -> dict[str, str]:
        target = f"{KIND}/{endpoint}/deployments/{name}"
        return self._operations.begin(call, "od", target, self._work(endpoint, name), self._failed(endpoint, name))

    @staticmethod
    def _check_idle(name: str, stored: Json | None) -> None:
        if stored is not None and stored["body"]["properties"]["provisioningState"] in BUSY:
            raise ArmError(
                409, "Conflict", f"Another operation on the deployment '{name}' is in progress.", ("Conflict",)
            )

    def _work(self, endpoint: str, name: str) -> Callable[[], Awaitable[None]]:
        return partial(self._deploy, endpoint.lower(), name.lower())

    async def _deploy(self, endpoint: str, name: str) -> None:
        """Start the new server, put it in the place of the old one, and end that when it has answered what it has."""
        stored = self._state.get(DEPLOYMENTS, name, endpoint)
        if stored is None:
            return
        body, old = stored["body"], self._servers.get((endpoint, name))
        if old is None or not stored.get("keep"):
            new = await self._serving.start(endpoint, name, body["properties"], int(body["sku"]["capacity"]))
            self._servers[endpoint, name] = new
            if old is not None:
                self._drain(old)
        body["properties"]["provisioningState"] = "Succeeded"
        self._state.put(DEPLOYMENTS, name, {"body": body, "keep": False, "served": True}, endpoint)
        if not stored["served"]:
            model = self._serving.model(body["properties"])
            models = f"{model['id'].split('/')[-3]}:{model['name']}" if model else ""
            self._events.model_deployed(endpoint, models, body["tags"], {})

    def _drain(self, server: Server) -> None:
        async def end() -> None:
            try:
                await asyncio.sleep(_DRAIN)
            finally:
                await asyncio.shield(self._serving.stop(server))

        task = asyncio.create_task(end())
        self._drains.add(task)
        task.add_done_callback(self._drains.discard)

    def _failed(self, endpoint: str, name: str) -> Callable[[ArmError], None]:
        def note(_: ArmError) -> None:
            stored = self._state.get(DEPLOYMENTS, name.lower(), endpoint.lower())
            if stored is not None:
                stored["body"]["properties"]["provisioningState"] = "Failed"
                self._state.put(DEPLOYMENTS, name.lower(), {**stored, "keep": False}, endpoint.lower())

        return note

    async def _delete(self, call: Call) -> web.Response:
        endpoint, name = call.params["endpoint"], call.name
        owner = self._endpoints.stored(endpoint)
        if self.find(endpoint, name) is None:
            return web.Response(status=204)
        stored = self._stored(call)
        self._endpoints.check_idle(endpoint)
        self._check_idle(name, stored)
        if owner["live"]["traffic"].get(stored["body"]["name"]):
            raise ArmError(
                400,
                "BadRequest",
                f"The deployment '{name}' has live traffic: set its traffic to 0 before it is deleted.",
                ("BadArgument",),
            )
        stored["body"]["properties"]["provisioningState"] = "Deleting"
        self._state.put(DEPLOYMENTS, name.lower(), stored, endpoint.lower())

        async def remove() -> None:
            await self._remove(endpoint.lower(), name.lower())

        target = f"{KIND}/{endpoint}/deployments/{name}"
        return web.Response(status=202, headers=self._operations.begin(call, "od", target, remove))

    async def _remove(self, endpoint: str, name: str) -> None:
        server = self._servers.pop((endpoint, name), None)
        self._state.delete(DEPLOYMENTS, name, endpoint)
        if server is not None:
            await self._serving.stop(server)
        await self._serving.forget(endpoint, name)

    async def _remove_all(self, endpoint: str) -> None:
        for name, _ in self._state.named(DEPLOYMENTS, endpoint.lower()):
            await self._remove(endpoint.lower(), name)

    async def _logs(self, call: Call) -> web.Response:
        self._stored(call)
        tail = int(call.body.get("tail") or 0)
        path = self._serving.log(call.params["endpoint"].lower(), call.name.lower())
        lines = (await asyncio.to_thread(path.read_text, errors="replace")).splitlines() if path.exists() else []
        return reply({"content": "\n".join(lines[-tail:] if tail else lines)})


def _capacity(body: Json) -> int:
    capacity = int((body.get("sku") or {}).get("capacity") or 1)
    if not 1 <= capacity <= _INSTANCES:
        raise invalid(f"The number of instances is {capacity}: 1 to {_INSTANCES} are expected.")
    return capacity


def _same(before: Json, after: Json) -> bool:
    """Tell whether the server that runs serves the new deployment too."""
    old, new = before["properties"], after["properties"]
    return (
        all(old.get(key) == new.get(key) for key in _UNCHANGED)
        and before["sku"]["capacity"] == after["sku"]["capacity"]
    )


def _shape(given: Json) -> Json:
    compute = given.get("endpointComputeType") or "Managed"
    if compute != "Managed":
        raise invalid(f"Deployments of type '{compute}' do not run on a laptop: only Managed ones do.")
    instance = str(given.get("instanceType") or "")
    if instance.upper().startswith(("STANDARD_NC", "STANDARD_ND", "STANDARD_NV")):
        raise invalid(f"The instance type '{instance}' has a GPU, which this laptop has not.")
    requests = {**_REQUESTS, **{key: value for key, value in (given.get("requestSettings") or {}).items() if value}}
    if not 0 < seconds(requests["requestTimeout"]) <= 180:
        raise invalid(f"The request timeout {requests['requestTimeout']} is not between 0 and 180 seconds.")
    return {
        "description": given.get("description"),
        "properties": text_map(given.get("properties")),
        "codeConfiguration": given.get("codeConfiguration"),
        "environmentId": given.get("environmentId"),
        "environmentVariables": text_map(given.get("environmentVariables")),
        "scaleSettings": given.get("scaleSettings") or {"scaleType": "Default"},
        "requestSettings": requests,
        "modelMountPath": given.get("modelMountPath"),
        "appInsightsEnabled": bool(given.get("appInsightsEnabled", False)),
        "livenessProbe": given.get("livenessProbe"),
        "readinessProbe": given.get("readinessProbe"),
        "provisioningState": "Updating",
        "instanceType": given.get("instanceType"),
        "model": given.get("model"),
        "privateNetworkConnection": bool(given.get("privateNetworkConnection", False)),
        "egressPublicNetworkAccess": given.get("egressPublicNetworkAccess") or "Enabled",
        "endpointComputeType": compute,
    }
