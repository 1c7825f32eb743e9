"""Batch endpoints and their deployments as resources."""

import asyncio
from functools import partial
from typing import Any, Final

from aiohttp import web

from local.azureml.assets import Assets
from local.azureml.commands import seconds
from local.azureml.environments import Environments
from local.azureml.online import DEPLOYMENT_NAME, ENDPOINT_NAME, SETTLE
from local.azureml.operations import Operations
from local.azureml.routes import Call, Routes
from local.azureml.state import State
from local.azureml.uris import asset_ref, compute_name
from local.azureml.wire import LOCATION, ArmError, Json, invalid, listing, not_found, reply, resource, text_map, touched
from local.config import Cloud

KIND: Final = "batchEndpoints"
DEPLOYMENTS: Final = "batchEndpoints/deployments"
_BUSY: Final = frozenset({"Creating", "Updating", "Deleting"})
_ACTIONS: Final = {"appendrow": "AppendRow", "summaryonly": "SummaryOnly"}


class Batch:
    """The routes of batch endpoints and deployments."""

    def __init__(
        self, cloud: Cloud, state: State, assets: Assets, operations: Operations, environments: Environments
    ) -> None:
        self._cloud, self._state, self._assets = cloud, state, assets
        self._operations, self._environments = operations, environments

    def serve(self, arm: Routes) -> None:
        """Add the routes."""
        arm.add("GET", KIND, self._endpoints)
        arm.add("GET", f"{KIND}/{{name}}", self._endpoint)
        arm.add("PUT", f"{KIND}/{{name}}", self._put_endpoint)
        arm.add("DELETE", f"{KIND}/{{name}}", self._delete_endpoint)
        base = f"{KIND}/{{endpoint}}/deployments"
        arm.add("GET", base, self._deployments)
        arm.add("GET", f"{base}/{{name}}", self._deployment)
        arm.add("PUT", f"{base}/{{name}}", self._put_deployment)
        arm.add("DELETE", f"{base}/{{name}}", self._delete_deployment)

    def resume(self) -> None:
        """Finish what was under way when the emulator ended."""
        for name, body in self._state.named(KIND):
            if body["properties"]["provisioningState"] in _BUSY:
                self._operations.resume(f"{KIND}/{name}", partial(self._settle, name))
            for deployment, found in self._state.named(DEPLOYMENTS, name):
                if found["properties"]["provisioningState"] in _BUSY:
                    target = f"{KIND}/{name}/deployments/{deployment}"
                    self._operations.resume(target, partial(self._ready, name, deployment))

    def endpoint(self, name: str) -> Json:
        """Give an endpoint; raises ArmError (404)."""
        found = self._state.get(KIND, name.lower())
        if found is None:
            raise not_found(f"Batch endpoint '{name}'")
        return found

    def deployment(self, endpoint: str, name: str) -> Json:
        """Give a deployment; raises ArmError (404)."""
        self.endpoint(endpoint)
        found = self._state.get(DEPLOYMENTS, name.lower(), endpoint.lower())
        if found is None:
            raise not_found(f"Batch deployment '{name}' of endpoint '{endpoint}'")
        return found

    async def _endpoints(self, _: Call) -> web.Response:
        return listing(self._state.documents(KIND))

    async def _endpoint(self, call: Call) -> web.Response:
        return reply(self.endpoint(call.name))

    async def _put_endpoint(self, call: Call) -> web.Response:
        name, given = call.name, call.properties()
        if not ENDPOINT_NAME.fullmatch(name):
            raise invalid(f"The endpoint name '{name}' is not valid: 3 to 32 letters, digits and dashes.")
        before = self._state.get(KIND, name.lower())
        if before is not None and before["properties"]["provisioningState"] in _BUSY:
            raise _busy(name)
        default = (given.get("defaults") or {}).get("deploymentName")
        if default and self._state.get(DEPLOYMENTS, default.lower(), name.lower()) is None:
            raise invalid(f"The default deployment '{default}' does not exist.")
        identity = f"{self._cloud.workspace_id}/{KIND}/{name}"
        properties: Json = {
            "description": given.get("description"),
            "properties": {
                **text_map(given.get("properties")),
                "BatchEndpointCreationApiVersion": call.query.get("api-version", ""),
                "azureml.onlineendpointid": identity,
            },
            "scoringUri": before["properties"]["scoringUri"] if before else None,
            "swaggerUri": None,
            "authMode": "AADToken",
            "defaults": {"deploymentName": default},
            "provisioningState": "Updating" if before else "Creating",
        }
        body = resource(
            identity,
            KIND,
            properties,
            touched(before["systemData"]) if before else None,
            tags=text_map(call.body.get("tags")),
            location=call.body.get("location") or LOCATION,
        )
        headers = self._operations.begin(call, "bebes", f"{KIND}/{name}", partial(self._settle, name))
        self._state.put(KIND, name.lower(), body)
        return reply(body, 200 if before else 201, headers)

    async def _settle(self, name: str) -> None:
        await asyncio.sleep(SETTLE)
        body = self.endpoint(name)
        body["properties"]["scoringUri"] = f"http://127.0.0.1:{self._cloud.azureml_port}/batch/{name}/jobs"
        body["properties"]["provisioningState"] = "Succeeded"
        self._state.put(KIND, name.lower(), body)

    async def _delete_endpoint(self, call: Call) -> web.Response:
        name = call.name
        if self._state.get(KIND, name.lower()) is None:
            return web.Response(status=204)

        async def remove() -> None:
            for deployment, _ in self._state.named(DEPLOYMENTS, name.lower()):
                self._state.delete(DEPLOYMENTS, deployment, name.lower())
            self._state.delete(KIND, name.lower())

        return web.Response(status=202, headers=self._operations.begin(call, "bebes", f"{KIND}/{name}", remove))

    async def _deployments(self, call: Call) -> web.Response:
        self.endpoint(call.params["endpoint"])
        return listing(self._state.documents(DEPLOYMENTS, call.params["endpoint"].lower()))

    async def _deployment(self, call: Call) -> web.Response:
        return reply(self.deployment(call.params["endpoint"], call.name))

    async def _put_deployment(self, call: Call) -> web.Response:
        endpoint, name = call.params["endpoint"], call.name
        if self.endpoint(endpoint)["properties"]["provisioningState"] in _BUSY:
            raise _busy(endpoint)
        if not DEPLOYMENT_NAME.fullmatch(name):
            raise invalid(f"The deployment name '{name}' is not valid: 3 to 32 letters, digits and dashes.")
        before = self._state.get(DEPLOYMENTS, name.lower(), endpoint.lower())
        properties = self._shape(call.properties())
        body = resource(
            f"{self._cloud.workspace_id}/{KIND}/{endpoint}/deployments/{name}",
            DEPLOYMENTS,
            properties,
            touched(before["systemData"]) if before else None,
            tags=text_map(call.body.get("tags")),
            location=call.body.get("location") or LOCATION,
        )
        target = f"{KIND}/{endpoint}/deployments/{name}"
        headers = self._operations.begin(call, "bedes", target, partial(self._ready, endpoint, name))
        self._state.put(DEPLOYMENTS, name.lower(), body, endpoint.lower())
        return reply(body, 200 if before else 201, headers)

    async def _ready(self, endpoint: str, name: str) -> None:
        body = self.deployment(endpoint, name)
        body["properties"]["provisioningState"] = "Succeeded"
        self._state.put(DEPLOYMENTS, name.lower(), body, endpoint.lower())

    def _shape(self, given: Json) -> Json:
        kind = (given.get("deploymentConfiguration") or {}).get("deploymentConfigurationType", "Model")
        if kind != "Model":
            raise invalid(f"Batch deployments of type '{kind}' do not run on a laptop: only model deployments do.")
        model = (given.get("model") or {}).get("assetId")
        ref = asset_ref(str(model), "models") if model else None
        if ref is None:
            raise invalid("The deployment names no model.")
        found = self._assets.find(ref, "models")
        code = given.get("codeConfiguration") or {}
        if not code.get("scoringScript") and found["properties"]["modelType"] != "mlflow_model":
            raise invalid("The deployment has neither a scoring script nor an MLflow model.")
        if given.get("compute"):
            self._environments.check_compute(compute_name(str(given["compute"])))
        retry = given.get("retrySettings") or {}
        seconds(retry.get("timeout") or "PT30S")
        action = str(given.get("outputAction") or "AppendRow")
        if action.lower() not in _ACTIONS:
            raise invalid(f"The output action '{action}' is none of {', '.join(_ACTIONS.values())}.")
        resources = given.get("resources") or {}
        return {
            "description": given.get("description"),
            "properties": text_map(given.get("properties")),
            "codeConfiguration": given.get("codeConfiguration"),
            "environmentId": given.get("environmentId"),
            "environmentVariables": text_map(given.get("environmentVariables")),
            "compute": given.get("compute"),
            "errorThreshold": _number(given.get("errorThreshold"), -1),
            "retrySettings": {
                "maxRetries": _number(retry.get("maxRetries"), 3),
                "timeout": retry.get("timeout") or "PT30S",
            },
            "miniBatchSize": _number(given.get("miniBatchSize"), 10),
            "loggingLevel": given.get("loggingLevel") or "Info",
            "model": given.get("model"),
            "maxConcurrencyPerInstance": _number(given.get("maxConcurrencyPerInstance"), 1),
            "outputAction": _ACTIONS[action.lower()],
            "outputFileName": given.get("outputFileName") or "predictions.csv",
            "resources": {
                "instanceCount": _number(resources.get("instanceCount"), 1),
                "instanceType": resources.get("instanceType"),
                "properties": resources.get("properties"),
            },
            "provisioningState": "Creating",
        }

    async def _delete_deployment(self, call: Call) -> web.Response:
        endpoint, name = call.params["endpoint"], call.name
        owner = self.endpoint(endpoint)
        if self._state.get(DEPLOYMENTS, name.lower(), endpoint.lower()) is None:
            return web.Response(status=204)
        if (owner["properties"]["defaults"]["deploymentName"] or "").lower() == name.lower():
            raise invalid(f"The deployment '{name}' is the default of its endpoint and cannot be deleted.")

        async def remove() -> None:
            self._state.delete(DEPLOYMENTS, name.lower(), endpoint.lower())

        target = f"{KIND}/{endpoint}/deployments/{name}"
        return web.Response(status=202, headers=self._operations.begin(call, "bedes", target, remove))


def _busy(name: str) -> ArmError:
    return ArmError(409, "Conflict", f"Another operation on the endpoint '{name}' is in progress.", ("Conflict",))


def _number(value: Any, default: int) -> int:
    return default if value is None else int(value)
