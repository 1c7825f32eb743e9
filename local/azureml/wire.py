"""The shapes that every answer shares: resources, lists, errors and times, as the service writes them."""

import json
import re
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from aiohttp import web

Json = dict[str, Any]
PROVIDER: Final = "Microsoft.MachineLearningServices"
LOCATION: Final = "laptop"
PERSON: Final = "Laptop User"
WORKSPACE_GUID: Final = str(uuid.uuid5(uuid.NAMESPACE_URL, "azureml://laptop"))


class ArmError(Exception):
    """An answer that is an error, in the envelope of the service. `code` as ARM spells it, such as UserError."""

    def __init__(self, status: int, code: str, message: str, inner: Sequence[str] = (), **parameters: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.inner, self.parameters = status, code, message, inner, parameters
        self.headers: dict[str, str] = {}

    def body(self) -> Json:
        """Give the error envelope; `inner` nests as InnerError, outermost first."""
        info: list[Json] = [{"type": "ComponentName", "info": {"value": "managementfrontend"}}]
        if self.inner:
            nested: Json | None = None
            for code in reversed(self.inner):
                nested = {"code": code, "innerError": nested}
            info.append({"type": "InnerError", "info": {"value": nested}})
        if self.parameters:
            info.append({"type": "MessageParameters", "info": {"value": self.parameters}})
        info += [
            {"type": "Environment", "info": {"value": LOCATION}},
            {"type": "Location", "info": {"value": LOCATION}},
            {"type": "Time", "info": {"value": now()}},
        ]
        return {"error": {"code": self.code, "message": self.message, "details": [], "additionalInfo": info}}


def not_found(what: str) -> ArmError:
    """Give the 404 of a resource; `what` names kind and name."""
    return ArmError(404, "UserError", f"{what} not found.", ("NotFoundError",))


def invalid(message: str, *inner: str) -> ArmError:
    """Give the 400 of a request that the service would refuse, or that a laptop cannot serve."""
    return ArmError(400, "UserError", message, inner or ("BadArgument", "ArgumentInvalid"))


def reply(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """Give JSON."""
    return web.Response(
        status=status, body=json.dumps(body).encode(), content_type="application/json", charset="utf-8", headers=headers
    )


def listing(items: Sequence[Json]) -> web.Response:
    """Give one whole page: what lies on a laptop fits in one."""
    return reply({"value": list(items)})


def now() -> str:
    """Give this moment as the service writes it."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


def system_data() -> Json:
    """Give who and when, for a resource made now."""
    moment = now()
    who = {"createdBy": PERSON, "createdByType": "User", "lastModifiedBy": PERSON, "lastModifiedByType": "User"}
    return {"createdAt": moment, "lastModifiedAt": moment, **who}


def touched(data: Json) -> Json:
    """Give systemData of a resource that is changed now."""
    return {**data, "lastModifiedAt": now()}


def resource(identity: str, kind: str, properties: Json, data: Json | None = None, /, **more: Any) -> Json:
    """Give a resource: `identity` is its ARM id, whose last part is its name; `kind` such as jobs."""
    return {
        "id": identity,
        "name": identity.rpartition("/")[2],
        "type": f"{PROVIDER}/workspaces/{kind}",
        "properties": properties,
        "systemData": data or system_data(),
        **more,
    }


def text_map(value: Any) -> dict[str, str]:
    """Give tags or properties: the service keeps texts only."""
    return {str(key): str(item) for key, item in (value or {}).items() if item is not None}


_NAME: Final = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9\-_.]{0,254}")


def checked_name(name: str, what: str) -> str:
    """Give the name; raises ArmError where the service would not take it (letters, digits, - _ ., at most 255)."""
    if not _NAME.fullmatch(name):
        raise invalid(
            f"The name {name!r} of the {what} is not valid: it starts with a letter or digit, goes on with letters, "
            "digits, dashes, underscores or dots, and has at most 255 characters."
        )
    return name
