"""What Azure takes for each resource, by the management SDKs' models: names, types, values, what is read-only."""

import enum
import functools
import importlib
import re
import types
import typing
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

_ML: Final = "azure.ai.ml._restclient.arm_ml_service.models"
_STORAGE: Final = "azure.mgmt.storage.models"
_WEB: Final = "azure.mgmt.web.models"
_GRID: Final = "azure.mgmt.eventgrid.models"
_MONITOR: Final = "azure.mgmt.monitor.models"
_ACCOUNT: Final = "Microsoft.Storage/storageAccounts"
MODELS: Final[Mapping[str, tuple[str, str]]] = {
    "Microsoft.Authorization/roleAssignments": (
        "azure.mgmt.authorization.v2022_04_01.models",
        "RoleAssignmentCreateParameters",
    ),
    "Microsoft.Authorization/roleDefinitions": ("azure.mgmt.authorization.v2022_04_01.models", "RoleDefinition"),
    "Microsoft.EventGrid/systemTopics": (_GRID, "SystemTopic"),
    "Microsoft.EventGrid/systemTopics/eventSubscriptions": (_GRID, "EventSubscription"),
    "Microsoft.EventGrid/topics": (_GRID, "Topic"),
    "Microsoft.EventGrid/topics/eventSubscriptions": (_GRID, "EventSubscription"),
    "Microsoft.Insights/actionGroups": (_MONITOR, "ActionGroupResource"),
    "Microsoft.Insights/components": (
        "azure.mgmt.applicationinsights.v2020_02_02.models",
        "ApplicationInsightsComponent",
    ),
    "Microsoft.Insights/metricAlerts": (_MONITOR, "MetricAlertResource"),
    "Microsoft.Insights/scheduledQueryRules": (_MONITOR, "ScheduledQueryRuleResource"),
    "Microsoft.Insights/workbooks": ("azure.mgmt.applicationinsights.v2023_06_01.models", "Workbook"),
    "Microsoft.KeyVault/vaults": ("azure.mgmt.keyvault.models", "VaultCreateOrUpdateParameters"),
    "Microsoft.MachineLearningServices/workspaces": (_ML, "Workspace"),
    "Microsoft.MachineLearningServices/workspaces/computes": (_ML, "ComputeResource"),
    "Microsoft.MachineLearningServices/workspaces/datastores": (_ML, "Datastore"),
    "Microsoft.ManagedIdentity/userAssignedIdentities": ("azure.mgmt.msi.v2024_11_30.models", "Identity"),
    "Microsoft.OperationalInsights/workspaces": ("azure.mgmt.loganalytics.models", "Workspace"),
    "Microsoft.Resources/resourceGroups": ("azure.mgmt.resource.resources.models", "ResourceGroup"),
    _ACCOUNT: (_STORAGE, "StorageAccountCreateParameters"),
    f"{_ACCOUNT}/blobServices": (_STORAGE, "BlobServiceProperties"),
    f"{_ACCOUNT}/blobServices/containers": (_STORAGE, "BlobContainer"),
    f"{_ACCOUNT}/blobServices/containers/immutabilityPolicies": (_STORAGE, "ImmutabilityPolicy"),
    f"{_ACCOUNT}/managementPolicies": (_STORAGE, "ManagementPolicy"),
    f"{_ACCOUNT}/queueServices": (_STORAGE, "QueueServiceProperties"),
    f"{_ACCOUNT}/queueServices/queues": (_STORAGE, "StorageQueue"),
    f"{_ACCOUNT}/tableServices": (_STORAGE, "TableServiceProperties"),
    f"{_ACCOUNT}/tableServices/tables": (_STORAGE, "Table"),
    "Microsoft.Web/serverfarms": (_WEB, "AppServicePlan"),
    "Microsoft.Web/sites": (_WEB, "Site"),
    "Microsoft.Web/sites/basicPublishingCredentialsPolicies": (_WEB, "CsmPublishingCredentialsPoliciesEntity"),
    "Microsoft.Web/sites/config/appsettings": (_WEB, "StringDictionary"),
    "Microsoft.Web/sites/config/authsettingsV2": (_WEB, "SiteAuthSettingsV2"),
}
"""Type of a resource (with the name, where the name decides) → module and class of the model that a PUT sends."""
_LIMITS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "min_length": lambda value, limit: len(value) >= limit,
    "max_length": lambda value, limit: len(value) <= limit,
    "minimum": lambda value, limit: value >= limit,
    "maximum": lambda value, limit: value <= limit,
    "pattern": lambda value, limit: re.search(limit, value) is not None,
}
_SCALARS: Final[Mapping[str, type | tuple[type, ...]]] = {
    "str": str,
    "int": int,
    "long": int,
    "bool": bool,
    "float": (int, float),
    "iso-8601": str,
    "rfc-1123": str,
    "duration": str,
    "bytearray": str,
}


