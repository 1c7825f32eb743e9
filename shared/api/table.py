"""All routes of the API, in one table."""

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from shared.api.doing_routes import DOING
from shared.api.looking_routes import LOOKING
from shared.api.openapi import document
from shared.api.routes import Call, Reply, Route


@lru_cache(maxsize=1)
def _described() -> str:
    return json.dumps(document(ROUTES), ensure_ascii=False)


async def openapi(call: Call) -> Reply:
    """Describe all of this."""
    return Reply(_described())


_OPENAPI: Final = Route("openapi", "GET", "openapi.json", "", "This document", openapi, None, document=True)
ROUTES: Final[Mapping[str, Route]] = {route.name: route for route in (*LOOKING, _OPENAPI, *DOING)}
