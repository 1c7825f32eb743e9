"""Checks that the templates are safe: no keys, no secrets, nothing public, and no role more or less than is needed."""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Final

from tests.unit.infra.results import Deployment, Resource
from tests.unit.infra.scenarios import INFRA, Scenario
from tests.unit.infra.tree import File

_STORAGE: Final = "Microsoft.Storage/storageAccounts"
_SECRET: Final = re.compile(
    r"AccountKey=|SharedAccessSignature|[?&]sig=|listKeys|listAccountSas|listServiceSas|listSecrets|-----BEGIN|"
    r"DefaultEndpointsProtocol|password\s*:\s*'",
    re.IGNORECASE,
)
SET: Final = "anything"
_REQUIRED: Final[Mapping[str, Mapping[str, Any]]] = {
    _STORAGE: {
        "allowSharedKeyAccess": False,
        "allowBlobPublicAccess": False,
        "allowCrossTenantReplication": False,
        "minimumTlsVersion": "TLS1_2",
        "supportsHttpsTrafficOnly": True,
    },
    f"{_STORAGE}/blobServices/containers": {"publicAccess": "None"},
    "Microsoft.EventGrid/topics": {"disableLocalAuth": True, "minimumTlsVersionAllowed": "1.2"},
    "Microsoft.Insights/components": {"DisableLocalAuth": True},
    "Microsoft.OperationalInsights/workspaces": {
        "features.disableLocalAuth": True,
        "workspaceCapping.dailyQuotaGb": SET,
    },
    "Microsoft.Web/sites": {"httpsOnly": True, "siteConfig.minTlsVersion": "1.2"},
    "Microsoft.Web/sites/basicPublishingCredentialsPolicies": {"allow": False},
    "Microsoft.Insights/scheduledQueryRules": {"skipQueryValidation": True},
    # Protected against purging, its name would be taken for as long after all is removed.
    "Microsoft.KeyVault/vaults": {
        "enableRbacAuthorization": True,
        "enablePurgeProtection": None,
        "softDeleteRetentionInDays": 7,
    },
    "Microsoft.MachineLearningServices/workspaces/computes": {
        "disableLocalAuth": True,
        "properties.remoteLoginPortPublicAccess": "Disabled",
        "properties.scaleSettings.minNodeCount": 0,
    },
    "Microsoft.MachineLearningServices/workspaces": {"systemDatastoresAuthMode": "Identity"},
    "Microsoft.MachineLearningServices/workspaces/datastores": {"credentials.credentialsType": "None"},
}
"""Type of a resource → property under `properties` → the value it must have."""
QUOTA: Final = "Azure ML Quota Reader"
"""The one role of our own, the one role on a whole subscription: what shared/azureml/online.py reads of the quota."""
_QUOTA_ACTIONS: Final = {f"Microsoft.MachineLearningServices/locations/{one}/read" for one in ("usages", "vmsizes")}
_SUBSCRIPTION: Final = "a whole subscription"
Grant = tuple[str, str, str]
"""Who (app, delivery, compute), the role's name, and where (the last parts of the scope)."""


def safe(scenario: Scenario) -> Iterator[str]:
    """Give what is unsafe."""
    deployment = scenario.deployment
    for one in deployment.resources:
        for path, wanted in _REQUIRED.get(one.type, {}).items():
            value: Any = one.body["properties"]
            for part in path.split("."):
                value = value.get(part) if isinstance(value, Mapping) else None
            if value != wanted and not (wanted is SET and value):
                yield f"{one.file}:{one.line}: {one.type} {path} is {value!r}, {wanted!r} is wanted"
        text = json.dumps(one.body)
        if found := _SECRET.search(text):
            yield f"{one.file}:{one.line}: {found.group()!r} in a resource"
    policies = {one.name.rpartition("/")[2] for one in deployment.of(f"{_site()}/basicPublishingCredentialsPolicies")}
    if policies != {"ftp", "scm"}:
        yield "publishing by password is not switched off for both ftp and scm"
    for identifier, count in Counter(one.id.lower() for one in deployment.resources).items():
        if count > 1:
            yield f"{identifier} is deployed {count} times"
    yield from _names(deployment)
    yield from _roles(scenario)
    yield from _quota(deployment)
    yield from _clusters(deployment)
    yield from _delivery(deployment)


def _site() -> str:
    return "Microsoft.Web/sites"


def clean(file: File, text: str) -> Iterator[str]:
    """Give what must not stand in a template's own text."""
    for number, line in enumerate(text.splitlines(), 1):
        if found := _SECRET.search(line):
            yield f"{file.path.name}:{number}: {found.group()!r} in a template"
    for one in (*file.all("param"), *file.all("output")):
        if re.search(r"secret|password|sas|accesskey|connectionstring", one.name, re.IGNORECASE):
            if one.kind == "output" and one.name == "connectionString":
                continue  # Application Insights': with local authentication off it is an address and no secret.
            if one.name == "insightsConnectionString":
                continue
            yield f"{file.path.name}:{one.line}: {one.kind} {one.name!r} looks like a secret; identities need none"


