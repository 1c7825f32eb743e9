"""The workspace, its datastores and computes, and what a client asks for first: cloud, discovery."""

import uuid
from typing import Final

from aiohttp import web

from local.azureml.environments import Environments
from local.azureml.routes import Call, Routes
from local.azureml.state import State
from local.azureml.storage import Storage
from local.azureml.tokens import Tokens
from local.azureml.uris import STORAGE_SUFFIX, Place
from local.azureml.wire import (
    LOCATION,
    WORKSPACE_GUID,
    Json,
    invalid,
    listing,
    not_found,
    reply,
    resource,
    system_data,
    touched,
)
from local.config import (
    ACCOUNTS,
    AZURITE_KEY,
    LANDING_ACCOUNT,
    LANDING_CONTAINERS,
    TENANT,
    WORKSPACE,
    WORKSPACE_ACCOUNT,
    Cloud,
)

BLOB_STORE: Final = "workspaceblobstore"
ARTIFACT_STORE: Final = "workspaceartifactstore"


class Workspace:
    """The workspace's own routes."""

    def __init__(self, cloud: Cloud, state: State, storage: Storage, environments: Environments) -> None:
        self._cloud, self._state, self._storage, self._environments = cloud, state, storage, environments
        self.tokens = Tokens(cloud)
        self._base = f"https://127.0.0.1:{cloud.azureml_tls_port}"
        self._made = system_data()

    def serve(self, arm: Routes, plain: Routes) -> None:
        """Add the routes: below the workspace, and outside ARM."""
        arm.add("GET", "", self._get)
        arm.add("GET", "datastores", self._datastores)
        arm.add("GET", "datastores/{name}", self._datastore)
        arm.add("PUT", "datastores/{name}", self._put_datastore)
        arm.add("DELETE", "datastores/{name}", self._delete_datastore)
        arm.add("POST", "datastores/{name}/listSecrets", self._secrets)
        arm.add("GET", "computes", self._computes)
        arm.add("GET", "computes/{name}", self._compute)
        plain.add("GET", "metadata/endpoints", self._metadata)
        plain.add("GET", "discovery", self._discovery)
        plain.add("GET", "msi/token", self.tokens.answer)

    async def ready(self) -> None:
        """Make the containers of the datastores."""
        for name in self._builtin():
            place = self.datastore(name)
            await self._storage.container(place.account, place.container)

    def _builtin(self) -> dict[str, tuple[str, str]]:
        stores = {
            BLOB_STORE: (WORKSPACE_ACCOUNT, f"azureml-blobstore-{WORKSPACE_GUID}"),
            ARTIFACT_STORE: (WORKSPACE_ACCOUNT, "azureml"),
        }
        return stores | {name.replace("-", "_"): (LANDING_ACCOUNT, name) for name in LANDING_CONTAINERS}

    def datastore(self, name: str) -> Place:
        """Give the root of a datastore; raises ArmError (404)."""
        builtin = self._builtin()
        if name in builtin:
            return Place(*builtin[name], "")
        stored = self._state.get("datastores", name)
        if stored is None:
            raise not_found(f"Datastore '{name}'")
        return Place(stored["properties"]["accountName"], stored["properties"]["containerName"], "")

    def _store_body(self, name: str) -> Json:
        stored = self._state.get("datastores", name)
        if stored is not None:
            return stored
        place = self.datastore(name)
        properties = {
            "description": None,
            "tags": None,
            "properties": None,
            "isDefault": name == BLOB_STORE,
            "credentials": {"credentialsType": "AccountKey"},
            "datastoreType": "AzureBlob",
            "accountName": place.account,
            "containerName": place.container,
            "endpoint": STORAGE_SUFFIX,
            "protocol": "https",
            "serviceDataAccessAuthIdentity": "None",
        }
        return resource(f"{self._cloud.workspace_id}/datastores/{name}", "datastores", properties, self._made)

    async def _datastores(self, call: Call) -> web.Response:
        names = [*self._builtin(), *(item["name"] for item in self._state.documents("datastores"))]
        wanted = call.query.get("isdefault", "").lower()
        return listing([self._store_body(name) for name in names if wanted != "true" or name == BLOB_STORE])

    async def _datastore(self, call: Call) -> web.Response:
        return reply(self._store_body(call.name))

    async def _put_datastore(self, call: Call) -> web.Response:
        given = call.properties()
        if given.get("datastoreType") != "AzureBlob" or given.get("accountName") not in ACCOUNTS:
            raise invalid(f"A datastore of a laptop is an AzureBlob container of one of {', '.join(ACCOUNTS)}.")
        if call.name in self._builtin():
            raise invalid(f"The datastore '{call.name}' belongs to the workspace and cannot be changed.")
        stored = self._state.get("datastores", call.name)
        properties = {
            **{key: given.get(key) for key in ("description", "tags", "properties")},
            "isDefault": False,
            "credentials": {"credentialsType": (given.get("credentials") or {}).get("credentialsType", "None")},
            "datastoreType": "AzureBlob",
            "accountName": given["accountName"],
            "containerName": given.get("containerName"),
            "endpoint": STORAGE_SUFFIX,
            "protocol": "https",
            "serviceDataAccessAuthIdentity": given.get("serviceDataAccessAuthIdentity", "None"),
        }
        body = resource(
            f"{self._cloud.workspace_id}/datastores/{call.name}",
            "datastores",
            properties,
            touched(stored["systemData"]) if stored else None,
        )
        self._state.put("datastores", call.name, body)
        return reply(body, 200 if stored else 201)

    async def _delete_datastore(self, call: Call) -> web.Response:
        return web.Response(status=200 if self._state.delete("datastores", call.name) else 204)

    async def _secrets(self, call: Call) -> web.Response:
        place = self.datastore(call.name)
        if call.body.get("expirableSecret"):
            hours = float(call.body.get("expireAfterHours") or 1)
            return reply({"secretsType": "Sas", "sasToken": self._storage.signature(place, write=True, hours=hours)})
        return reply({"secretsType": "AccountKey", "key": AZURITE_KEY})

    def _compute_body(self, name: str) -> Json:
        properties = {
            "computeType": "AmlCompute",
            "computeLocation": LOCATION,
            "provisioningState": "Succeeded",
            "description": "Child processes of this laptop",
            "isAttachedCompute": False,
            "disableLocalAuth": True,
            "properties": {
                "vmSize": "STANDARD_LAPTOP",
                "vmPriority": "Dedicated",
                "osType": "Linux",
                "allocationState": "Steady",
                "scaleSettings": {"minNodeCount": 0, "maxNodeCount": 2, "nodeIdleTimeBeforeScaleDown": "PT120S"},
            },
        }
        body = resource(f"{self._cloud.workspace_id}/computes/{name}", "computes", properties, self._made)
        return {**body, "location": LOCATION, "tags": {}}

    async def _computes(self, _: Call) -> web.Response:
        return listing([self._compute_body(name) for name in self._environments.computes])

    async def _compute(self, call: Call) -> web.Response:
        if call.name not in self._environments.computes:
            raise not_found(f"Compute '{call.name}'")
        return reply(self._compute_body(call.name))

    async def _get(self, _: Call) -> web.Response:
        tracking = f"azureml://127.0.0.1:{self._cloud.azureml_tls_port}/mlflow/v1.0{self._cloud.workspace_id}"
        group = self._cloud.workspace_id.partition("/providers/")[0]
        properties = {
            "friendlyName": WORKSPACE,
            "description": "The laptop cloud",
            "storageAccount": self._cloud.account_id(WORKSPACE_ACCOUNT),
            "keyVault": f"{group}/providers/Microsoft.Keyvault/vaults/laptop",
            "applicationInsights": f"{group}/providers/Microsoft.insights/components/laptop",
            "containerRegistry": None,
            "hbiWorkspace": False,
            "tenantId": TENANT,
            "imageBuildCompute": None,
            "provisioningState": "Succeeded",
            "v1LegacyMode": False,
            "softDeleteEnabled": False,
            "storageHnsEnabled": False,
            "workspaceId": WORKSPACE_GUID,
            "linkedModelInventoryArmId": None,
            "privateLinkCount": 0,
            "publicNetworkAccess": "Enabled",
            "discoveryUrl": f"{self._base}/discovery",
            "mlFlowTrackingUri": tracking,
            "sasGetterUri": "",
        }
        return reply(
            {
                "id": self._cloud.workspace_id,
                "name": WORKSPACE,
                "type": "Microsoft.MachineLearningServices/workspaces",
                "location": LOCATION,
                "tags": {},
                "etag": None,
                "properties": properties,
                "identity": {"type": "SystemAssigned", "principalId": str(uuid.UUID(int=1)), "tenantId": TENANT},
                "sku": {"name": "Basic", "tier": "Basic"},
                "systemData": self._made,
            }
        )

    async def _discovery(self, _: Call) -> web.Response:
        services = (
            "api",
            "catalog",
            "experimentation",
            "gallery",
            "history",
            "hyperdrive",
            "labeling",
            "modelmanagement",
        )
        return reply(dict.fromkeys((*services, "pipelines", "mlflow", "studio", "inferencing"), self._base))

    async def _metadata(self, _: Call) -> web.Response:
        """Give one cloud in the form of Azure's own /metadata/endpoints, whose resource manager is this server."""
        cloud = {
            # A name of its own for each cloud: azure-ai-ml never registers a name twice in a process.
            "name": f"LaptopCloud{self._cloud.azureml_tls_port}",
            "portal": "https://portal.azure.laptop.test/",
            "resourceManager": self._base,
            "authentication": {
                "loginEndpoint": self._base,
                "audiences": ["https://management.core.windows.net/", "https://management.azure.com/"],
                "tenant": TENANT,
                "identityProvider": "AAD",
            },
            "suffixes": {"storage": STORAGE_SUFFIX},
        }
        return reply([cloud])
