"""Single requests to Azure Resource Manager: what the SDK has no call for, or does not do in one short request."""

import asyncio
import os
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final, Protocol

from shared.azureml.redacting import redacted
from shared.engine.outcomes import PermanentError, TransientError

VERSION: Final = "2024-10-01"
_TIMEOUT: Final = 60
_TRANSIENT: Final = frozenset({408, 409, 423, 429, 500, 502, 503, 504})


class Identity(Protocol):
    """Who asks, and of which workspace."""

    @property
    def workspace_id(self) -> str:
        """The ARM id of the workspace."""

    async def token(self, resource: str) -> str:
        """Give a token for a resource."""


class Arm:
    """Azure Resource Manager, as one workspace's client asks it."""

    def __init__(self, identity: Identity) -> None:
        self._azureml = identity
        self._manager = ""

    async def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        version: str = VERSION,
        parameters: Mapping[str, str] | None = None,
    ) -> Any:
        """Send one ARM request, below the workspace or, where the path begins with /, anywhere.

        Gives its JSON, None for 404. Raises by status.
        """
        manager = await self.manager()
        below = path if path.startswith("/") else f"{self._azureml.workspace_id}/{path}".rstrip("/")
        token = await self._azureml.token(manager)

        def send() -> Any:
            import requests

            try:
                answer = requests.request(
                    method,
                    f"{manager}{below}",
                    params={"api-version": version, **(parameters or {})},
                    json=body,
                    headers={"Authorization": f"Bearer {token}"},
                    timeout=_TIMEOUT,
                )
            except requests.RequestException as error:
                raise TransientError(f"{method} {path}: no answer: {type(error).__name__}") from None
            if answer.status_code == 404 and method != "PUT":
                return None
            if answer.status_code < 300:
                return answer.json() if answer.content else {}
            text = redacted(f"{method} {path} answered {answer.status_code}: {_said(answer)}")
            if answer.status_code in _TRANSIENT:
                wait = answer.headers.get("Retry-After", "")
                raise TransientError(text, timedelta(seconds=int(wait)) if wait.isdigit() else None)
            raise PermanentError(text)

        return await asyncio.to_thread(send)

    async def manager(self) -> str:
        """Give the address of Azure Resource Manager: of the cloud that ARM_CLOUD_METADATA_URL names, else Azure's."""
        if not self._manager:
            self._manager = await asyncio.to_thread(_manager)
        return self._manager


def _manager() -> str:
    import requests

    metadata = os.environ.get("ARM_CLOUD_METADATA_URL")
    if not metadata:
        return "https://management.azure.com"
    try:
        clouds = requests.get(metadata, timeout=_TIMEOUT).json()
        return str(clouds[0]["resourceManager"]).rstrip("/")
    except (requests.RequestException, ValueError, LookupError, TypeError) as error:
        raise TransientError(f"the cloud's metadata cannot be read: {type(error).__name__}") from None


def _said(answer: Any) -> str:
    try:
        error = answer.json()["error"]
        return f"{error.get('code', '')}: {error.get('message', '')}"[:1000]
    except (ValueError, LookupError, TypeError, AttributeError):
        return str(answer.text)[:300]