def _names(deployment: Deployment) -> Iterator[str]:
    rules = {
        _STORAGE: r"[a-z0-9]{3,24}",
        "Microsoft.KeyVault/vaults": r"[A-Za-z][A-Za-z0-9-]{1,22}[A-Za-z0-9]",
        "Microsoft.Authorization/roleDefinitions": r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
        "Microsoft.Authorization/roleAssignments": r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
        "Microsoft.Web/sites": r"[A-Za-z0-9][A-Za-z0-9-]{0,58}[A-Za-z0-9]",
        "Microsoft.EventGrid/systemTopics": r"[A-Za-z0-9-]{3,128}",
        "Microsoft.EventGrid/topics": r"[A-Za-z0-9-]{3,50}",
        "Microsoft.MachineLearningServices/workspaces": r"[A-Za-z0-9][\w-]{2,32}",
        f"{_STORAGE}/queueServices/queues": r"[a-z0-9](-?[a-z0-9]){2,62}",
        f"{_STORAGE}/blobServices/containers": r"[a-z0-9](-?[a-z0-9]){2,62}",
        f"{_STORAGE}/tableServices/tables": r"[A-Za-z][A-Za-z0-9]{2,62}",
    }
    for one in deployment.resources:
        last = one.name.rpartition("/")[2]
        if one.type in rules and not re.fullmatch(rules[one.type], last):
            yield f"{one.file}:{one.line}: Azure takes no {one.type} of the name {last!r}"
        above = one.type.startswith("Microsoft.Resources/") or one.file == "quota-access.bicep"
        if not above and "resourceGroups" not in one.id:
            yield f"{one.file}:{one.line}: {one.type} would be deployed outside a resource group"


def grants(scenario: Scenario) -> Iterator[tuple[Grant, Resource]]:
    """Give each role assignment: who has which role where."""
    names = {one["id"]: one["name"] for one in json.loads((INFRA / "roles.json").read_text()).values()}
    for own in scenario.deployment.of("Microsoft.Authorization/roleDefinitions"):
        names[own.name] = str(own.body["properties"]["roleName"]).rpartition(" ")[0]  # without what tells tenants apart
    people = {
        **{
            f"<{one.name}.properties.principalId>": one.symbol
            for one in scenario.deployment.of("Microsoft.ManagedIdentity/userAssignedIdentities")
        },
        **dict.fromkeys(scenario.parameters.get("computePrincipalIds", []), "compute"),
    }
    for one in scenario.deployment.of("Microsoft.Authorization/roleAssignments"):
        properties = one.body["properties"]
        role = str(properties["roleDefinitionId"]).rpartition("/")[2]
        where = one.scope.partition("/providers/")[2]
        if not one.scope and "/resourceGroups/" not in one.id:
            where = _SUBSCRIPTION
        yield (people.get(properties["principalId"], "?"), names.get(role, role), where), one


def _expected(scenario: Scenario) -> set[Grant]:
    deployment, given = scenario.deployment, scenario.parameters
    settings = next(
        one.body["properties"]
        for one in deployment.of("Microsoft.Web/sites/config")
        if one.name.endswith("/appsettings")
    )
    (hub,) = (one for one in deployment.of(_STORAGE) if one.file == "hub-storage.bicep")
    account, landing = f"{_STORAGE}/{hub.name}", f"{_STORAGE}/{settings['HUB_DATA_ACCOUNT']}"
    workspace = f"Microsoft.MachineLearningServices/workspaces/{settings['AZUREML_WORKSPACE_NAME']}"
    (topic,) = deployment.of("Microsoft.EventGrid/topics")
    (insights,) = deployment.of("Microsoft.Insights/components")
    expected = {
        ("app", "Storage Blob Data Owner", account),
        ("app", "Storage Queue Data Contributor", account),
        ("app", "Storage Table Data Contributor", account),
        ("app", "Storage Blob Data Reader", landing),
        (
            "app",
            "Storage Blob Data Contributor",
            f"{landing}/blobServices/default/containers/{settings['HUB_DATA_CONTAINER']}",
        ),
        ("app", "AzureML Data Scientist", workspace),
        ("app", "Monitoring Reader", workspace),
        ("app", "Monitoring Metrics Publisher", f"Microsoft.Insights/components/{insights.name}"),
        ("app", "EventGrid Data Sender", f"Microsoft.EventGrid/topics/{topic.name}"),
        ("delivery", "Storage Queue Data Message Sender", f"{account}/queueServices/default/queues/hub-events"),
        ("delivery", "Storage Blob Data Contributor", f"{account}/blobServices/default/containers/hub-dead-letters"),
    }
    containers = given.get("outputContainers", ["scored"])
    outputs = [f"{landing}/blobServices/default/containers/{one}" for one in containers]
    expected |= {("app", "Storage Blob Data Contributor", output) for output in outputs}
    accounts = {name.split("_")[2] for name in settings if re.fullmatch(r"HUB_ACCOUNT_\w+?__blobServiceUri", name)}
    for name in accounts - {settings["HUB_DATA_ACCOUNT"].upper()}:
        expected.add(("app", "Storage Blob Data Contributor", f"{_STORAGE}/{name.lower()}"))
    if given.get("registryName"):
        registry = f"Microsoft.MachineLearningServices/registries/{given['registryName']}"
        expected.add(("app", "AzureML Registry User", registry))
    for target in given.get("promotionTargets", []):
        other = f"Microsoft.MachineLearningServices/workspaces/{target['workspaceName']}"
        expected.add(("app", "AzureML Data Scientist", other))
    logs = given.get("logsWorkspaceName") or f"log-{given.get('hubId', 'hub')}"
    expected.add(("app", "Log Analytics Reader", f"Microsoft.OperationalInsights/workspaces/{logs}"))
    if given.get("vaultSettings"):
        expected.add(("app", "Key Vault Secrets User", f"Microsoft.KeyVault/vaults/{given['settingsVaultName']}"))
    if given.get("readQuota", True):
        expected.add(("app", QUOTA, _SUBSCRIPTION))
    own = not given.get("workspaceName")
    if (given.get("computePrincipalIds") and given.get("grantCompute", True)) or own:
        expected.add(("compute", "Storage Blob Data Reader", landing))
        expected |= {("compute", "Storage Blob Data Contributor", output) for output in outputs}
        code = next(one.name for one in deployment.of(_STORAGE) if one.file == "workspace.bicep") if own else ""
        for what in ("Blob", "Queue", "Table"):
            where = f"{_STORAGE}/{code or given['workspaceStorageAccountName']}"
            expected.add(("compute", f"Storage {what} Data Contributor", where))
    return expected


