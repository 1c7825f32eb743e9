"""Checks that code and templates agree: queues, tables, containers, settings, subscriptions, the app itself."""

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Final

from shared.automations import filters
from shared.automations.loading import load
from shared.notify import channels
from shared.telemetry.names import METRICS
from tests.unit.infra.code import Code
from tests.unit.infra.results import Resource
from tests.unit.infra.scenarios import ROOT, Scenario

_STORAGE: Final = "Microsoft.Storage/storageAccounts"
_FORBIDDEN: Final = frozenset(
    {
        "ENABLE_ORYX_BUILD",
        "FUNCTIONS_EXTENSION_VERSION",
        "FUNCTIONS_WORKER_RUNTIME",
        "SCM_DO_BUILD_DURING_DEPLOYMENT",
        "WEBSITE_CONTENTAZUREFILECONNECTIONSTRING",
        "WEBSITE_CONTENTSHARE",
        "WEBSITE_RUN_FROM_PACKAGE",
    }
)
"""Settings that Flex Consumption refuses or ignores; its functionAppConfig takes their place."""
_PLATFORM: Final = re.compile(
    r"APPLICATIONINSIGHTS_\w+|AzureWebJobsStorage__\w+|OVERRIDE_USE_MI_FIC_ASSERTION_CLIENTID|HUB_ACCOUNT_[A-Z0-9]+__\w+"
)
_VAULTED: Final = re.compile(r"@Microsoft\.KeyVault\(VaultName=[\w-]{3,24};SecretName=[\w-]{1,127}\)")
_SERVICES: Final = ("blob", "queue", "table")


def agree(scenario: Scenario, code: Code, sample: Mapping[str, str]) -> Iterator[str]:
    """Give what does not fit together."""
    deployment = scenario.deployment
    account = _hub_account(scenario)
    queues = _children(scenario, account, "queueServices/queues")
    containers = _children(scenario, account, "blobServices/containers")
    settings = _settings(scenario)
    for name, function in code.queues.items():
        queue = re.sub(r"%(\w+)%", lambda match: str(settings.get(match.group(1), match.group())), name)
        for wanted in (queue, queue if queue.endswith("-poison") else f"{queue}-poison"):
            if wanted not in queues:
                yield f"queue {wanted!r} of function {function!r} is not declared"
    for table in sorted(code.tables - _children(scenario, account, "tableServices/tables")):
        yield f"table {table!r} that the code uses is not declared: add it to infra/storage.json"
    for container in sorted(code.containers - containers):
        yield f"container {container!r} that the code uses is not declared: add it to infra/storage.json"
    policy = f"{account}/default/{code.sealed}/default"
    kind = f"{_STORAGE}/blobServices/containers/immutabilityPolicies"
    locked = scenario.parameters.get("sealsLocked", False)
    if not locked and policy not in {one.name for one in deployment.of(kind)}:
        yield f"container {code.sealed!r} of the audit's seals has no immutability policy"
    if locked and deployment.of(kind):
        yield "a locked immutability policy is set again, which Azure refuses"
    yield from _subscriptions(deployment.resources, code, queues, containers, settings)
    yield from _app_settings(settings, code, sample)
    yield from _channels(settings)
    yield from _sources(scenario, settings)
    yield from _app(scenario, code, containers)
    yield from _data(scenario, settings)
    yield from _computes(scenario)
    yield from _queries(deployment.resources, code)


def _hub_account(scenario: Scenario) -> str:
    (account,) = (one for one in scenario.deployment.of(_STORAGE) if one.file == "hub-storage.bicep")
    return account.name


def _children(scenario: Scenario, account: str, kind: str) -> frozenset[str]:
    found = scenario.deployment.of(f"{_STORAGE}/{kind}")
    return frozenset(one.name.rpartition("/")[2] for one in found if one.name.startswith(f"{account}/"))


def _settings(scenario: Scenario) -> dict[str, Any]:
    found = scenario.deployment.of("Microsoft.Web/sites/config")
    return {
        key: value
        for one in found
        if one.name.endswith("/appsettings")
        for key, value in one.body["properties"].items()
    }


