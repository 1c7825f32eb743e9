"""The Bicep functions that the templates may call, on plain values; anything else is unknown here and refused."""

import base64
import hashlib
import json
import uuid
from collections.abc import Callable
from typing import Any, Final


class Runtime(str):
    """A text that is known only while it is deployed: it may not name anything, nor decide what is deployed."""

    __slots__ = ()


def later(value: Any) -> Any:
    """Mark every text of a value as known only while it is deployed."""
    if isinstance(value, dict):
        return {key: later(item) for key, item in value.items()}
    if isinstance(value, list):
        return [later(item) for item in value]
    return Runtime(value) if isinstance(value, str) else value


def known(value: Any) -> Any:
    """Give a value as the module sees that gets it: everything in it is known there."""
    if isinstance(value, dict):
        return {key: known(item) for key, item in value.items()}
    if isinstance(value, list):
        return [known(item) for item in value]
    return str(value) if isinstance(value, Runtime) else value


def unknown(value: Any) -> str:
    """Give the first text in a value that is known only while it is deployed; "" where all is known."""
    if isinstance(value, Runtime):
        return str(value)
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return next(filter(None, map(unknown, inner)), "")


class FunctionError(Exception):
    """A function was called with what it does not take."""


def _hash(*values: str) -> str:
    text = base64.b32encode(hashlib.sha256("\0".join(values).encode()).digest()).decode().lower()
    return text[:13]


def _guid(*values: str) -> str:
    text = str(uuid.uuid5(uuid.NAMESPACE_URL, "\0".join(values)))
    return Runtime(text) if any(isinstance(value, Runtime) for value in values) else text


def _union(*values: Any) -> Any:
    if all(isinstance(value, dict) for value in values):
        return {key: item for value in values for key, item in value.items()}
    if all(isinstance(value, list) for value in values):
        every = [item for value in values for item in value]
        return [item for place, item in enumerate(every) if item not in every[:place]]
    raise FunctionError("union takes objects only, or arrays only")


def _empty(value: Any) -> bool:
    if isinstance(value, Runtime) or not isinstance(value, str | list | dict | None):
        raise FunctionError("empty takes a text, array or object that is known before the deployment")
    return not value


def _string(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))


def _flatten(value: list[list[Any]]) -> list[Any]:
    return [item for inner in value for item in inner]


def _bool(value: str) -> bool:
    if value.lower() not in {"true", "false"}:
        raise FunctionError(f"true or false is expected, {value!r} was found")
    return value.lower() == "true"


def _upper(value: str) -> str:
    return type(value)(value.upper())


FUNCTIONS: Final[dict[str, tuple[int, int, Callable[..., Any]]]] = {
    "any": (1, 1, lambda value: value),
    "bool": (1, 1, _bool),
    "contains": (2, 2, lambda value, item: item in value),
    "empty": (1, 1, _empty),
    "flatten": (1, 1, _flatten),
    "items": (1, 1, lambda value: [{"key": key, "value": value[key]} for key in sorted(value)]),
    "guid": (1, 15, _guid),
    "json": (1, 1, json.loads),
    "length": (1, 1, len),
    "replace": (3, 3, lambda value, old, new: value.replace(old, new)),
    "string": (1, 1, _string),
    "take": (2, 2, lambda value, count: value[:count]),
    "toLower": (1, 1, lambda value: type(value)(value.lower())),
    "toUpper": (1, 1, _upper),
    "union": (2, 15, _union),
    "uniqueString": (1, 15, _hash),
}
"""Name → fewest arguments, most arguments, and what it does."""

LAMBDAS: Final = frozenset({"filter", "map", "toObject"})
"""Functions whose arguments after the first are lambdas; `deployment` runs them."""

PLACES: Final[dict[str, tuple[int, int]]] = {
    "environment": (0, 0),
    "filter": (2, 2),
    "loadJsonContent": (1, 1),
    "loadTextContent": (1, 1),
    "map": (2, 2),
    "readEnvironmentVariable": (1, 2),
    "resourceGroup": (0, 2),
    "resourceId": (2, 15),
    "subscription": (0, 1),
    "subscriptionResourceId": (2, 15),
    "tenant": (0, 0),
    "toObject": (3, 3),
}
"""Functions that need to know where they stand: their fewest and most arguments. `deployment` runs them."""

ENVIRONMENT: Final = {
    "name": "AzureCloud",
    "suffixes": {"storage": "core.windows.net"},
    "authentication": {"loginEndpoint": "https://login.microsoftonline.com/"},
}


def bounds(name: str) -> tuple[int, int] | None:
    """Give the fewest and most arguments of a function, or None where it is unknown."""
    if name in PLACES:
        return PLACES[name]
    if name in FUNCTIONS:
        return FUNCTIONS[name][:2]
    return None