def _roles(scenario: Scenario) -> Iterator[str]:
    found = {grant for grant, _ in grants(scenario)}
    expected = _expected(scenario)
    for who, role, where in sorted(expected - found):
        yield f"{who} has no role {role!r} on {where}"
    for who, role, where in sorted(found - expected):
        yield f"{who} has role {role!r} on {where or 'a whole resource group'}, which it does not need"
    for _, one in grants(scenario):
        if one.body["properties"].get("principalType") != "ServicePrincipal":
            yield f"{one.file}:{one.line}: without principalType a fresh identity may not be found yet"


def _quota(deployment: Deployment) -> Iterator[str]:
    """The role of our own is no wider than what the code reads, and is named once in a tenant."""
    code = (INFRA.parent / "shared" / "azureml" / "online.py").read_text().lower()
    for one in deployment.of("Microsoft.Authorization/roleDefinitions"):
        properties = one.body["properties"]
        (permission,) = properties["permissions"]
        if set(permission) - {"actions", "notActions"} or set(permission["actions"]) != _QUOTA_ACTIONS:
            yield f"{one.file}:{one.line}: the role is not for {', '.join(sorted(_QUOTA_ACTIONS))} and nothing else"
        if properties["assignableScopes"] != [one.id.partition("/providers/")[0]]:
            yield f"{one.file}:{one.line}: the role may be given elsewhere than on its subscription"
    for action in _QUOTA_ACTIONS:
        if f'"{action.split("/")[2]}"' not in code:
            yield f"shared/azureml/online.py does not read what {action} allows"


def _clusters(deployment: Deployment) -> Iterator[str]:
    """A cluster works under the identity that has the roles of compute."""
    identities = [
        one.id for one in deployment.of("Microsoft.ManagedIdentity/userAssignedIdentities") if one.symbol == "compute"
    ]
    for one in deployment.of("Microsoft.MachineLearningServices/workspaces/computes"):
        if list(one.body["identity"]["userAssignedIdentities"]) != identities:
            yield f"{one.file}:{one.line}: cluster {one.name} does not have the identity of compute"


def _delivery(deployment: Deployment) -> Iterator[str]:
    (app,) = deployment.of("Microsoft.Web/sites")
    identity = next(
        one.id for one in deployment.of("Microsoft.ManagedIdentity/userAssignedIdentities") if one.symbol == "delivery"
    )
    if identity in app.body["identity"]["userAssignedIdentities"]:
        yield "the app has the identity of the delivery"
    for one in deployment.resources:
        topic = one.type in {"Microsoft.EventGrid/systemTopics", "Microsoft.EventGrid/topics"}
        if topic and list(one.body["identity"]["userAssignedIdentities"]) != [identity]:
            yield f"topic {one.name} does not have the identity that delivers, or has more"
        if one.type.endswith("/eventSubscriptions"):
            for part in ("deliveryWithResourceIdentity", "deadLetterWithResourceIdentity"):
                used = one.body["properties"].get(part)
                if used and used["identity"].get("userAssignedIdentity") != identity:
                    yield f"{one.name}: {part} is not by the identity that delivers"


def roles_used(found: list[Scenario]) -> set[str]:
    """Give the names of the roles that any scenario assigns."""
    return {grant[1] for scenario in found for grant, _ in grants(scenario)}
