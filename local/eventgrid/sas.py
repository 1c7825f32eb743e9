"""SAS tokens of topics: `r=<resource>&e=<expiry>&s=<signature>`, signed with the topic's key.

https://learn.microsoft.com/azure/event-grid/authenticate-with-access-keys-shared-access-signatures
"""

import base64
import hashlib
import hmac
from datetime import UTC, datetime
from typing import Final
from urllib.parse import parse_qs, unquote_plus

_DOTNET: Final = "%m/%d/%Y %I:%M:%S %p"


def is_valid(token: str, key: str, resource: str, now: datetime | None = None) -> bool:
    """Tell whether a token is signed with `key`, has not expired and is for `resource` (an address)."""
    unsigned, mark, signature = token.rpartition("&s=")
    if not mark:
        return False
    fields = parse_qs(unsigned)
    expiry = _time(fields.get("e", [""])[0])
    given = fields.get("r", [""])[0].partition("?")[0]
    if (
        expiry is None
        or expiry <= (now or datetime.now(UTC))
        or not resource.startswith(given.rstrip("/"))
        or not given
    ):
        return False
    return any(
        hmac.compare_digest(_sign(unsigned, secret), unquote_plus(signature).replace(" ", "+"))
        for secret in _secrets(key)
    )


def _secrets(key: str) -> list[bytes]:
    """Give what the token may be signed with: the key is base64 where it is Azure's."""
    found = [key.encode()]
    try:
        found.append(base64.b64decode(key + "=" * (-len(key) % 4)))
    except ValueError:
        return found
    return found


def _sign(text: str, secret: bytes) -> str:
    return base64.b64encode(hmac.new(secret, text.encode(), hashlib.sha256).digest()).decode()


def _time(text: str) -> datetime | None:
    """Read an expiry as the SDKs of Python and Java (ISO 8601) or of .NET (10/25/2030 5:06:39 PM) write it."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        try:
            found = datetime.strptime(text, _DOTNET)
        except ValueError:
            return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