@dataclass(frozen=True, slots=True)
class Kind:
    """A type: scalar with `python` and perhaps `values`, list or dict of `item`, a model, or any."""

    form: str
    python: Any = None
    values: frozenset[str] = frozenset()
    item: "Kind | None" = None
    model: Any = None


@dataclass(frozen=True, slots=True)
class Property:
    """One property of a model."""

    kind: Kind
    required: bool = False
    read_only: bool = False
    limits: Mapping[str, Any] = field(default_factory=dict)


ANY: Final = Kind("any")


@dataclass(frozen=True, slots=True)
class Nested:
    """The part of a flattened model that lies under one key."""

    properties: Mapping[str, Property]


def _load(module: str) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # azure-ai-ml imports marshmallow in a way that marshmallow warns of
        return importlib.import_module(module)


def faults(kind: str, name: str, body: Mapping[str, Any]) -> list[str]:
    """Give what is wrong with the body of a resource; nothing where the SDK's model takes it."""
    key = kind if kind in MODELS else f"{kind}/{name.rpartition('/')[2]}"
    if key not in MODELS:
        return [f"{key}: no model of this type is known"]
    module, model = MODELS[key]
    return list(_object(body, getattr(_load(module), model), kind.rpartition("/")[2]))


def readable(kind: str, path: tuple[str, ...]) -> bool:
    """Tell whether a resource has a property of that path, read-only ones too."""
    module, name = MODELS[kind]
    name = {"StorageAccountCreateParameters": "StorageAccount"}.get(name, name)
    model: Any = getattr(_load(module), name)
    for part in path:
        found = properties(model).get(part) if model is not None else None
        if found is None:
            return False
        model = found.kind.model
    return True


def _object(body: Any, model: Any, where: str) -> Iterator[str]:
    if not isinstance(body, Mapping):
        yield f"{where}: an object is expected, {body!r} was found"
        return
    model = _subtype(model, body)
    known = properties(model)
    for name, value in body.items():
        here = f"{where}.{name}"
        if name not in known:
            near = [other for other in known if other.lower() == name.lower()]
            yield f"{here}: there is no such property" + (f"; {near[0]} is meant" if near else "")
        elif value is None:
            continue
        elif known[name].read_only:
            yield f"{here}: only Azure sets this property"
        else:
            yield from _value(value, known[name].kind, here)
            yield from _limits(value, known[name].limits, here)
    for name, one in known.items():
        if one.required and not one.read_only and body.get(name) is None:
            yield f"{where}.{name}: is needed"


def _value(value: Any, kind: Kind, where: str) -> Iterator[str]:
    if kind.form == "any" or (isinstance(value, str) and value.startswith("<") and value.endswith(">")):
        return
    if kind.form == "model":
        yield from _object(value, kind.model, where)
    elif kind.form in {"list", "dict"}:
        yield from _collection(value, kind, where)
    elif not isinstance(value, kind.python) or (kind.python is not bool and isinstance(value, bool)):
        yield f"{where}: {kind.python} is expected, {value!r} was found"
    elif kind.values and value not in kind.values:
        yield f"{where}: {value!r} is none of {', '.join(sorted(kind.values))}"


def _collection(value: Any, kind: Kind, where: str) -> Iterator[str]:
    if not isinstance(value, list if kind.form == "list" else Mapping):
        yield f"{where}: {'a list' if kind.form == 'list' else 'an object'} is expected, {value!r} was found"
        return
    for key, item in enumerate(value) if isinstance(value, list) else value.items():
        yield from _value(item, typing.cast("Kind", kind.item), f"{where}[{key!r}]")


def _limits(value: Any, limits: Mapping[str, Any], where: str) -> Iterator[str]:
    for name, limit in limits.items():
        settled = not (isinstance(value, str) and value.startswith("<"))
        if name in _LIMITS and settled and not _LIMITS[name](value, limit):
            yield f"{where}: {value!r} breaks {name} {limit}"


def _subtype(model: Any, body: Mapping[str, Any]) -> Any:
    for attribute, subtypes in getattr(model, "_subtype_map", {}).items():
        key = model._attribute_map[attribute]["key"].replace("\\.", ".")
        chosen = subtypes.get(body.get(key))
        if chosen and chosen != model.__name__:
            return _subtype(getattr(_load(_package(model)), chosen), body)
    for name, rest in vars(model).items() if isinstance(model, type) else ():
        if getattr(rest, "_is_discriminator", False):
            key = rest._rest_name_input or name
            chosen = getattr(model, "__mapping__", {}).get(body.get(key))
            if chosen is not None and chosen is not model:
                return _subtype(chosen, body)
    return model


