"""Makes the OpenAPI 3.1 document from the table of routes and the models that validate."""

import re
from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from shared.api.models import Problem
from shared.api.routes import Route

VERSION: Final = "1.0.0"
_TEMPLATE: Final = "#/components/schemas/{model}"
_TITLES: Final[Mapping[int, str]] = {
    400: "The request cannot be read",
    401: "No credential that is accepted",
    403: "The credential has not got the role",
    404: "There is no such thing",
    409: "Not possible in its present state",
    412: "It has changed since it was read",
    413: "Too large",
    422: "The body does not fit",
    429: "Too many requests at once",
    503: "Busy; send again",
}
_HEADERS: Final[Mapping[str, Mapping[str, Any]]] = {
    "Idempotency-Key": {
        "description": "The same key does it once.",
        "schema": {"type": "string", "maxLength": 200, "pattern": "^[\\x20-\\x7e]*$"},
    },
    "If-Match": {
        "description": "The ETag that the caller saw; left out, whatever it is now.",
        "schema": {"type": "string", "maxLength": 1000, "pattern": '^("[A-Za-z0-9_=-]*"|\\*)$'},
    },
}
_RETRY: Final = {
    "Retry-After": {"description": "Seconds to wait.", "schema": {"type": "string", "pattern": "^[0-9]+$"}}
}


def document(routes: Mapping[str, Route]) -> dict[str, Any]:
    """Give the OpenAPI document of these routes."""
    schemas, components = _schemas(routes)
    paths: dict[str, dict[str, Any]] = {}
    for route in routes.values():
        paths.setdefault(f"/api/{route.path}", {})[route.method.lower()] = _operation(route, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Azure ML automation hub",
            "version": VERSION,
            "description": "Operators steer the hub by it, and events come in by it. Errors are RFC 9457 problems; "
            'a list is {"items", "next"}, newest first.',
        },
        "servers": [{"url": "/"}],
        "security": [{"key": []}],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "key": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "x-functions-key",
                    "description": "A named key with roles. In Azure the platform's sign-in serves as well.",
                }
            },
        },
    }


def _schemas(routes: Mapping[str, Route]) -> tuple[dict[tuple[Any, str], Any], dict[str, Any]]:
    wanted: dict[tuple[type[BaseModel], JsonSchemaMode], None] = {(Problem, "serialization"): None}
    for route in routes.values():
        for model in (*((route.gives,) if route.gives else ()), *route.also):
            wanted[model, "serialization"] = None
        if route.takes:
            wanted[route.takes, "validation"] = None
    found, definitions = models_json_schema(list(wanted), ref_template=_TEMPLATE)
    named = dict(sorted(definitions.get("$defs", {}).items()))
    return {(model, mode): schema for (model, mode), schema in found.items()}, named


def _operation(route: Route, schemas: Mapping[tuple[Any, str], Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {"operationId": route.name, "summary": route.summary, "tags": [_tag(route)]}
    if parameters := [*_path(route), *_query(route), *_headers(route)]:
        operation["parameters"] = parameters
    if route.takes:
        schema = schemas[route.takes, "validation"]
        needed = not _all_have_defaults(route.takes)
        operation["requestBody"] = {"required": needed, "content": {"application/json": {"schema": schema}}}
    elif route.raw:
        schema = {
            "description": "One event or a list of them, in Event Grid's schema or as CloudEvents; what is neither is "
            "quarantined and costs the others nothing.",
            "oneOf": [{"type": "object"}, {"type": "array", "maxItems": 5000, "items": {}}],
        }
        content = {kind: {"schema": schema} for kind in ("application/json", "application/cloudevents-batch+json")}
        operation["requestBody"] = {"required": True, "content": content}
    operation["responses"] = _responses(route, schemas)
    if route.role is None:
        operation["security"] = []
    elif route.role:
        operation["description"] = f"Needs the role `{route.role}`."
    return operation


def _tag(route: Route) -> str:
    return route.path.partition("/")[0].partition(".")[0]


def _all_have_defaults(model: type[BaseModel]) -> bool:
    return not any(field.is_required() for field in model.model_fields.values())


def _path(route: Route) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "description": route.values[name][1],
            "schema": {"type": "string", "pattern": route.values[name][0]},
        }
        for name in re.findall(r"\{(\w+)\}", route.path)
    ]


def _query(route: Route) -> list[dict[str, Any]]:
    schema = route.query.model_json_schema(ref_template=_TEMPLATE)
    found = []
    for name, plain in schema.get("properties", {}).items():
        kept = {key: value for key, value in plain.items() if key not in {"title", "description"}}
        if "anyOf" in kept:
            kept |= next(one for one in kept.pop("anyOf") if one.get("type") != "null")
            kept.pop("default", None)
        parameter = {"name": name, "in": "query", "required": name in schema.get("required", ()), "schema": kept}
        found.append(parameter | ({"description": plain["description"]} if "description" in plain else {}))
    return found


def _headers(route: Route) -> list[dict[str, Any]]:
    names = [{"name": name, "in": "header", "required": False, **_HEADERS[name]} for name in route.headers]
    if route.method == "OPTIONS":
        pattern = "^[A-Za-z0-9.:/*-]{1,255}$"
        schema = {"type": "string", "pattern": pattern}
        names.append({"name": "WebHook-Request-Origin", "in": "header", "required": True, "schema": schema})
    return names


def _responses(route: Route, schemas: Mapping[tuple[Any, str], Any]) -> dict[str, Any]:
    success: dict[str, Any] = {"description": route.summary}
    if route.also:
        success["content"] = {
            "application/json": {"schema": {"anyOf": [schemas[model, "serialization"] for model in route.also]}}
        }
    elif route.gives:
        success["content"] = {"application/json": {"schema": schemas[route.gives, "serialization"]}}
    elif route.document:
        success["content"] = {"application/json": {"schema": {"type": "object"}}}
    for kind in route.kinds:
        success.setdefault("content", {})[kind] = {"schema": {"type": "string"}}
    if "If-Match" in route.headers or route.etag:
        success["headers"] = {"ETag": {"description": "For If-Match.", "schema": {"type": "string"}}}
    problem = {"application/problem+json": {"schema": schemas[Problem, "serialization"]}}
    found = {str(route.status): success}
    for status in sorted(route.statuses):
        described: dict[str, Any] = {"description": _TITLES[status], "content": problem}
        if status in {429, 503}:
            described["headers"] = _RETRY
        found[str(status)] = described
    return found
