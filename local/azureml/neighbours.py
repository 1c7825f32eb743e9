"""What models are promoted to on a laptop: a registry, and a second workspace with a datastore of its own.

Both answer as far as a promotion and a look at what came of it ask. A registry is found by its discovery and reached by
the data plane's paths; it takes a version over from a workspace by an operation, with files, tags and properties.
"""

import re
import uuid
from typing import Final

from aiohttp import web

from local.azureml.assets import Assets
from local.azureml.environments import Environments
from local.azureml.events import Events
from local.azureml.operations import Operations
from local.azureml.routes import Call, Routes
from local.azureml.state import State
from local.azureml.storage import Storage
from local.azureml.uris import STORAGE_SUFFIX, AssetRef
from local.azureml.wire import (
    LOCATION,
    PROVIDER,
    WORKSPACE_GUID,
    ArmError,
    Json,
    invalid,
    listing,
    not_found,
    reply,
    resource,
    system_data,
)
from local.config import RESOURCE_GROUP, SUBSCRIPTION, TENANT, WORKSPACE_ACCOUNT, Cloud

REGISTRY: Final = "laptop-registry"
SECOND: Final = "laptop-production"
_GUID: Final = str(uuid.uuid5(uuid.NAMESPACE_URL, f"azureml://{SECOND}"))
_STORE: Final = "workspaceblobstore"
_GROUP: Final = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{RESOURCE_GROUP}/providers/{PROVIDER}"
_SOURCE: Final = re.compile(
    r"azureml://locations/[^/]+/workspaces/(?P<workspace>[^/]+)/models/(?P<name>[^/]+)/versions/(?P<version>[^/]+)"
)


class _Second(Cloud):
    """The second workspace's names."""

    @property
    def workspace_id(self) -> str:
        """The ARM id of the second workspace."""
        return f"{_GROUP}/workspaces/{SECOND}"


class _Unheard(Events):
    """Events of the second workspace: nothing subscribes to them."""

    def model_registered(self, name: str, version: str, tags: Json, properties: Json) -> None:
        """Tell nobody."""