def _package(model: Any) -> str:
    return str(model.__module__).rpartition(".")[0]


@functools.cache
def properties(model: Any) -> Mapping[str, Property]:
    """Give the properties of a model by their names on the wire."""
    if isinstance(model, Nested):
        return model.properties
    if hasattr(model, "_attribute_map"):
        return _older(model)
    return _newer(model)


def _older(model: Any) -> Mapping[str, Property]:
    tree: dict[str, Any] = {}
    enums = dict(re.findall(r":(?:vartype|paramtype) (\w+): str or ~[\w.]+\.(\w+)", _documentation(model)))
    for attribute, one in model._attribute_map.items():
        rules = getattr(model, "_validation", {}).get(attribute, {})
        kind = _older_kind(model, one["type"], enums.get(attribute, ""))
        limits = {name: limit for name, limit in rules.items() if name in _LIMITS}
        found = Property(kind, bool(rules.get("required")), bool(rules.get("readonly")), limits)
        parts = [part.replace("\\.", ".") for part in re.split(r"(?<!\\)\.", one["key"])]
        level = tree
        for part in parts[:-1]:
            level = level.setdefault(part, {})
        level[parts[-1]] = found
    return {name: _nested(one) for name, one in tree.items()}


def _nested(one: Any) -> Property:
    if isinstance(one, Property):
        return one
    inner = types.MappingProxyType({name: _nested(value) for name, value in one.items()})
    required = any(value.required and not value.read_only for value in inner.values())
    return Property(Kind("model", model=_Hashable(inner)), required)


class _Hashable(Nested):
    """A nested part that a cache can hold."""

    __slots__ = ()

    def __hash__(self) -> int:
        return id(self)

    def __eq__(self, other: object) -> bool:
        return self is other


def _documentation(model: Any) -> str:
    return "\n".join(one.__doc__ or "" for one in model.__mro__)


def _older_kind(model: Any, text: str, values: str) -> Kind:
    if text.startswith("["):
        return Kind("list", item=_older_kind(model, text[1:-1], values))
    if text.startswith("{"):
        return Kind("dict", item=_older_kind(model, text[1:-1], values))
    if text in _SCALARS:
        members: frozenset[str] = frozenset()
        if text == "str" and values:
            members = _members(getattr(_load(_package(model)), values, None))
        return Kind("scalar", python=_SCALARS[text], values=members)
    if text == "object":
        return ANY
    return Kind("model", model=getattr(_load(_package(model)), text))


def _members(kind: Any) -> frozenset[str]:
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return frozenset(str(member.value) for member in kind)
    return frozenset()


def _newer(model: Any) -> Mapping[str, Property]:
    package = _load(_package(model))
    found: dict[str, Property] = {}
    for owner in reversed(model.__mro__):
        for name, rest in vars(owner).items():
            if not hasattr(rest, "_rest_name_input") or name.startswith("_"):
                continue
            space = {**vars(_load(owner.__module__)), "_models": package}
            hints = typing.get_type_hints(owner, space)
            read_only = rest._visibility == ["read"]
            hint = hints[name]
            required = type(None) not in typing.get_args(hint) and not read_only
            found[rest._rest_name_input or name] = Property(_newer_kind(hint), required, read_only)
    return found


def _newer_kind(hint: Any) -> Kind:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in {typing.Union, types.UnionType}:
        inner = [one for one in arguments if one is not type(None)]
        values = frozenset[str]().union(*(_members(one) for one in inner))
        if values:
            return Kind("scalar", python=str, values=values)
        return _newer_kind(inner[0]) if len(inner) == 1 else ANY
    if origin is typing.Literal:
        return Kind("scalar", python=str, values=frozenset(str(getattr(one, "value", one)) for one in arguments))
    if origin is list:
        return Kind("list", item=_newer_kind(arguments[0]))
    if origin is dict:
        return Kind("dict", item=_newer_kind(arguments[1]))
    if hint in {str, int, bool, float}:
        return Kind("scalar", python=_SCALARS[hint.__name__])
    if isinstance(hint, type) and any(hasattr(one, "_calculated") for one in hint.__mro__):
        return Kind("model", model=hint)
    if isinstance(hint, type) and hint.__module__ in {"datetime", "decimal"}:
        return Kind("scalar", python=str)
    return ANY