def _subscriptions(
    resources: list[Resource],
    code: Code,
    queues: frozenset[str],
    containers: frozenset[str],
    settings: Mapping[str, Any],
) -> Iterator[str]:
    read = {re.sub(r"%(\w+)%", lambda match: str(settings.get(match.group(1), "")), name) for name in code.queues}
    found = [one for one in resources if one.type.endswith("/eventSubscriptions")]
    if {one.type.split("/")[1] for one in found} != {"systemTopics", "topics"} or len(found) < 3:
        yield "storage, workspace and the hub's topic each need a subscription"
    probes = f"/containers/{settings['HUB_DATA_CONTAINER']}/blobs/probe/"
    if not any(probes in json.dumps(one.body["properties"]["filter"]["advancedFilters"]) for one in found):
        yield f"no subscription lets the probes of {probes} through"
    for one in found:
        properties = one.body["properties"]
        for fault in (*_destination(properties, code, queues, read), *_delivery(properties, containers)):
            yield f"{one.name}: {fault}"


def _destination(properties: Mapping[str, Any], code: Code, queues: frozenset[str], read: set[str]) -> Iterator[str]:
    managed = properties.get("deliveryWithResourceIdentity")
    destination = managed["destination"] if managed else properties["destination"]
    kind, inner = destination["endpointType"], destination["properties"]
    if kind == "StorageQueue":
        if managed is None:
            yield "delivery to a queue needs the managed identity"
        if inner["queueName"] not in queues:
            yield f"queue {inner['queueName']!r} is not declared"
        if inner["queueName"] not in read:
            yield f"no function reads queue {inner['queueName']!r}"
    elif kind == "AzureFunction":
        function = str(inner["resourceId"]).rpartition("/")[2]
        if code.functions.get(function, {}).get("type") != "eventGridTrigger":
            yield f"{function!r} is no function with an Event Grid trigger"
    elif not inner.get("azureActiveDirectoryApplicationIdOrUri"):
        yield "delivery over HTTP needs Entra"


def _delivery(properties: Mapping[str, Any], containers: frozenset[str]) -> Iterator[str]:
    dead = properties.get("deadLetterWithResourceIdentity")
    if not dead:
        yield "without a dead-letter container what cannot be delivered is lost"
    elif dead["deadLetterDestination"]["properties"]["blobContainerName"] not in containers:
        yield "its dead-letter container is not declared"
    retry = properties["retryPolicy"]
    if not (1 <= retry["maxDeliveryAttempts"] <= 30 and 1 <= retry["eventTimeToLiveInMinutes"] <= 1440):
        yield "1 to 30 attempts within 1 to 1440 minutes are possible"
    filters = properties["filter"]["advancedFilters"]
    if len(filters) > 25 or sum(len(each.get("values", [0])) for each in filters) > 25:
        yield "at most 25 advanced filters and 25 values in all are possible"


def _app_settings(settings: Mapping[str, Any], code: Code, sample: Mapping[str, str]) -> Iterator[str]:
    yield from _wanted(settings, code, sample)
    for name, value in settings.items():
        if name in _FORBIDDEN:
            yield f"app setting {name} is not for Flex Consumption"
        elif name in code.connections | {"AzureWebJobsStorage"}:
            yield f"app setting {name} is a connection string: an identity is wanted"
        elif isinstance(value, str) and _VAULTED.fullmatch(value) and name.startswith("HUB_"):
            continue
        elif not _PLATFORM.fullmatch(name) and name.partition("__")[0] not in {*sample, *code.settings}:
            yield f"app setting {name} is known neither to the code nor to local.settings.sample.json"
        if not isinstance(value, str):
            yield f"app setting {name} is {value!r}, not a text"