class Neighbours:
    """The registry and the second workspace."""

    def __init__(
        self, cloud: Cloud, assets: Assets, state: State, storage: Storage, environments: Environments, work: Operations
    ) -> None:
        self._cloud, self._assets, self._state, self._storage, self._operations = cloud, assets, state, storage, work
        self._own = State(cloud.local_dir / "azureml" / "second.db")
        second = _Second(cloud.port_base, cloud.local_dir, cloud.time_scale)
        self._second = Assets(second, self._own, storage, _Unheard(second, self._own), environments)
        self._base = f"https://127.0.0.1:{cloud.azureml_tls_port}"
        self._made = system_data()
        self._workspace, self._registry, self._discovery = Routes(), Routes(), Routes()
        self._second.serve(self._workspace)
        self._workspace.add("GET", "", self._get)
        self._workspace.add("GET", "datastores", self._stores)
        self._workspace.add("GET", "datastores/{name}", self._store)
        self._registry.add("GET", "models/{name}", self._container)
        self._registry.add("GET", "models/{name}/versions", self._versions)
        self._registry.add("GET", "models/{name}/versions/{version}", self._version)
        self._registry.add("POST", "import", self._import)
        self._discovery.add("GET", "registries/{name}/discovery", self._discover)
        self._discovery.add("GET", "imported/{name}/{version}", self._imported)

    def tables(self) -> tuple[tuple[str, Routes], ...]:
        """Give the routes by the beginnings of their paths, in lower case."""
        return (
            (f"{_GROUP}/workspaces/{SECOND}".lower(), self._workspace),
            (f"/mferp/managementfrontend{_GROUP}/registries/{REGISTRY}".lower(), self._registry),
            ("/registrymanagement/v1.0", self._discovery),
        )

    async def ready(self) -> None:
        """Make the container of the second workspace's datastore."""
        await self._storage.container(WORKSPACE_ACCOUNT, f"azureml-blobstore-{_GUID}")

    def close(self) -> None:
        """Close what is remembered."""
        self._own.close()

    # The second workspace

    async def _get(self, _: Call) -> web.Response:
        properties = {
            "friendlyName": SECOND,
            "description": "A second workspace of the laptop, to promote models to",
            "storageAccount": self._cloud.account_id(WORKSPACE_ACCOUNT),
            "tenantId": TENANT,
            "provisioningState": "Succeeded",
            "workspaceId": _GUID,
            "publicNetworkAccess": "Enabled",
            "discoveryUrl": f"{self._base}/discovery",
        }
        body = resource(f"{_GROUP}/workspaces/{SECOND}", "workspaces", properties, self._made)
        sku = {"name": "Basic", "tier": "Basic"}
        return reply({**body, "type": f"{PROVIDER}/workspaces", "location": LOCATION, "tags": {}, "sku": sku})

    def _store_body(self, name: str) -> Json:
        if name != _STORE:
            raise not_found(f"Datastore '{name}'")
        properties = {
            "isDefault": True,
            "credentials": {"credentialsType": "AccountKey"},
            "datastoreType": "AzureBlob",
            "accountName": WORKSPACE_ACCOUNT,
            "containerName": f"azureml-blobstore-{_GUID}",
            "endpoint": STORAGE_SUFFIX,
            "protocol": "https",
            "serviceDataAccessAuthIdentity": "None",
        }
        return resource(f"{_GROUP}/workspaces/{SECOND}/datastores/{name}", "datastores", properties, self._made)

    async def _stores(self, _: Call) -> web.Response:
        return listing([self._store_body(_STORE)])

    async def _store(self, call: Call) -> web.Response:
        return reply(self._store_body(call.name))

    # The registry

    async def _discover(self, call: Call) -> web.Response:
        if call.name.lower() != REGISTRY:
            raise not_found(f"Registry '{call.name}'")
        answer = {
            "registryName": REGISTRY,
            "primaryRegionResourceProviderUri": f"{self._base}/",
            "resourceGroup": RESOURCE_GROUP,
            "subscriptionId": SUBSCRIPTION,
            "primaryRegion": LOCATION,
            "regions": [LOCATION],
            "registryFqdns": {LOCATION: {"uri": f"{self._base}/"}},
        }
        return reply(answer)

    def _models(self, name: str) -> list[Json]:
        return self._state.documents("registry/models", name)

    async def _container(self, call: Call) -> web.Response:
        found = self._models(call.name)
        if not found:
            raise not_found(f"Model container '{call.name}'")
        properties = {"isArchived": False, "tags": {}, "properties": {}, "latestVersion": found[0]["name"]}
        uri = f"azureml://registries/{REGISTRY}/models/{call.name}"
        return reply(resource(uri, "models", {**properties, "nextVersion": "1"}, found[0]["systemData"]))

    async def _versions(self, call: Call) -> web.Response:
        top = call.query.get("$top", "")
        found = self._models(call.name)
        return listing(found[: int(top)] if top.isdecimal() else found)

    async def _version(self, call: Call) -> web.Response:
        found = self._state.get("registry/models", call.params["version"], call.name)
        if found is None:
            raise not_found(f"Model '{call.name}:{call.params['version']}'")
        return reply(found)

    async def _import(self, call: Call) -> web.Response:
        """Take a workspace's version over: the operation copies it, and the version is there when it is done."""
        given = call.properties()
        source = _SOURCE.fullmatch(str(given.get("sourceAssetId", "")))
        if source is None or source["workspace"] != WORKSPACE_GUID:
            raise invalid(f"The asset id '{given.get('sourceAssetId')}' is of no model of this laptop's workspace.")
        model = self._assets.find(AssetRef("models", source["name"], source["version"], None))
        name, version = str(given.get("destinationName")), str(given.get("destinationVersion"))
        if self._state.get("registry/models", version, name) is not None:
            raise ArmError(409, "Conflict", f"The model '{name}:{version}' exists in the registry.", ("Conflict",))

        async def copy() -> None:
            uri = f"azureml://registries/{REGISTRY}/models/{name}/versions/{version}"
            properties = {**model["properties"], "modelUri": uri, "stage": None}
            self._state.put("registry/models", version, resource(uri, "models/versions", properties), name)

        headers = self._operations.begin(call, "registry", f"registries/{name}/{version}", copy)
        done = f"{self._base}/registrymanagement/v1.0/imported/{name}/{version}"
        return web.Response(status=202, headers={**headers, "Location": done})

    async def _imported(self, _: Call) -> web.Response:
        """Say nothing more: a client reads the version itself."""
        return web.Response(status=200)
