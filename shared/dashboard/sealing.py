"""Sealed texts: what the hub gives away and later believes when it comes back, such as sessions and approval links."""

import base64
import binascii
import contextlib
import hashlib
import hmac
import secrets
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from shared.ledger.protocol import AlreadyExistsError, Blobs, NotFoundError

_BLOB: Final = "secrets/signing-1"
_MOST: Final = 4096


class Sealer:
    """Signs with a secret of the hub's own: random, made at its first use, kept in the hub's own container.

    All instances share it, no setting holds it; removing the blob ends all sessions and links.
    """

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs
        self._secret = b""

    async def _key(self, purpose: str) -> bytes:
        if not self._secret:
            try:
                self._secret = await self._blobs.get(_BLOB)
            except NotFoundError:
                with contextlib.suppress(AlreadyExistsError):
                    await self._blobs.put(
                        _BLOB, secrets.token_bytes(32), absent=True, content_type="application/octet-stream"
                    )
                self._secret = await self._blobs.get(_BLOB)
        return hmac.digest(self._secret, purpose.encode(), "sha256")

    async def seal(self, purpose: str, content: dict[str, Any], expires: datetime) -> str:
        """Give a text (letters, digits, `-`, `_`, one dot) that holds the content and when it expires; not hidden."""
        body = _text(msgspec.json.encode([int(expires.timestamp()), content]))
        return f"{body}.{_text(hmac.digest(await self._key(purpose), body.encode(), 'sha256'))}"

    async def open(self, purpose: str, sealed: str, now: datetime) -> tuple[dict[str, Any], datetime] | None:
        """Give the content and when it expires; None where it was not sealed by this hub for this, or has expired."""
        body, _, signature = sealed.partition(".")
        if len(sealed) > _MOST or not sealed.isascii():
            return None
        right = _text(hmac.digest(await self._key(purpose), body.encode(), "sha256"))
        if not hmac.compare_digest(right, signature):
            return None
        try:
            expires, content = msgspec.json.decode(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
        except (binascii.Error, ValueError):
            return None
        until = datetime.fromtimestamp(expires, UTC)
        return (content, until) if now < until else None

    async def mark(self, purpose: str, text: str) -> str:
        """Give a short mark that only this hub can make for the text."""
        return hashlib.sha256(hmac.digest(await self._key(purpose), text.encode(), "sha256")).hexdigest()[:40]


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")
