"""The document of the API: made from the routes, kept in docs, and true."""

import json
from pathlib import Path
from typing import Any

import jsonschema_rs

from shared.api.openapi import document
from shared.api.table import ROUTES

KEPT = Path(__file__).parents[3] / "docs" / "openapi.json"
RENEW = (
    "docs/openapi.json is not what the routes say; renew it with: "
    ".venv/bin/python -c 'import json, shared.api.table as t, shared.api.openapi as o; "
    "print(json.dumps(o.document(t.ROUTES), indent=2, ensure_ascii=False))' > docs/openapi.json"
)


def test_the_kept_document_is_the_served_one() -> None:
    assert json.loads(KEPT.read_text()) == json.loads(json.dumps(document(ROUTES))), RENEW


async def test_it_is_served_to_whoever_has_a_key(desk: Any) -> None:
    answer = await desk.ask("openapi", key="publisher")
    assert answer.json["openapi"] == "3.1.0"
    assert set(answer.json["paths"]) == {f"/api/{route.path}" for route in ROUTES.values()}


def test_every_reference_leads_somewhere_and_every_schema_is_one() -> None:
    made = document(ROUTES)
    text = json.dumps(made)
    names = {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}
    assert names <= set(made["components"]["schemas"])
    for schema in made["components"]["schemas"].values():
        jsonschema_rs.meta.validate(schema)


def test_every_route_says_who_may_and_what_can_go_wrong() -> None:
    for path, operations in document(ROUTES)["paths"].items():
        for method, operation in operations.items():
            route = ROUTES[operation["operationId"]]
            assert (route.method.lower(), f"/api/{route.path}") == (method, path)
            assert ("401" in operation["responses"]) == (route.role is not None)
            assert ("403" in operation["responses"]) == bool(route.role)
