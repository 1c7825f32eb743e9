"""The templates fit Azure's models and the code, and are safe; and a mistake planted in them is found."""

import json
from pathlib import Path

import pytest

from local import provision
from shared.settings import ROLES
from tests.unit.infra import access
from tests.unit.infra.checks import problems
from tests.unit.infra.code import Code
from tests.unit.infra.deployment import evaluate
from tests.unit.infra.scenarios import INFRA, OPTIONS, ROOT, scenarios
from tests.unit.infra.security import QUOTA, roles_used


@pytest.fixture(scope="module")
def code() -> Code:
    return Code.read(ROOT)


def test_nothing_is_wrong(code: Code) -> None:
    assert problems(code) == []


MISTAKES = {
    "a property misspelt": (
        "modules/hub-storage.bicep",
        "allowSharedKeyAccess: false",
        "allowSharedKeysAccess: false",
        "allowSharedKeysAccess: there is no such property",
    ),
    "a property in the wrong case": (
        "modules/app.bicep",
        "serverFarmId: plan.id",
        "serverfarmId: plan.id",
        "serverfarmId: there is no such property; serverFarmId is meant",
    ),
    "a value of the wrong type": (
        "modules/hub-storage.bicep",
        "deleteRetentionPolicy: { enabled: true, days: 14 }\n  }\n}\n\nresource containers",
        "deleteRetentionPolicy: { enabled: true, days: '14' }\n  }\n}\n\nresource containers",
        "'14' was found",
    ),
    "a value that is none of the known ones": (
        "modules/topic.bicep",
        "inputSchema: 'CloudEventSchemaV1_0'",
        "inputSchema: 'CloudEventSchema'",
        "'CloudEventSchema' is none of",
    ),
    "a needed property left out": (
        "modules/alerts.bicep",
        "    enabled: true\n    severity: 2\n    evaluationFrequency: 'PT1H'\n",
        "    enabled: true\n    evaluationFrequency: 'PT1H'\n",
        "severity: is needed",
    ),
    "a property that only Azure sets": (
        "modules/app.bicep",
        "httpsOnly: true\n",
        "httpsOnly: true\n    defaultHostName: name\n",
        "defaultHostName: only Azure sets this property",
    ),
    "an output that a resource does not have": (
        "modules/identity.bicep",
        "app.properties.clientId",
        "app.properties.clientID",
        "has no properties.clientID",
    ),
    "a name declared nowhere": (
        "modules/app.bicep",
        "version: pythonVersion }",
        "version: pythonVersions }",
        "'pythonVersions' is declared nowhere",
    ),
    "a module's parameter forgotten": (
        "main.bicep",
        "    hubTopicName: topic.outputs.topicName\n",
        "",
        "parameter 'hubTopicName' is needed",
    ),
    "an output of a module that does not exist": (
        "main.bicep",
        "functionAppId: app.outputs.id",
        "functionAppId: app.outputs.identifier",
        "there is no property 'identifier'",
    ),
    "a name that is known only while deploying": (
        "main.bicep",
        "scope: resourceGroup(landingSubscription, landingGroup)\n  params: {\n    topic: 'storage'",
        "scope: resourceGroup(landingSubscription, landingAccess.outputs.topicName)\n  params: {\n    topic: 'storage'",
        "must be known before the deployment",
    ),
    "a parameter of an environment misspelt": (
        "environments/test.bicepparam",
        "param sealDays = 7",
        "param sealsDays = 7",
        "there is no parameter sealsDays",
    ),
    "a value that is not allowed": (
        "environments/dev.bicepparam",
        "param instanceMemoryMB = 2048",
        "param instanceMemoryMB = 2000",
        "allowed([512, 2048, 4096]) forbids it",
    ),
    "a bracket lost": (
        "modules/topic.bicep",
        "  tags: tags\n  identity: {",
        "  tags: tags\n  identity: ",
        "is expected",
    ),
    "shared keys allowed": (
        "modules/hub-storage.bicep",
        "allowSharedKeyAccess: false",
        "allowSharedKeyAccess: true",
        "allowSharedKeyAccess is True, False is wanted",
    ),
    "a public container": (
        "modules/landing-access.bicep",
        "publicAccess: 'None'",
        "publicAccess: 'Blob'",
        "publicAccess is 'Blob', 'None' is wanted",
    ),
    "a key in an output": (
        "modules/hub-storage.bicep",
        "output id string = account.id",
        "output id string = account.id\noutput key string = account.listKeys().keys[0].value",
        "'listKeys' in a template",
    ),
    "a role too wide": (
        "modules/landing-access.bicep",
        "  name: guid(account.id, appPrincipalId, roles.storageBlobDataReader.id)\n  scope: account\n",
        "  name: guid(account.id, appPrincipalId, roles.storageBlobDataReader.id)\n",
        "on a whole resource group, which it does not need",
    ),
    "a role forgotten": (
        "modules/hub-storage.bicep",
        "  roles.storageTableDataContributor.id\n",
        "",
        "app has no role 'Storage Table Data Contributor'",
    ),
    "a role that does not cover what the code does": (
        "modules/hub-storage.bicep",
        "  roles.storageQueueDataContributor.id\n",
        "  roles.storageQueueDataMessageSender.id\n",
        "no role of the app allows peek_messages (message read)",
    ),
    "delivery without its role": (
        "modules/hub-storage.bicep",
        "  scope: eventsQueue\n",
        "  scope: account\n",
        "delivery has no role 'Storage Queue Data Message Sender'",
    ),
    "a poison queue not declared": (
        "storage.json",
        '"hub-work-poison"',
        '"hub-works-poison"',
        "queue 'hub-work-poison' of function",
    ),
    "a container not declared": (
        "storage.json",
        '"hub", ',
        "",
        "container 'hub' that the code uses is not declared",
    ),
    "seals that can be changed": (
        "modules/hub-storage.bicep",
        "  name: 'hub-audit'",
        "  name: 'hub'",
        "container 'hub-audit' of the audit's seals has no immutability policy",
    ),
    "a table not declared": ("storage.json", '"journal", ', "", "table 'journal' that the code uses is not declared"),
    "a subscription to a queue that nobody reads": (
        "subscriptions.json",
        '"queue": "hub-events"',
        '"queue": "hub-event"',
        "no function reads queue 'hub-event'",
    ),
    "a subscription to a function that is none": (
        "subscriptions.json",
        '"function": "events_push"',
        '"function": "event_push"',
        "'event_push' is no function with an Event Grid trigger",
    ),
    "a dead-letter container not declared": (
        "subscriptions.json",
        '"container": "hub-dead-letters"',
        '"container": "dead-letters"',
        "its dead-letter container is not declared",
    ),
    "an alert on a function that is none": (
        "modules/alerts.bicep",
        '"events_push", "work", "sweep"',
        '"events_push", "work", "sweeper"',
        "a query asks for 'sweeper': there is no such function",
    ),
    "an alert on a metric that is none": (
        "modules/alerts.bicep",
        'name == "hub.sweeps"',
        'name == "hub.sweep"',
        "a query asks for metric 'hub.sweep', which the hub does not tell",
    ),
    "a workbook by what a metric is not told by": (
        "workbook.json",
        "tostring(customDimensions.queue)",
        "tostring(customDimensions.name)",
        "is not told by 'name'",
    ),
    "a channel whose address no setting holds": (
        "main.bicep",
        "one => one.key,",
        "one => '${one.key}_OLD',",
        "setting HUB_OPS_URL, which it names, is not there",
    ),
    "a landing account of a subscription that the hub does not know": (
        "main.bicep",
        "landingSubscription == workspaceSubscription ? '' : landingSubscription",
        "''",
        "which HUB_SUBSCRIPTIONS does not name",
    ),
    "the hub's own events published nowhere": (
        "main.bicep",
        "HUB_TOPIC_ENDPOINT: topic.outputs.endpoint",
        "HUB_TOPIC_ENDPOINT: ''",
        "the hub's own events go nowhere",
    ),
    "a vault that the app may not read": (
        "modules/vault-access.bicep",
        "principalId: appPrincipalId",
        "principalId: vaultName",
        "app has no role 'Key Vault Secrets User'",
    ),
    "telemetry without a ceiling": (
        "modules/monitoring.bicep",
        "workspaceCapping: { dailyQuotaGb: dailyQuotaGb }",
        "workspaceCapping: { quotaNextResetTime: string(dailyQuotaGb) }",
        "workspaceCapping.dailyQuotaGb is None",
    ),
    "a workbook on a function that is none": (
        "workbook.json",
        "'events_post'",
        "'events_posts'",
        "a query asks for 'events_posts': there is no such function",
    ),
    "a setting forgotten": (
        "main.bicep",
        "        AZUREML_RESOURCE_GROUP: workspaceGroup\n",
        "",
        "the code needs setting AZUREML_RESOURCE_GROUP; no app setting gives it",
    ),
    "a setting misspelt": (
        "modules/app.bicep",
        "HUB_WORK_QUEUE: 'hub-work'",
        "HUB_WORKQUEUE: 'hub-work'",
        "a trigger names %HUB_WORK_QUEUE%; no app setting gives it",
    ),
    "an address of the identity forgotten": (
        "modules/app.bicep",
        "      HUB_STORAGE__queueServiceUri: queueUri\n",
        "",
        "app setting HUB_STORAGE__queueServiceUri is missing",
    ),
    "a setting that the plan refuses": (
        "modules/app.bicep",
        "      HUB_ID: hubId\n",
        "      HUB_ID: hubId\n      FUNCTIONS_WORKER_RUNTIME: 'python'\n",
        "FUNCTIONS_WORKER_RUNTIME is not for Flex Consumption",
    ),
    "always ready for a function that is none": (
        "environments/prod.bicepparam",
        "function:events_queue",
        "function:event_queue",
        "always ready 'function:event_queue': there is no such function",
    ),
    "publishing by password left on": (
        "modules/app.bicep",
        "name: 'scm'\n  properties: { allow: false }",
        "name: 'scm'\n  properties: { allow: true }",
        "allow is True, False is wanted",
    ),
    "a datastore that points elsewhere": (
        "modules/workspace-access.bicep",
        "containerName: store.key",
        "containerName: 'data'",
        "datastore 'hub_data' of the settings does not stand for container 'hub-data'",
    ),
    "a container whose datastore was forgotten": (
        "main.bicep",
        "union(landingContainers, outputContainers, [collectContainer]),",
        "union(landingContainers, [collectContainer]),",
        "container 'scored' has no datastore",
    ),
    "a container to collect into that is none": (
        "main.bicep",
        "${blobSuffix}/${collectContainer}'",
        "${blobSuffix}/seen'",
        "/seen': no such container is declared",
    ),
    "results that the hub cannot vouch for": (
        "modules/landing-access.bicep",
        "for (container, index) in outputContainers",
        "for (container, index) in []",
        "shared/actions/score.py: no role of the app allows it to write to the containers of results",
    ),
    "a loop over what is known only while deploying": (
        "main.bicep",
        "for (target, index) in promotionTargets",
        "for (target, index) in union(promotionTargets, identity.outputs.computePrincipalIds)",
        "what a loop runs over must be known before the deployment",
    ),
    "a property of what is perhaps not deployed": (
        "modules/identity.bicep",
        "compute!.properties",
        "compute.properties",
        "is perhaps not deployed: write compute!",
    ),
    "a module left out that lies nowhere": (
        "main.bicep",
        "empty(settingsVaultResourceGroup) ? resourceGroupName : settingsVaultResourceGroup",
        "settingsVaultResourceGroup",
        "Azure wants the name of a resource group, even of a module left out",
    ),
    "a variable of azd that is computed": (
        "main.bicepparam",
        "readEnvironmentVariable('HUB_ID', 'hub')",
        "readEnvironmentVariable('HUB_ID', toLower('HUB'))",
        "takes texts as they are written",
    ),
    "compute that cannot reach its code": (
        "modules/workspace-storage-access.bicep",
        "var computeRoles = [\n  roles.storageBlobDataContributor.id\n",
        "var computeRoles = [\n",
        "compute has no role 'Storage Blob Data Contributor' on Microsoft.Storage/storageAccounts/stmlprod",
    ),
    "batch deployments that cannot share out their files": (
        "modules/workspace-storage-access.bicep",
        "  roles.storageTableDataContributor.id\n",
        "",
        "compute has no role 'Storage Table Data Contributor' on Microsoft.Storage/storageAccounts/stml",
    ),
    "a cluster whose identity has no roles": (
        "main.bicep",
        "identity.outputs.computePrincipalIds)\n    dataContainer",
        "[])\n    dataContainer",
        "compute has no role 'Storage Blob Data Reader'",
    ),
    "a cluster with another's identity": (
        "main.bicep",
        "computeIdentityId: identity.outputs.computeId",
        "computeIdentityId: identity.outputs.deliveryId",
        "does not have the identity of compute",
    ),
    "a cluster of another name than the jobs'": (
        "main.bicep",
        "param computeName string = 'cpu-cluster'",
        "param computeName string = 'cpu'",
        "jobs/delay/train.yml names compute 'cpu-cluster', which is not made",
    ),
    "a cluster that takes ssh": (
        "modules/workspace.bicep",
        "remoteLoginPortPublicAccess: 'Disabled'",
        "remoteLoginPortPublicAccess: 'Enabled'",
        "remoteLoginPortPublicAccess is 'Enabled', 'Disabled' is wanted",
    ),
    "a cluster that never rests": (
        "modules/workspace.bicep",
        "minNodeCount: 0",
        "minNodeCount: 1",
        "minNodeCount is 1, 0 is wanted",
    ),
    "a locked policy set again": (
        "modules/hub-storage.bicep",
        "= if (!sealsLocked) {",
        "= if (!sealsLocked || sealDays == sealDays) {",
        "a locked immutability policy is set again",
    ),
    "a query of tables that are not there yet": (
        "modules/alerts.bicep",
        "      skipQueryValidation: true\n",
        "",
        "skipQueryValidation is None, True is wanted",
    ),
    "a vault whose name stays taken": (
        "modules/workspace.bicep",
        "softDeleteRetentionInDays: 7",
        "softDeleteRetentionInDays: 7\n    enablePurgeProtection: true",
        "enablePurgeProtection is True, None is wanted",
    ),
    "a role of our own that is too wide": (
        "modules/quota-access.bicep",
        "'Microsoft.MachineLearningServices/locations/usages/read'",
        "'Microsoft.MachineLearningServices/*/read'",
        "the role is not for Microsoft.MachineLearningServices/locations/usages/read",
    ),
    "another role on the subscription": (
        "modules/quota-access.bicep",
        "roleDefinitionId: quotaReader.id",
        "roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', 'b24988ac')",
        "app has role 'b24988ac' on a whole subscription, which it does not need",
    ),
    "fewer instances than Azure may take": (
        "environments/dev.bicepparam",
        "maximumInstanceCount = 40",
        "maximumInstanceCount = 5",
        "fewer than 40 instances at most",
    ),
    "probes of another hub": (
        "modules/subscriptions.bicep",
        "'/hub-data/', '/${dataContainer}/'",
        "'/hub-data/', '/${dataContainer}'",
        "no subscription lets the probes of /containers/second-data/blobs/probe/ through",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_planted_mistake_is_found(mistake: str, code: Code) -> None:
    name, right, wrong, says = MISTAKES[mistake]
    target = INFRA / name
    assert right in target.read_text(), f"{name} no longer holds what this test alters: {right!r}"

    def read(path: Path) -> str:
        text = path.read_text()
        return text.replace(right, wrong, 1) if path.resolve() == target else text

    found = problems(code, read)
    assert any(says in one for one in found), found
    assert found


def test_what_the_code_does_is_seen_in_its_sources(tmp_path: Path) -> None:
    (tmp_path / "shared" / "ledger").mkdir(parents=True)
    (tmp_path / "shared" / "azureml").mkdir()
    (tmp_path / "shared" / "ledger" / "azure.py").write_text(
        "async def f(c): await c.set_container_access_policy({})\n"
    )
    (tmp_path / "shared" / "data.py").write_text("async def f(c): await c.download_blob()\n")
    (tmp_path / "shared" / "azureml" / "client.py").write_text("def f(client): client.compute.begin_delete('gpu')\n")
    (first, *_) = scenarios()
    unknown, forbidden = access.allowed(first, tmp_path)
    assert unknown.startswith("shared/ledger/azure.py: what right does set_container_access_policy need?")
    assert forbidden == "client.py: AzureML Data Scientist does not allow compute.begin_delete"


def test_two_hubs_on_one_workspace_do_not_collide() -> None:
    given = {
        **OPTIONS["second-hub"],
        "environmentName": "any",
        "location": "westeurope",
        "readQuota": True,
    }
    first, second = (
        {resource.id: resource for resource in evaluate(INFRA / "main.bicep", {**given, "hubId": hub}).resources}
        for hub in ("first", "second")
    )
    common = set(first) & set(second)
    assert all(first[name].body == second[name].body for name in common), "one would undo what the other did"
    shared = {first[name].type.rpartition("/")[2] for name in common}
    assert shared == {"containers", "roleAssignments", "roleDefinitions"}, "results, compute's roles, quota's role"
    grants: dict[tuple[str, str, str], str] = {}
    for resource in (*first.values(), *second.values()):
        if resource.type == "Microsoft.Authorization/roleAssignments":
            properties = resource.body["properties"]
            grant = (properties["principalId"], properties["roleDefinitionId"], resource.scope)
            assert grants.setdefault(grant, resource.id) == resource.id, "Azure refuses a role under a second name"


def test_the_app_roles_are_the_roles_that_the_code_knows() -> None:
    roles = json.loads((INFRA / "app-roles.json").read_text())
    assert {one["value"] for one in roles} == ROLES
    assert len({one["id"] for one in roles}) == len(roles)
    assert all(one["isEnabled"] and "User" in one["allowedMemberTypes"] for one in roles)


def test_every_role_that_is_listed_is_assigned_somewhere() -> None:
    listed = {one["name"] for one in json.loads((INFRA / "roles.json").read_text()).values()}
    assert roles_used(scenarios()) == listed | {QUOTA}


def test_the_laptop_makes_no_queue_or_container_that_azure_lacks() -> None:
    declared = json.loads((INFRA / "storage.json").read_text())
    assert set(provision.QUEUES) == set(declared["queues"])
    assert set(provision.HUB_CONTAINERS) <= set(declared["containers"])
