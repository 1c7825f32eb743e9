"""The deployments that the checks look at: every environment's file, and the options that none of them takes."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.unit.infra.deployment import evaluate, parameters_of
from tests.unit.infra.results import Deployment
from tests.unit.infra.values import Reader

ROOT: Final = Path(__file__).resolve().parents[3]
INFRA: Final = ROOT / "infra"
_COMPUTE: Final = ["55555555-5555-5555-5555-555555555555", "66666666-6666-6666-6666-666666666666"]
_APPLICATION: Final = "77777777-7777-7777-7777-777777777777"
AZD: Final[Mapping[str, Mapping[str, str]]] = {
    "azd": {"AZURE_ENV_NAME": "mine", "AZURE_LOCATION": "northeurope"},
    "azd-everything": {
        "AZURE_ENV_NAME": "all",
        "AZURE_LOCATION": "northeurope",
        "HUB_ID": "third",
        "AZUREML_WORKSPACE_NAME": "mlw-prod",
        "AZUREML_SUBSCRIPTION_ID": "88888888-8888-8888-8888-888888888888",
        "AZUREML_RESOURCE_GROUP": "rg-ml-prod",
        "AZUREML_LOCATION": "westeurope",
        "AZUREML_STORAGE_ACCOUNT": "stmlprod",
        "AZUREML_TOPIC": "evgt-mlw-prod",
        "LANDING_ACCOUNT": "stlandingprod",
        "LANDING_SUBSCRIPTION_ID": "99999999-9999-9999-9999-999999999999",
        "LANDING_RESOURCE_GROUP": "rg-data-prod",
        "LANDING_LOCATION": "westeurope",
        "LANDING_TOPIC": "evgt-stlandingprod",
        "COMPUTE_PRINCIPAL_IDS": f'["{_COMPUTE[0]}"]',
        "GRANT_COMPUTE": "true",
        "COMPUTE_SIZE": "Standard_DS3_v2",
        "REGISTRY_NAME": "mlr-shared",
        "REGISTRY_RESOURCE_GROUP": "rg-ml-shared",
        "READ_QUOTA": "true",
        "STORAGE_SKU": "Standard_LRS",
        "SEALS_LOCKED": "false",
        "AUTH_CLIENT_ID": _APPLICATION,
        "HASHED_KEYS": f'{{"me": {{"hash": "{"0" * 64}", "roles": ["reader", "operator"]}}}}',
        "ALERT_EMAILS": '["ops@example.com"]',
    },
}
"""The azd environments that main.bicepparam is read with: nothing set, and everything that it reads."""
OPTIONS: Final[Mapping[str, Mapping[str, Any]]] = {
    "granted-by-hand": {
        "workspaceName": "mlw-prod",
        "workspaceResourceGroup": "rg-ml-prod",
        "workspaceStorageAccountName": "stmlprod",
        "computePrincipalIds": _COMPUTE,
        "grantCompute": False,
    },
    "own-everything": {"computePrincipalIds": _COMPUTE, "authClientId": _APPLICATION, "delivery": "push"},
    "second-hub": {
        "hubId": "second",
        "workspaceName": "mlw-prod",
        "workspaceResourceGroup": "rg-ml-prod",
        "workspaceStorageAccountName": "stmlprod",
        "landingAccountName": "stlandingprod",
        "landingResourceGroup": "rg-data-prod",
        "landingSubscriptionId": "88888888-8888-8888-8888-888888888888",
        "existingLandingTopic": "evgt-stlandingprod",
        "existingWorkspaceTopic": "evgt-mlw-prod",
        "delivery": "http",
        "authClientId": _APPLICATION,
        "computePrincipalIds": _COMPUTE,
        "sealsLocked": True,
        "readQuota": False,
        "hashedKeys": {"ci": {"hash": "0" * 64, "roles": ["publisher"]}},
        "alertEmails": ["ops@example.com"],
        "channels": {"ops": {"kind": "teams", "url-setting": "HUB_OPS_URL", "routes": [{"on": ["failed"]}]}},
        "vaultSettings": {"HUB_OPS_URL": "ops-url", "HUB_SECRET_ERP": "erp-key"},
        "settingsVaultName": "kv-ops",
        "settingsVaultResourceGroup": "rg-ops",
        "publicUrl": "https://hub.example.com",
        "moreSettings": {"HUB_RETENTION_DAYS": "90"},
        "logsWorkspaceName": "log-ml-prod",
        "promotionTargets": [
            {
                "workspaceName": "mlw-next",
                "storageAccountName": "stmlnext",
                "resourceGroup": "rg-ml-next",
                "subscriptionId": "99999999-9999-9999-9999-999999999999",
            }
        ],
        "logsWorkspaceResourceGroup": "rg-ml-prod",
    },
}


@dataclass(frozen=True, slots=True)
class Scenario:
    """One deployment, with its name and the parameters it got."""

    name: str
    parameters: Mapping[str, Any]
    deployment: Deployment


def scenarios(read: Reader = Path.read_text) -> list[Scenario]:
    """Evaluate all. Raises BicepError for the first template that is wrong."""
    files = sorted((INFRA / "environments").glob("*.bicepparam"))
    found = [(path.stem, parameters_of(path, {}, read)) for path in files]
    for name, environment in AZD.items():
        found.append((name, parameters_of(INFRA / "main.bicepparam", environment, read)))
    for name, options in OPTIONS.items():
        found.append((name, {"environmentName": "any", "location": "westeurope", **options}))
    return [Scenario(name, given, evaluate(INFRA / "main.bicep", given, read)) for name, given in found]
