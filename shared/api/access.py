"""Who may: named keys, stored as hashes, and whom the platform has signed in; decided here and nowhere else."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from shared.api.problems import ProblemError
from shared.settings import ROLES, Key, Settings

_MOST_HEADER: Final = 64 * 1024
_ROLE_CLAIMS: Final = frozenset({"roles", "http://schemas.microsoft.com/ws/2008/06/identity/claims/role"})
_NAMES: Final = (
    "preferred_username",
    "upn",
    "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/upn",
    "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress",
    "email",
)
_IDENTIFIERS: Final = ("oid", "http://schemas.microsoft.com/identity/claims/objectidentifier", "appid", "azp", "sub")


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls. `person` is false for a key: it never counts in a quorum of more than one."""

    name: str
    roles: frozenset[str]
    person: bool = False


def caller_of_key(text: str, keys: Iterable[Key]) -> Caller | None:
    """Give the caller that a key's text belongs to, or None; every key is compared, in constant time."""
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    found: Caller | None = None
    for key in keys:
        if hmac.compare_digest(digest, key.digest.lower()):
            found = Caller(f"key:{key.name}", key.roles)
    return found


def caller_of_principal(header: str) -> Caller | None:
    """Give the caller that the platform's header names, or None where it cannot be read.

    The header is base64 of `{"claims": [{"typ", "val"}], "role_typ"}`
    (https://learn.microsoft.com/azure/app-service/configure-authentication-user-identities).
    """
    if len(header) > _MOST_HEADER:
        return None
    try:
        principal = msgspec.json.decode(base64.b64decode(header, validate=True))
    except (binascii.Error, ValueError, RecursionError):
        return None
    if not isinstance(principal, dict):
        return None
    claims = _claims(principal.get("claims"))
    names = [value for kind in _NAMES for value in claims.get(kind, ())]
    identifiers = [value for kind in _IDENTIFIERS for value in claims.get(kind, ())]
    name = (names or identifiers or [""])[0]
    if not name or len(name) > 256 or not name.isprintable():
        return None
    kinds = _ROLE_CLAIMS | {str(principal.get("role_typ", "roles"))}
    roles = {value.lower() for kind in kinds for value in claims.get(kind, ())}
    person = bool(names) and "app" not in claims.get("idtyp", ())
    return Caller(f"{'person' if person else 'app'}:{name}", frozenset(roles & ROLES), person)


def _claims(value: Any) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for item in value if isinstance(value, list) else ():
        if isinstance(item, dict) and isinstance(item.get("typ"), str) and isinstance(item.get("val"), str):
            found.setdefault(item["typ"], []).append(item["val"])
    return found


def authorise(headers: Mapping[str, str], settings: Settings, role: str) -> Caller:
    """Give the caller if they have the role ("" for any credential); raises ProblemError 401 or 403."""
    caller: Caller | None = None
    principal = headers.get("X-MS-CLIENT-PRINCIPAL", "") if settings.platform_authentication else ""
    if principal:
        caller = caller_of_principal(principal)
    elif key := headers.get("x-functions-key", ""):
        caller = caller_of_key(key, settings.keys)
    if caller is None:
        raise ProblemError(
            401, "Unauthorized", "give a key of the hub in the header x-functions-key, or sign in where that is set up"
        )
    if role and role not in caller.roles:
        raise ProblemError(403, "Forbidden", f"this needs the role {role}, which {caller.name} has not got")
    return caller
