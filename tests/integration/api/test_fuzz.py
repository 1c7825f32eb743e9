"""The API meets what its own document allows, and what it does not: no 5xx, no status that it does not document.

HUB_FUZZ_CASES sets how many cases are made in all (300), HUB_FUZZ_SEED which ones.
"""

import os
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    ignored_auth,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from shared.api.table import ROUTES

CASES = max(1, int(os.environ.get("HUB_FUZZ_CASES", "300")) // (2 * len(ROUTES)))
SEED = int(os.environ.get("HUB_FUZZ_SEED", "20130101"))
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    ignored_auth,
]


@pytest.fixture(scope="session")
def served(site: Any) -> Any:
    """The document as it is served."""
    return schemathesis.openapi.from_url(
        f"{site.url}/api/openapi.json", headers={"x-functions-key": site.cloud.keys["hub"]}
    )


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=lambda mode: mode.value)
@pytest.mark.parametrize("name", [name for name, route in ROUTES.items() if route.method != "OPTIONS"])
def test_nothing_that_is_sent_breaks_it(served: Any, site: Any, name: str, mode: GenerationMode) -> None:
    operation = served[f"/api/{ROUTES[name].path}"][ROUTES[name].method]
    if mode is GenerationMode.NEGATIVE and not _can_be_wrong(operation):
        return

    @seed(SEED)
    @settings(
        max_examples=CASES,
        phases=[Phase.generate],
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def send(case: Any) -> None:
        given = {"x-functions-key": site.cloud.keys["hub"]}
        response = case.call(headers=given, timeout=60)
        if response.status_code in {400, 404} and "json" not in response.headers.get("content-type", [""])[0]:
            return  # the host's own: a path with a slash or a dot in it is another address, and an address has an end
        case.validate_response(response, checks=CHECKS, headers=given)

    send()


def _can_be_wrong(operation: Any) -> bool:
    """Tell whether the operation takes anything that could be made wrong."""
    definition = operation.definition.raw
    return bool(definition.get("parameters") or definition.get("requestBody"))
