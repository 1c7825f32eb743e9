"""Online endpoints of the workspace: created by the SDK from plain YAML, read and changed by single ARM requests.

The SDK's own way to change traffic (`begin_create_or_update`) leaves a polling thread behind in the process; a Function
asks with one short request instead and reads the outcome later. Creating needs the SDK, which uploads code and resolves
assets; its poller is a daemon thread that ends with the operation.
"""

import asyncio
import logging
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl

from shared.azureml.arm import VERSION
from shared.azureml.client import AzureMLClient
from shared.azureml.endpoints import DeploymentView, EndpointView
from shared.azureml.protocol import lasting
from shared.azureml.redacting import redacted
from shared.azureml.wire import deployment_of, endpoint_of, measured_of, stamp
from shared.deciding import quota
from shared.deciding.analysis import Measured
from shared.deciding.traffic import Traffic
from shared.engine.outcomes import PermanentError

logger = logging.getLogger(__name__)

_METRICS_VERSION: Final = "2023-10-01"
_TIMEOUT: Final = 60
_PERCENTILES: Final = ("P50", "P90", "P95", "P99")
_MINUTE: Final = 60
_LOG_LINES: Final = 400


class AzureEndpoints:
    """Online endpoints in Azure."""

    def __init__(self, client: AzureMLClient, variables: Mapping[str, str] | None = None) -> None:
        """`variables` are the values of the environment variables that deployment files leave empty."""
        self._azureml, self._variables = client, dict(variables or {})

    async def endpoint(self, name: str) -> EndpointView | None:
        """Give the endpoint."""
        body = await self.request("GET", f"onlineEndpoints/{name}")
        return endpoint_of(body) if body else None

    async def deployments(self, endpoint: str) -> Sequence[DeploymentView]:
        """Give its deployments."""
        body = await self.request("GET", f"onlineEndpoints/{endpoint}/deployments")
        return [deployment_of(item) for item in (body or {}).get("value", [])]

    async def create_endpoint(self, folder: Path, file: str, tags: Mapping[str, str]) -> None:
        """Begin to make the endpoint, without traffic."""

        def create(client: Any) -> None:
            from azure.ai.ml import load_online_endpoint

            endpoint = load_online_endpoint(folder / file)
            endpoint.tags = {**(endpoint.tags or {}), **tags}
            endpoint.properties = {**(endpoint.properties or {}), **lasting(tags)}
            endpoint.traffic, endpoint.mirror_traffic = {}, {}
            client.online_endpoints.begin_create_or_update(endpoint)

        await self._azureml.call(f"endpoint of {file}", create)

    async def create_deployment(self, folder: Path, file: str, name: str, model: str, tags: Mapping[str, str]) -> str:
        """Begin to make the deployment; environment variables that its file leaves empty get this hub's values."""

        def create(client: Any) -> str:
            from azure.ai.ml import load_online_deployment

            deployment = load_online_deployment(folder / file)
            deployment.name = name
            deployment.model = f"azureml:{model}"
            deployment.tags = {**(deployment.tags or {}), **tags}
            deployment.properties = {**(deployment.properties or {}), **lasting(tags)}
            for variable, value in (deployment.environment_variables or {}).items():
                if value == "" and variable in self._variables:
                    deployment.environment_variables[variable] = self._variables[variable]
            poller = client.online_deployments.begin_create_or_update(deployment)
            first = getattr(poller.polling_method(), "_initial_response", None)
            headers = first.http_response.headers if first is not None else {}
            return str(headers.get("Azure-AsyncOperation") or "")

        return await self._azureml.call(f"deployment {name}", create)

    async def failure(self, operation: str) -> str:
        """Read the operation that was begun."""
        manager = await self._azureml.arm.manager()
        if not operation.startswith(f"{manager}/"):
            return ""
        path, _, query = operation.removeprefix(manager).partition("?")
        try:
            body = await self.request("GET", path, version=dict(parse_qsl(query)).get("api-version", VERSION))
        except PermanentError as problem:  # the log may still say why
            return f"the service's reason cannot be read: {problem}"
        error = (body or {}).get("error") or {}
        return redacted(": ".join(str(error[key]) for key in ("code", "message") if error.get(key)))

    async def shortage(self, instance_type: str, instances: int) -> str:
        """Compare what is needed with what the workspace's region has left; what the service does not tell passes."""
        workspace = await self.request("GET", "") or {}
        place = f"{self._azureml.subscription_id}/providers/Microsoft.MachineLearningServices/locations"
        place += f"/{workspace.get('location', '')}"
        try:
            sizes, usages = [await self.request("GET", f"{place}/{kind}") for kind in ("vmSizes", "usages")]
        except PermanentError as error:
            logger.warning("the quota cannot be read, and the service will say: %s", error)
            return ""
        return quota.shortage(instance_type, instances, sizes or {}, usages or {})

    async def set_traffic(self, endpoint: str, traffic: Traffic, expected: Traffic) -> bool:
        """Read, compare, write."""
        body = await self.request("GET", f"onlineEndpoints/{endpoint}")
        if body is None:
            raise PermanentError(f"endpoint {endpoint} is not there any more")
        present = endpoint_of(body).traffic
        if present == traffic:
            return True
        if present != expected:
            return False
        kept = {key: body[key] for key in ("location", "identity", "tags", "kind", "sku") if body.get(key)}
        properties = {
            key: body["properties"].get(key)
            for key in ("authMode", "compute", "description", "properties", "publicNetworkAccess")
            if body["properties"].get(key) is not None
        }
        properties |= {"traffic": dict(traffic.live), "mirrorTraffic": dict(traffic.mirror)}
        await self.request("PUT", f"onlineEndpoints/{endpoint}", {**kept, "properties": properties})
        return True

    async def delete_deployment(self, endpoint: str, name: str) -> None:
        """Begin to remove it."""
        await self.request("DELETE", f"onlineEndpoints/{endpoint}/deployments/{name}")

    async def logs(self, endpoint: str, deployment: str) -> str:
        """Give the end of the log, without secrets."""
        path = f"onlineEndpoints/{endpoint}/deployments/{deployment}/getLogs"
        body = await self.request("POST", path, {"containerType": "InferenceServer", "tail": _LOG_LINES})
        return redacted(str((body or {}).get("content") or ""), most=60_000)

    async def measured(self, endpoint: str, deployment: str, start: datetime, end: datetime, grain: int) -> Measured:
        """Ask Azure Monitor for requests by status, and for the latency percentiles, which are never averaged.

        Requests have one aggregation that is documented, the average of a minute's values; asked for another, Azure
        Monitor may fail. So they are asked for minute by minute, and the minutes are added up
        (https://learn.microsoft.com/azure/azure-monitor/reference/supported-metrics/
        microsoft-machinelearningservices-workspaces-onlineendpoints-metrics).
        """
        interval = f"PT{grain // 60}M" if grain % 60 == 0 else f"PT{grain}S"
        span = f"{stamp(start)}/{stamp(end)}"
        path = f"onlineEndpoints/{endpoint}/providers/Microsoft.Insights/metrics"
        one = f"deployment eq '{deployment}'"
        requests = await self.request(
            "GET",
            path,
            version=_METRICS_VERSION,
            parameters={
                "metricnames": "RequestsPerMinute",
                "timespan": span,
                "interval": "PT1M" if grain >= _MINUTE else interval,
                "aggregation": "Average",
                "$filter": f"{one} and statusCode eq '*'",
            },
        )
        latency = await self.request(
            "GET",
            path,
            version=_METRICS_VERSION,
            parameters={
                "metricnames": ",".join(f"RequestLatency_{name}" for name in _PERCENTILES),
                "timespan": span,
                "interval": interval,
                "aggregation": "Average",
                "$filter": one,
            },
        )
        return measured_of(requests or {}, latency or {}, (start, end), f"Azure Monitor of {endpoint}/{deployment}")

    async def call(self, endpoint: EndpointView, deployment: str, body: bytes) -> int:
        """Send one request, as a caller with the endpoint's key would."""
        keys = await self.request("POST", f"onlineEndpoints/{endpoint.name}/listKeys")
        key = str((keys or {}).get("primaryKey", ""))

        def send() -> int:
            import requests

            headers = {
                "Authorization": f"Bearer {key}",
                "Content-Type": "application/json",
                "azureml-model-deployment": deployment,
                "x-ms-client-request-id": f"hub-smoke-{uuid.uuid4()}",
            }
            try:
                return requests.post(endpoint.scoring_uri, data=body, headers=headers, timeout=_TIMEOUT).status_code
            except requests.RequestException:
                return 503

        return await asyncio.to_thread(send)

    async def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        version: str = VERSION,
        parameters: Mapping[str, str] | None = None,
    ) -> Any:
        """Send one ARM request, below the workspace or, where the path begins with /, anywhere.

        Gives its JSON, None for 404. Raises by status.
        """
        return await self._azureml.arm.request(method, path, body, version=version, parameters=parameters)
