"""The page asks the API's own handlers, with the roles of whoever looks: what they refuse, the page refuses."""

import re
from collections.abc import Mapping
from typing import Any, TypeVar
from urllib.parse import quote

import azure.functions as func
import msgspec
from pydantic import BaseModel, ValidationError

from shared.api.access import Caller
from shared.api.problems import ProblemError
from shared.api.routes import Call, Reply
from shared.api.table import ROUTES
from shared.bootstrap import Hub
from shared.ledger.protocol import NotFoundError

M = TypeVar("M", bound=BaseModel)


class Desk:
    """One look or act of somebody at this hub."""

    def __init__(self, hub: Hub, caller: Caller) -> None:
        self.hub = hub
        self.caller = caller
        self.now = hub.clock()

    def may(self, route: str) -> bool:
        """Tell whether the route exists and the caller has its role."""
        return route in ROUTES and (not ROUTES[route].role or ROUTES[route].role in self.caller.roles)

    async def ask(
        self,
        route: str,
        model: type[M],
        values: Mapping[str, str] | None = None,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> M:
        """Give what the route answers; raises ProblemError."""
        found = await self.do(route, values, query=query, body=body, headers=headers)
        if not isinstance(found, model):
            raise TypeError(f"route {route} gave {type(found).__name__}, not {model.__name__}")
        return found

    async def do(
        self,
        route: str,
        values: Mapping[str, str] | None = None,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> BaseModel | str | None:
        """Do what the route does, and give its body; raises ProblemError."""
        known = ROUTES[route]
        if not self.may(route):
            raise ProblemError(403, "Forbidden", f"this needs the role {known.role}, which {self.caller.name} lacks")
        values = dict(values or {})
        for name, (pattern, described) in known.values.items():
            if not re.fullmatch(pattern, values.get(name, "")) or values[name].endswith("\n"):
                raise ProblemError(404, "Not found", f"{values.get(name, '')[:128]!r} is not: {described}")
        path = known.path.format(**{name: quote(value, safe="") for name, value in values.items()})
        request = func.HttpRequest(
            method=known.method, url=f"/api/{path}", headers=dict(headers or {}), route_params=values, body=b""
        )
        try:
            asked = known.query.model_validate_strings(dict(query or {}), strict=True)
            sent = known.takes.model_validate_json(msgspec.json.encode(dict(body or {}))) if known.takes else None
        except ValidationError as error:
            first = error.errors(include_url=False, include_context=False, include_input=False)[0]
            place = ".".join(map(str, first["loc"]))
            raise ProblemError(422, "This does not fit", f"{place}: {first['msg']}") from None
        try:
            made = await known.handler(Call(self.hub, self.caller, request, values, asked, sent))
        except NotFoundError as error:
            raise ProblemError(404, "Not found", str(error)) from None
        return made.body if isinstance(made, Reply) else made