def _wanted(settings: Mapping[str, Any], code: Code, sample: Mapping[str, str]) -> Iterator[str]:
    for name in sorted(code.connections | {"AzureWebJobsStorage"}):
        for part in (*(f"{service}ServiceUri" for service in _SERVICES), "credential", "clientId"):
            if f"{name}__{part}" not in settings:
                yield f"app setting {name}__{part} is missing"
    for name in sorted(code.needed):
        if name not in settings and f"{name}__blobServiceUri" not in settings:
            yield f"the code needs setting {name}; no app setting gives it"
    for name in re.findall(r"%(\w+)%", " ".join(code.queues)):
        if name not in settings:
            yield f"a trigger names %{name}%; no app setting gives it"
    for name in sorted(code.settings - set(sample)):
        yield f"the code reads setting {name}; local.settings.sample.json does not list it"


def _channels(settings: Mapping[str, Any]) -> Iterator[str]:
    """The channels are read by the code that reads them in Azure; what they name must be there."""
    try:
        found = channels.read(settings["HUB_CHANNELS"], settings, settings["HUB_TOPIC_ENDPOINT"])
    except ValueError as error:
        yield f"app setting HUB_CHANNELS: {error}"
        return
    for channel in found.values():
        if channel.problem:
            yield f"channel {channel.name!r}: {channel.problem}"
    if channels.EVENTS not in found:
        yield "the hub's own events go nowhere: HUB_TOPIC_ENDPOINT is not set"


def _sources(scenario: Scenario, settings: Mapping[str, Any]) -> Iterator[str]:
    """Events of a system topic in another subscription are quarantined unless the hub knows that subscription."""
    known = {settings["AZURE_SUBSCRIPTION_ID"], *settings.get("HUB_SUBSCRIPTIONS", "").split(",")}
    for one in scenario.deployment.of("Microsoft.EventGrid/systemTopics/eventSubscriptions"):
        subscription = one.id.partition("/subscriptions/")[2].partition("/")[0]
        if subscription not in known:
            yield f"{one.name} sends from subscription {subscription}, which HUB_SUBSCRIPTIONS does not name"


def _app(scenario: Scenario, code: Code, containers: frozenset[str]) -> Iterator[str]:
    deployment = scenario.deployment
    (plan,) = deployment.of("Microsoft.Web/serverfarms")
    (site,) = deployment.of("Microsoft.Web/sites")
    if (plan.body["sku"].get("name"), plan.body["sku"].get("tier")) != ("FC1", "FlexConsumption"):
        yield "the plan is not Flex Consumption"
    if site.body["properties"].get("serverFarmId") != plan.id:
        yield "the app is not on its plan"
    if site.body["tags"].get("azd-service-name") != "hub":
        yield "the app has no tag azd-service-name hub: azd would not find it"
    config = site.body["properties"]["functionAppConfig"]
    if config["deployment"]["storage"]["value"].rpartition("/")[2] not in containers:
        yield "the container of the deployment package is not declared"
    identity = config["deployment"]["storage"]["authentication"].get("userAssignedIdentityResourceId")
    if identity is None or identity not in site.body["identity"]["userAssignedIdentities"]:
        yield "the deployment package is not read by the app's identity"
    if not re.fullmatch(r"3\.1[123]", config["runtime"]["version"]) or config["runtime"]["name"] != "python":
        yield "the app runs on Python 3.11 to 3.13"
    if config["scaleAndConcurrency"]["maximumInstanceCount"] < 40:
        yield "fewer than 40 instances at most: Azure may refuse that"
    for one in config["scaleAndConcurrency"]["alwaysReady"]:
        kind, _, function = str(one["name"]).partition(":")
        if kind == "function" and function not in code.functions:
            yield f"always ready {one['name']!r}: there is no such function"


def _computes(scenario: Scenario) -> Iterator[str]:
    """Where the workspace is made here, so is the compute that the files of jobs and endpoints name."""
    found = scenario.deployment.of("Microsoft.MachineLearningServices/workspaces/computes")
    made = {one.name.rpartition("/")[2] for one in found}
    if scenario.parameters.get("workspaceName"):
        if made:
            yield f"compute {', '.join(sorted(made))} is made in a workspace that is somebody else's"
        return
    for path in sorted((*(ROOT / "jobs").rglob("*.yml"), *(ROOT / "endpoints").rglob("*.yml"))):
        for name in re.findall(r"^\s*(?:default_)?compute: azureml:(\S+)$", path.read_text(), re.MULTILINE):
            if name not in made:
                yield f"{path.relative_to(ROOT)} names compute {name!r}, which is not made"


