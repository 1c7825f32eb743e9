"""Invocations of batch endpoints: one plain request under a name of the hub's own, so that asking twice is one run."""

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from shared.azureml.client import AzureMLClient
from shared.azureml.online import AzureEndpoints
from shared.azureml.protocol import HUB_TAG, lasting
from shared.azureml.redacting import redacted
from shared.engine.outcomes import PermanentError, TransientError

_AUDIENCE: Final = "https://ml.azure.com"
_TIMEOUT: Final = 60
_FILE: Final = "predictions.csv"
"""The file that the service makes of what a scoring script returns: an output's address has to name one, and the
scoring script's own files go beside it (https://learn.microsoft.com/azure/machine-learning/how-to-access-data-batch-endpoints-jobs)."""
_MODEL: Final = re.compile(r"/models/([^/]+)/versions/([^/]+)$")
_TRANSIENT: Final = frozenset({408, 409, 423, 429, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class Invocation:
    """What to run: `data` is the address of a folder, `output` of the folder that results go to."""

    name: str
    endpoint: str
    deployment: str
    data: str
    output: str
    experiment: str
    tags: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Target:
    """A deployment of a batch endpoint, and the version of the model in it (`name:version`, "" where it names none)."""

    deployment: str
    model: str


class Batch(Protocol):
    """Batch endpoints as the hub uses them. Raises TransientError and PermanentError."""

    async def target(self, endpoint: str, deployment: str) -> Target:
        """Give the deployment, the default one for "", and its model."""

    async def invoke(self, invocation: Invocation) -> None:
        """Begin the run; one of that name that is there already, and ours, is no error."""


class AzureBatch:
    """Batch endpoints in Azure. The SDK's `invoke` keeps headers between calls, so the request is sent plainly."""

    def __init__(self, client: AzureMLClient, arm: AzureEndpoints) -> None:
        self._azureml = client
        self._arm = arm

    async def target(self, endpoint: str, deployment: str) -> Target:
        """Give the deployment and its model."""
        found = await self._endpoint(endpoint)
        name = deployment or str((found["properties"].get("defaults") or {}).get("deploymentName") or "")
        if not name:
            raise PermanentError(f"batch endpoint {endpoint!r} has no default deployment: set one, or name one")
        made = await self._arm.request("GET", f"batchEndpoints/{endpoint}/deployments/{name}")
        if made is None:
            raise PermanentError(f"batch endpoint {endpoint!r} has no deployment {name!r}")
        asset = _MODEL.search(str((made["properties"].get("model") or {}).get("assetId") or ""))
        return Target(name, f"{asset[1]}:{asset[2]}" if asset else "")

    async def _endpoint(self, name: str) -> Any:
        found = await self._arm.request("GET", f"batchEndpoints/{name}")
        if found is None:
            raise PermanentError(f"there is no batch endpoint {name!r} in the workspace: create it first")
        return found

    async def invoke(self, invocation: Invocation) -> None:
        """Begin the run."""
        existing = await self._azureml.job(invocation.name)
        if existing is not None:
            # The name is of the activity's own making; tags of an invocation may not have reached the job.
            if HUB_TAG in existing.tags and existing.tags[HUB_TAG] != invocation.tags.get(HUB_TAG):
                raise PermanentError(f"a job {invocation.name} exists and was not made by this activity")
            return
        endpoint = await self._endpoint(invocation.endpoint)
        address = str(endpoint["properties"]["scoringUri"])
        token = await self._azureml.token(_AUDIENCE)
        body = {
            "properties": {
                "name": invocation.name,
                "inputData": {"data": {"jobInputType": "UriFolder", "uri": invocation.data}},
                "outputData": {"score": {"jobOutputType": "UriFile", "uri": f"{invocation.output}{_FILE}"}},
                "properties": {"experimentName": invocation.experiment, **lasting(invocation.tags)},
                "tags": dict(invocation.tags),
            }
        }
        headers = {"Authorization": f"Bearer {token}"}
        if invocation.deployment:
            headers["azureml-model-deployment"] = invocation.deployment
        await asyncio.to_thread(_post, address, body, headers, f"batch endpoint {invocation.endpoint}")


def _post(address: str, body: Any, headers: Mapping[str, str], what: str) -> None:
    import requests

    try:
        answer = requests.post(address, json=body, headers=dict(headers), timeout=_TIMEOUT)
    except requests.RequestException as error:
        raise TransientError(f"{what} did not answer: {type(error).__name__}") from None
    if answer.status_code >= 300:
        text = redacted(f"{what} answered {answer.status_code}: {answer.text[:500]}")
        raise TransientError(text) if answer.status_code in _TRANSIENT else PermanentError(text)
