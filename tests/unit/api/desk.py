"""A hub in memory with keys and accounts, and requests to its API as the Functions host would make them."""

import base64
import hashlib
import json
from collections.abc import Mapping
from typing import Any

import azure.functions as func

from shared.api.handlers import respond
from shared.api.table import ROUTES
from shared.settings import Settings
from tests.unit.flow import world

KEYS = {
    "all": ["reader", "operator", "approver", "publisher"],
    "reader": ["reader"],
    "operator": ["reader", "operator"],
    "publisher": ["publisher"],
}


class Answer:
    """What came back."""

    def __init__(self, response: func.HttpResponse) -> None:
        self.status = response.status_code
        self.headers = dict(response.headers)
        self.kind = response.mimetype
        self.text = response.get_body().decode()

    @property
    def json(self) -> Any:
        return json.loads(self.text)


class Desk(world.World):  # type: ignore[misc,name-defined]
    """The world of the flow tests, with an operator's desk."""

    environment: Mapping[str, str] = {}

    def start(self) -> Any:
        keys = {
            name: {"hash": hashlib.sha256(f"key-{name}".encode()).hexdigest(), "roles": roles}
            for name, roles in KEYS.items()
        }
        environment = {
            **world.ENVIRONMENT,
            "HUB_KEYS": json.dumps(keys),
            "HUB_ACCOUNT_LANDING": "BlobEndpoint=http://127.0.0.1:1/landing;AccountName=landing;AccountKey=eA==",
            "HUB_ACCOUNT_OTHER": "BlobEndpoint=http://127.0.0.1:1/other;AccountName=other;AccountKey=eA==",
            **self.environment,
        }
        from shared.bootstrap import wire

        settings = Settings.read(environment, self.root)
        return wire(
            settings, self.store, self.data, self.azureml, lambda: self.now, endpoints=self.endpoints, batch=self.batch
        )

    async def ask(
        self,
        route_name: str,
        /,
        body: Any = None,
        *,
        key: str = "all",
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        **values: str,
    ) -> Answer:
        """Ask a route by its name; `body` is text, bytes or what becomes JSON."""
        route = ROUTES[route_name]
        sent = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        given = {**({"x-functions-key": f"key-{key}"} if key else {}), **(headers or {})}
        request = func.HttpRequest(
            method=route.method,
            url=f"http://127.0.0.1/api/{route.path}",
            headers=given,
            params=dict(query or {}),
            route_params=values,
            body=sent,
        )
        return Answer(await respond(request, route, self.hub))


def principal(name: str = "ann@example.org", *roles: str, **claims: str) -> str:
    """Give the header by which the platform names a person who is signed in."""
    found = [{"typ": "preferred_username", "val": name}] if name else []
    found += [{"typ": "roles", "val": role} for role in roles]
    found += [{"typ": kind, "val": value} for kind, value in claims.items()]
    return base64.b64encode(json.dumps({"auth_typ": "aad", "role_typ": "roles", "claims": found}).encode()).decode()
