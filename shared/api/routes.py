"""What a route is: its address, who may, what it takes and gives. Functions and OpenAPI are both made from it."""

import base64
import binascii
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, Final, Literal, TypeVar

import azure.functions as func
from pydantic import BaseModel

from shared.api.access import Caller
from shared.api.problems import ProblemError
from shared.api.requests import NoQuery
from shared.bootstrap import Hub

M = TypeVar("M", bound=BaseModel)
Method = Literal["GET", "POST", "OPTIONS"]
MAX_BODY: Final = 1024 * 1024
"""Bytes of a body where a route says nothing else."""


@dataclass(frozen=True)
class Call:
    """One request, authorised and checked."""

    hub: Hub
    caller: Caller
    request: func.HttpRequest
    values: Mapping[str, str]
    query: BaseModel
    body: BaseModel | None

    @cached_property
    def now(self) -> datetime:
        """The time of the request."""
        return self.hub.clock()

    def asked(self, model: type[M]) -> M:
        """Give the query as the model that the route declares."""
        if not isinstance(self.query, model):
            raise TypeError(f"the query is no {model.__name__}")
        return self.query

    def sent(self, model: type[M]) -> M:
        """Give the body as the model that the route declares."""
        if not isinstance(self.body, model):
            raise TypeError(f"the body is no {model.__name__}")
        return self.body

    async def record(self, what: str, subject: str, reason: str = "", **detail: Any) -> None:
        """Enter into the audit trail what the caller does."""
        kept = {"person": self.caller.person, **detail}
        await self.hub.audit.record(self.now, self.caller.name, what, subject, reason, kept)

    @property
    def idempotency_key(self) -> str:
        """The Idempotency-Key, "" for none."""
        key = str(self.request.headers.get("Idempotency-Key", ""))
        if len(key) > 200 or not key.isprintable():
            raise ProblemError(400, "Bad Idempotency-Key", "at most 200 printable characters are expected")
        return key

    @property
    def if_match(self) -> str:
        """The store's etag that the caller saw, "" where they do not mind."""
        text = str(self.request.headers.get("If-Match", "")).strip()
        if text in {"", "*"}:
            return ""
        try:
            return base64.urlsafe_b64decode(text.removeprefix("W/").strip('"').encode("ascii")).decode()
        except (binascii.Error, ValueError):
            raise ProblemError(412, "Changed", "If-Match holds no ETag of this hub: read it again") from None


def shown_etag(etag: str) -> str:
    """Give a store's etag as a strong ETag of HTTP."""
    return f'"{base64.urlsafe_b64encode(etag.encode()).decode()}"'


@dataclass(frozen=True, slots=True)
class Reply:
    """What a handler answers where it is more than a model: a status, headers, text of another kind."""

    body: BaseModel | str | None
    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    kind: str = "application/json"


Handler = Callable[[Call], Awaitable[BaseModel | Reply]]


@dataclass(frozen=True)
class Route:
    """A route. `role` is the one it needs, "" for any credential, None where nobody is asked.

    `values` gives the pattern and the meaning of each part of the path; `also` the models where it gives one of
    several; `kinds` are further media types that it gives; `document` says that it gives some JSON document.
    """

    name: str
    method: Method
    path: str
    role: str | None
    summary: str
    handler: Handler
    gives: type[BaseModel] | None
    status: int = 200
    query: type[BaseModel] = NoQuery
    takes: type[BaseModel] | None = None
    raw: bool = False
    values: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    headers: tuple[Literal["Idempotency-Key", "If-Match"], ...] = ()
    problems: tuple[int, ...] = ()
    max_body: int = MAX_BODY
    also: tuple[type[BaseModel], ...] = ()
    kinds: tuple[str, ...] = ()
    document: bool = False
    etag: bool = False

    @cached_property
    def statuses(self) -> frozenset[int]:
        """The statuses of its problems."""
        if self.name == "health":
            return frozenset()
        found = {400, 429, 503, 413, *self.problems}
        if self.role is not None:
            found |= {401}
        if self.role:
            found |= {403}
        if self.takes is not None:
            found |= {422}
        return frozenset(found)
