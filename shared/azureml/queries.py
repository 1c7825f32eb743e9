"""Queries of a team's own metrics: KQL, answered by the Log Analytics workspace that collects what endpoints tell."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, Protocol

from shared.azureml.client import AzureMLClient
from shared.azureml.redacting import redacted
from shared.engine.outcomes import PermanentError, TransientError

_TIMEOUT: Final = 60
_MOST_ROWS: Final = 1000
_AUDIENCE: Final = "https://api.loganalytics.io"
"""What tokens for the API are for."""
_TRANSIENT: Final = frozenset({408, 429, 500, 502, 503, 504})


class Queries(Protocol):
    """A place that answers queries."""

    async def rows(self, query: str, start: datetime, end: datetime) -> list[dict[str, Any]]:
        """Give the rows of a query over a time, by column. Raises TransientError and PermanentError."""


class NoQueries:
    """No place: what a query would give is not known."""

    async def rows(self, query: str, start: datetime, end: datetime) -> list[dict[str, Any]]:
        """Say which setting is missing."""
        raise PermanentError(
            "HUB_LOGS_WORKSPACE is not set: it is the id of the Log Analytics workspace that answers queries"
        )


class LogQueries:
    """Log Analytics, by its query API (https://learn.microsoft.com/azure/azure-monitor/logs/api/request-format).

    `workspace` is the workspace's id (a GUID), `address` that of the API.
    """

    def __init__(self, client: AzureMLClient, workspace: str, address: str) -> None:
        self._azureml = client
        self._workspace = workspace
        self._address = address.rstrip("/")

    async def rows(self, query: str, start: datetime, end: datetime) -> list[dict[str, Any]]:
        """Ask, and give the first table's rows."""
        token = await self._azureml.token(_AUDIENCE)
        address = f"{self._address}/v1/workspaces/{self._workspace}/query"
        body = {"query": query, "timespan": f"{_stamp(start)}/{_stamp(end)}"}

        def ask() -> Any:
            import requests

            try:
                answer = requests.post(
                    address, json=body, headers={"Authorization": f"Bearer {token}"}, timeout=_TIMEOUT
                )
                told = answer.json() if answer.content else {}
            except (requests.RequestException, ValueError) as error:
                raise TransientError(f"Log Analytics did not answer: {type(error).__name__}") from None
            if answer.status_code == 200:
                return told
            text = redacted(f"Log Analytics answered {answer.status_code}: {_said(told)}", most=500)
            raise (TransientError if answer.status_code in _TRANSIENT else PermanentError)(text)

        return _rows(await asyncio.to_thread(ask))


def _rows(answer: Any) -> list[dict[str, Any]]:
    try:
        table = answer["tables"][0]
        names = [str(column["name"]) for column in table["columns"]]
        return [dict(zip(names, row, strict=True)) for row in table["rows"][:_MOST_ROWS]]
    except (LookupError, TypeError, ValueError):
        raise PermanentError("Log Analytics gave an answer without a table") from None


def _said(told: Any) -> str:
    """Give the innermost message, which names what is wrong with a query."""
    error = told.get("error") if isinstance(told, Mapping) else None
    message = ""
    while isinstance(error, Mapping):
        message = str(error.get("message") or message)
        error = error.get("innererror")
    return message


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
