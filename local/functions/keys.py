"""Keys of the host, and what a request may do with the one it shows.

As in Azure (https://learn.microsoft.com/azure/azure-functions/function-keys-how-to): the master key opens everything;
the system key of the Event Grid extension its webhook; host keys all functions of level `function`; a function key one
function. Host and function keys derive from the master key, so that nothing more is kept.
"""

import hashlib
import hmac
from collections.abc import Mapping
from typing import Literal

from aiohttp import web

Claim = Literal["admin", "system", "function", ""]


class Keys:
    """The keys: `secrets` holds master and eventgrid."""

    def __init__(self, secrets: Mapping[str, str]) -> None:
        self._master = secrets["master"]
        self._eventgrid = secrets["eventgrid"]

    @property
    def host(self) -> str:
        """The default key for all functions."""
        return self._derived("host")

    @property
    def eventgrid(self) -> str:
        """The system key `eventgrid_extension`."""
        return self._eventgrid

    def function(self, name: str) -> str:
        """The default key of one function."""
        return self._derived(f"function {name.lower()}")

    def _derived(self, purpose: str) -> str:
        return hmac.new(self._master.encode(), purpose.encode(), hashlib.sha256).hexdigest()

    def claim(self, request: web.Request, function: str = "") -> Claim:
        """Give what the key of a request is; "" for none, or one that is no key. The header goes before `code`."""
        header = request.headers.get("x-functions-key")
        given = request.query.get("code", "") if header is None else header
        if not given:
            return ""
        known: list[tuple[str, Claim]] = [(self._master, "admin"), (self._eventgrid, "system"), (self.host, "function")]
        if function:
            known.append((self.function(function), "function"))
        return next((claim for key, claim in known if hmac.compare_digest(given.encode(), key.encode())), "")


def refusal(claim: Claim, needed: Claim) -> int | None:
    """Give the status for a claim that does not reach: 401 for none, 403 for another kind; None where it does."""
    if claim in {"admin", needed}:
        return None
    return 403 if claim else 401