def _data(scenario: Scenario, settings: Mapping[str, Any]) -> Iterator[str]:
    account, container = settings["HUB_DATA_ACCOUNT"], settings["HUB_DATA_CONTAINER"]
    deployment = scenario.deployment
    names = {one.name for one in deployment.of(f"{_STORAGE}/blobServices/containers")}
    if f"{account}/default/{container}" not in names:
        yield f"container {container!r} of frozen copies is not declared on {account!r}"
    if f"HUB_ACCOUNT_{account.upper()}__blobServiceUri" not in settings:
        yield f"the hub is not told the address of account {account!r}"
    yield from _datastores(scenario, settings)
    if to := json.loads(settings["HUB_DEPLOYMENT_VARIABLES"]).get("COLLECT_TO"):
        host, _, container = to.removeprefix("https://").partition("/")
        if f"{host.partition('.')[0]}/default/{container}" not in names:
            yield f"deployments collect into {to!r}: no such container is declared"
    for one in deployment.of(f"{_STORAGE}/managementPolicies"):
        for rule in one.body["properties"]["policy"]["rules"]:
            for prefix in rule["definition"]["filters"]["prefixMatch"]:
                if prefix.partition("/")[0] not in {name.rpartition("/")[2] for name in names}:
                    yield f"lifecycle rule {rule['name']!r} is for {prefix!r}: no such container"


def _datastores(scenario: Scenario, settings: Mapping[str, Any]) -> Iterator[str]:
    declared = {
        one.name.rpartition("/")[2]: (one.body["properties"]["accountName"], one.body["properties"]["containerName"])
        for one in scenario.deployment.of("Microsoft.MachineLearningServices/workspaces/datastores")
        if one.name.partition("/")[0] == settings["AZUREML_WORKSPACE_NAME"]
    }
    account, told = settings["HUB_DATA_ACCOUNT"], json.loads(settings["HUB_DATASTORES"])
    wanted = {**told, settings["HUB_DATA_CONTAINER"]: settings["HUB_DATA_DATASTORE"]}
    for container, name in wanted.items():
        if declared.get(name) != (account, container):
            yield f"datastore {name!r} of the settings does not stand for container {container!r}, or is not declared"
    for name in sorted(set(declared) - set(wanted.values())):
        yield f"datastore {name!r} is declared, and no setting names it"
    for file, used in _containers():
        for container in used:
            if container not in wanted:
                yield f"{file}: container {container!r} has no datastore: lists and results need one"


@cache
def _containers() -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Give the containers that each automation reads or writes, by its file."""
    found = []
    for loaded in load(ROOT / "automations", ROOT).automations.values():
        score = loaded.automation.do.score
        used = (*filters.containers([loaded.automation]), *([score.output.partition("/")[0]] if score else ()))
        found.append((loaded.file, used))
    return tuple(found)


def _queries(resources: list[Resource], code: Code) -> Iterator[str]:
    for one in resources:
        text = json.dumps(one.body).replace("\\", "")
        listed = " ".join(re.findall(r"operation_Name in \(([^)]*)\)", text))
        names = re.findall(r"operation_Name == [\"'](\w+)", text) + re.findall(r"[\"'](\w+)[\"']", listed)
        for name in names:
            if name not in code.functions:
                yield f"{one.file}:{one.line}: a query asks for {name!r}: there is no such function"
        for query in text.split("customMetrics | where name == ")[1:]:
            name = re.split(r"[\"']", query)[1]
            if name not in METRICS:
                yield f"{one.file}:{one.line}: a query asks for metric {name!r}, which the hub does not tell"
                continue
            for attribute in re.findall(r"customDimensions\.(\w+)", "|".join(query.split("|")[:2])):
                if attribute not in METRICS[name].attributes:
                    yield f"{one.file}:{one.line}: metric {name!r} is not told by {attribute!r}"


def sample_of(text: str) -> dict[str, str]:
    """Give the settings that local.settings.sample.json lists."""
    return dict(json.loads(text)["Values"])
