"""Which handler serves which path: ARM's paths, whose fixed parts are compared without regard to case."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from aiohttp import web

from local.azureml.wire import Json, invalid


@dataclass(frozen=True)
class Call:
    """A request to a handler: `params` are the captured parts of its path, `query` has lower-case keys."""

    request: web.Request
    params: dict[str, str]
    query: dict[str, str]
    body: Json

    @property
    def name(self) -> str:
        """The part captured as `name`."""
        return self.params["name"]

    def properties(self) -> Json:
        """Give the body's properties; raises ArmError where they are missing."""
        value = self.body.get("properties")
        if not isinstance(value, dict):
            raise invalid("The request body has no 'properties' object.")
        return value


Handler = Callable[[Call], Awaitable[web.StreamResponse]]


@dataclass
class Routes:
    """A table of method and pattern; `{x}` captures one part of the path, `{x*}` the rest of it."""

    _table: list[tuple[str, tuple[str, ...], Handler]] = field(default_factory=list)

    def add(self, method: str, pattern: str, handler: Handler) -> None:
        """Serve `method` on `pattern`."""
        self._table.append((method, tuple(pattern.strip("/").split("/")), handler))

    def find(self, method: str, path: str) -> tuple[Handler, dict[str, str]] | None:
        """Give the handler and the captured parts, or None."""
        parts = path.strip("/").split("/")
        for verb, pattern, handler in self._table:
            if verb != method:
                continue
            params = _match(pattern, parts)
            if params is not None:
                return handler, params
        return None


def _match(pattern: tuple[str, ...], parts: list[str]) -> dict[str, str] | None:
    params: dict[str, str] = {}
    for index, piece in enumerate(pattern):
        if piece.endswith("*}"):
            params[piece[1:-2]] = unquote("/".join(parts[index:]))
            return params
        if index >= len(parts):
            return None
        if piece.startswith("{"):
            params[piece[1:-1]] = unquote(parts[index])
        elif piece.lower() != parts[index].lower():
            return None
    return params if len(parts) == len(pattern) else None


async def read_call(request: web.Request, params: dict[str, str]) -> Call:
    """Read the body as JSON; raises ArmError where it is none."""
    body: Any = {}
    if request.can_read_body and request.content_type.endswith("json"):
        try:
            body = await request.json()
        except ValueError:
            raise invalid("The request body is not valid JSON.") from None
    if not isinstance(body, dict):
        body = {"value": body}
    return Call(request, params, {key.lower(): value for key, value in request.query.items()}, body)
