"""Faults on demand, at one address for the whole cloud: the supervisor's `/faults` hands each to the part it strikes.

| request | does |
|---|---|
| `GET /faults` | gives the faults that are set: `{"eventgrid": [...], "azureml": [...]}`, null where a part is away |
| `POST /faults` | sets one: with `kind` in Event Grid and the blob endpoint, with `fault` in Azure ML |
| `DELETE /faults` | ends all of them |

The faults themselves are described by `local/eventgrid/control.py` and `local/azureml/faults.py`.
"""

from collections.abc import Mapping
from typing import Any, Final

import aiohttp
from aiohttp import web

from local.config import Cloud

_TIMEOUT: Final = aiohttp.ClientTimeout(total=10)
_KEYS: Final = {"kind": "eventgrid", "fault": "azureml", "faults": "azureml"}


class Faults:
    """Passes faults on to the parts of a cloud."""

    def __init__(self, cloud: Cloud) -> None:
        at = "http://127.0.0.1:{}/control/faults".format
        self._places: Mapping[str, str] = {"eventgrid": at(cloud.eventgrid_port), "azureml": at(cloud.azureml_port)}

    def add_routes(self, application: web.Application) -> None:
        """Add the routes."""
        application.router.add_get("/faults", self._list)
        application.router.add_post("/faults", self._set)
        application.router.add_delete("/faults", self._clear)

    async def _list(self, _: web.Request) -> web.Response:
        found = {part: await _asked("GET", place) for part, place in self._places.items()}
        return web.json_response(
            {part: None if answer is None else _listed(answer[1]) for part, answer in found.items()}
        )

    async def _set(self, request: web.Request) -> web.Response:
        try:
            given = await request.json()
        except ValueError:
            given = None
        part = next((part for key, part in _KEYS.items() if isinstance(given, dict) and key in given), "")
        if not part:
            return _problem(
                400,
                "an object with `kind` (Event Grid and storage) or `fault` (Azure ML) is expected; see the docs",
            )
        answer = await _asked("POST", self._places[part], given)
        if answer is None:
            return _problem(503, f"{part} does not answer")
        return web.json_response(answer[1], status=answer[0])

    async def _clear(self, _: web.Request) -> web.Response:
        gone = [part for part, place in self._places.items() if await _asked("DELETE", place) is None]
        return _problem(503, f"{' and '.join(gone)} does not answer") if gone else web.Response(status=204)


def _listed(answer: Any) -> Any:
    return answer["faults"] if isinstance(answer, dict) else answer


def _problem(status: int, text: str) -> web.Response:
    return web.json_response({"error": text}, status=status)


async def _asked(method: str, place: str, body: Any = None) -> tuple[int, Any] | None:
    """Ask a part; None where it does not answer."""
    try:
        async with (
            aiohttp.ClientSession(timeout=_TIMEOUT) as session,
            session.request(method, place, json=body) as answer,
        ):
            return answer.status, await answer.json(content_type=None)
    except (aiohttp.ClientError, TimeoutError, ValueError):
        return None
