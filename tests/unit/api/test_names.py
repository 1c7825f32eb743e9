"""The names that scripts and people rely on: every route and every verb is there."""

from typing import Final

import pytest

from tests.unit.app import functions

ROUTES: Final = """
GET health
GET status
POST pause
POST resume
GET automations
GET automations/{name}
POST automations/{name}/run
POST automations/{name}/pause
POST automations/{name}/resume
GET activities
GET activities/{id}
POST activities/{id}/approve
POST activities/{id}/reject
POST activities/{id}/cancel
POST activities/{id}/retry
POST activities/{id}/acknowledge
GET collections
POST collections/{id}/close
GET holds
POST holds/{id}/release
POST events
OPTIONS events
GET events
GET events/{id}/why
GET why
GET dead-letters
POST simulate
POST backtest
POST replay
GET endpoints
POST endpoints/{name}/rollback
GET models/{name}/versions/{version}/receipt
GET files/used-by
GET approvals/{token}
POST approvals/{token}
GET audit
GET dashboard
GET openapi.json
""".strip().splitlines()
VERBS: Final = {
    "validate",
    "schema",
    "simulate",
    "backtest",
    "why",
    "run",
    "activities",
    "collections",
    "holds",
    "approve",
    "reject",
    "cancel",
    "retry",
    "acknowledge",
    "pause",
    "resume",
    "rollback",
    "replay",
    "backfill",
    "receipt",
    "used-by",
    "audit",
    "status",
    "doctor",
    "emit",
    "dev",
}


@pytest.fixture(scope="module")
def served() -> set[str]:
    """Methods and paths of all HTTP functions of the app, without the bounds of their parts."""
    found: set[str] = set()
    for function in functions():
        for binding in function.get_bindings_dict()["bindings"]:
            if str(binding.get("type")).lower() == "httptrigger":
                path = "/".join(
                    "{" + part.strip("{}").partition(":")[0].lstrip("*") + "}" if part.startswith("{") else part
                    for part in str(binding["route"]).split("/")
                )
                found |= {f"{getattr(method, 'value', method)} {path}" for method in binding["methods"]}
    return found


@pytest.mark.parametrize("route", ROUTES)
def test_every_route_of_the_contract_is_served(served: set[str], route: str) -> None:
    method, _, path = route.partition(" ")
    heads = {one for one in served if one == route or (path == "dashboard" and one.startswith(f"{method} {path}"))}
    assert heads, f"{route} is not among {sorted(served)}"


def test_every_verb_of_the_contract_is_there() -> None:
    from cli.__main__ import VERBS as KNOWN

    assert {verb.name for verb in KNOWN} >= VERBS
    assert all(verb.help for verb in KNOWN)
