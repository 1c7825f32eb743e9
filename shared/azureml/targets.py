"""Where models are promoted to: registries and other workspaces, by the SDK's own clients."""

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from shared.azureml.client import AzureMLClient
from shared.azureml.protocol import ModelView
from shared.engine.outcomes import PermanentError

_SHORT: Final = 20.0
"""Seconds that a look waits for a registry's copy; it goes on in the service meanwhile."""
STORE: Final = "workspaceblobstore"
_STORE_PATH: Final = re.compile(r"azureml://.*?datastores/(?P<store>[^/]+)/paths/(?P<path>.*)", re.IGNORECASE)
_JOB_PATH: Final = re.compile(r"azureml://jobs/(?P<job>[^/]+)/outputs/(?P<output>[^/]+)(?:/paths(?:/(?P<path>.*))?)?/?")


@dataclass(frozen=True, slots=True)
class Target:
    """A registry, or a workspace by subscription, resource group and name."""

    registry: str = ""
    subscription: str = ""
    group: str = ""
    workspace: str = ""

    def __str__(self) -> str:
        return f"registry {self.registry}" if self.registry else f"workspace {self.group}/{self.workspace}"


class Targets(Protocol):
    """Targets as the hub uses them. Raises TransientError and PermanentError."""

    async def source(self, name: str, version: str) -> ModelView:
        """Give the model version of the hub's own workspace."""

    async def place(self, uri: str) -> tuple[str, str, str]:
        """Give account, container and prefix of what lies at an address of the hub's own workspace."""

    async def find(self, target: Target, name: str, version: str) -> ModelView | None:
        """Give the version that the target has, or None."""

    async def share(self, target: Target, name: str, version: str) -> bool:
        """Begin to copy a version into a registry, with its lineage; give whether it is there already, or later."""

    async def store(self, target: Target) -> tuple[str, str]:
        """Give account and container of a workspace's own datastore."""

    async def create(self, target: Target, model: ModelView) -> None:
        """Make a version in a workspace."""


class AzureTargets:
    """Targets in Azure."""

    def __init__(self, client: AzureMLClient) -> None:
        self._azureml = client
        self._shares: dict[tuple[Target, str, str], asyncio.Task[None]] = {}
        self._clients: dict[Target, Any] = {}

    async def source(self, name: str, version: str) -> ModelView:
        """Read the version."""
        return await self._azureml.call(
            f"model {name}:{version}", lambda client: _view(client.models.get(name, version))
        )

    async def place(self, uri: str) -> tuple[str, str, str]:
        """Resolve a datastore's address, or a job's output, by what the workspace says of its datastores."""

        def resolve(client: Any) -> tuple[str, str, str]:
            found, path = _STORE_PATH.fullmatch(uri), uri
            if job := _JOB_PATH.fullmatch(uri):
                path = _output(client, job)
                found = _STORE_PATH.fullmatch(path)
            if found is None:
                raise PermanentError(f"{path}: only models in a blob datastore of the workspace can be promoted")
            store = client.datastores.get(found["store"])
            return str(store.account_name), str(store.container_name), found["path"].strip("/") + "/"

        return await self._azureml.call(f"the files at {uri}", resolve)

    async def find(self, target: Target, name: str, version: str) -> ModelView | None:
        """Look it up."""
        from azure.core.exceptions import ResourceNotFoundError

        def look(_: Any) -> ModelView | None:
            try:
                return _view(self._client(target).models.get(name, version))
            except ResourceNotFoundError:
                return None

        return await self._azureml.call(f"model {name}:{version} of {target}", look)

    async def share(self, target: Target, name: str, version: str) -> bool:
        """Share it; a copy that takes longer than a look goes on, and raises at a later look what it came to."""
        key = (target, name, version)

        def share(_: Any) -> None:
            # A client of its own: sharing turns the client towards the registry while it lasts.
            self._azureml.connect().models.share(
                name, version, share_with_name=name, share_with_version=version, registry_name=target.registry
            )

        if key not in self._shares:
            what = f"model {name}:{version} into {target}"
            self._shares[key] = asyncio.create_task(self._azureml.call(what, share))
        done, _ = await asyncio.wait({self._shares[key]}, timeout=_SHORT)
        if done:
            await self._shares.pop(key)
        return bool(done)

    async def store(self, target: Target) -> tuple[str, str]:
        """Ask the workspace for its datastore."""

        def look(_: Any) -> tuple[str, str]:
            store = self._client(target).datastores.get(STORE)
            return str(store.account_name), str(store.container_name)

        return await self._azureml.call(f"the datastore of {target}", look)

    async def create(self, target: Target, model: ModelView) -> None:
        """Register it there."""

        def create(_: Any) -> None:
            from azure.ai.ml.entities import Model

            self._client(target).models.create_or_update(
                Model(
                    name=model.name,
                    version=model.version,
                    path=model.uri,
                    type=model.kind,
                    tags=dict(model.tags),
                    properties=dict(model.properties),
                )
            )

        await self._azureml.call(f"model {model.name}:{model.version} in {target}", create)

    def _client(self, target: Target) -> Any:
        """Give the target's client, made once: that takes several requests."""
        if target not in self._clients:
            workspace = None if target.registry else (target.subscription, target.group, target.workspace)
            self._clients[target] = self._azureml.connect(workspace, target.registry)
        return self._clients[target]


def _output(client: Any, job: re.Match[str]) -> str:
    """Give the datastore's address of a job's output: where the job put it, or where the service puts them."""
    path = (job["path"] or "").strip("/")
    if job["output"] == "artifacts":
        return f"azureml://datastores/workspaceartifactstore/paths/ExperimentRun/dcid.{job['job']}/{path}"
    outputs: Mapping[str, Any] = client.jobs.get(job["job"]).outputs or {}
    given = str(getattr(outputs.get(job["output"]), "path", "") or "")
    given = given.replace("${{name}}", job["job"])
    if not _STORE_PATH.fullmatch(given):
        given = f"azureml://datastores/{STORE}/paths/azureml/{job['job']}/{job['output']}"
    return f"{given.rstrip('/')}/{path}"


def _view(model: Any) -> ModelView:
    return ModelView(
        str(model.name),
        str(model.version),
        str(model.path),
        str(model.type),
        dict(model.tags or {}),
        dict(model.properties or {}),
    )
