"""The control endpoint: what the laptop's Event Grid is doing, deliveries anew, and faults on demand.

| route | body | answer |
|---|---|---|
| `GET /healthz` | | 200 once events are taken |
| `GET /control/state` | `?last=20` | subscriptions with what waits and what was delivered; last events; faults |
| `GET /control/events` | `?topic=&type=&subject=&last=100` | kept events, oldest first; `subject`: its beginning |
| `POST /control/redeliver` | `{subscription, topic, type, subject, last}`, all optional | 202, `{"deliveries": n}` |
| `POST /control/faults` | a fault, see below | 201, the fault with its id |
| `GET /control/faults` | | those that are set |
| `DELETE /control/faults` | `?id=` for one of them | `{"cleared": n}` |

A fault is `{"kind": ..., "times": n, "share": 0..1, "seed": n}` (without `times` until it is cleared) and, by kind:
`duplicate` (`copies`), `delay` and `reorder` (`seconds`), `drop`: for events, chosen by `subscription` and `type`;
`status` (`status`), `lost-response` (the effect happens, the answer is lost), `latency` (`seconds`): for requests to
the blob endpoint, chosen by `account`, `method` and `api` (PutBlob, PutBlockList, CopyBlob, DeleteBlob, SetBlobTier).
"""

import time
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from local.eventgrid.faults import FaultError
from local.eventgrid.grid import Grid, UnknownError
from local.eventgrid.journal import Stored
from local.eventgrid.operations import ticks
from local.eventgrid.schemas import decode
from local.eventgrid.topics import problem


class Control:
    """Answers the routes above for one grid."""

    def __init__(self, grid: Grid) -> None:
        self._grid = grid

    def add_routes(self, application: web.Application) -> None:
        """Add the routes."""
        router = application.router
        router.add_get("/healthz", self._health)
        router.add_get("/control/state", self._state)
        router.add_get("/control/events", self._events)
        router.add_post("/control/redeliver", self._redeliver)
        router.add_get("/control/faults", self._faults)
        router.add_post("/control/faults", self._set)
        router.add_delete("/control/faults", self._clear)

    async def _health(self, request: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    async def _state(self, request: web.Request) -> web.Response:
        grid, now = self._grid, time.time()
        subscriptions = []
        for name, subscriber in grid.subscribers.items():
            oldest = subscriber.oldest
            subscriptions.append(
                {
                    "name": name,
                    "topic": subscriber.subscription.topic,
                    "waiting": subscriber.waiting,
                    "oldestSeconds": None if oldest is None else round(now - oldest, 3),
                    "deadLetterWaiting": subscriber.dead,
                    "probationSeconds": max(0.0, round(subscriber.probation.until - now, 3)),
                    "delivered": 0,
                    "deadLettered": 0,
                    "dropped": 0,
                    "failedAttempts": 0,
                    **grid.journal.counts(name),
                }
            )
        last = [_shown(event) for event in grid.journal.find(last=_number(request.query, "last", 20))]
        return web.json_response({"subscriptions": subscriptions, "events": last, "faults": grid.faults.shown()})

    async def _events(self, request: web.Request) -> web.Response:
        query = request.query
        found = self._grid.journal.find(
            query.get("topic", ""), query.get("type", ""), query.get("subject", ""), _number(query, "last", 100)
        )
        return web.json_response([{**_shown(event), "event": decode(event.body)} for event in found])

    async def _redeliver(self, request: web.Request) -> web.Response:
        try:
            given = await _object(request)
            unknown = set(given) - {"subscription", "topic", "type", "subject", "last"}
            if unknown:
                return problem(
                    400, f"unknown keys {sorted(unknown)}: expected are subscription, topic, type, subject, last"
                )
            last = given.get("last")
            if last is not None and (not isinstance(last, int) or last < 1):
                return problem(400, f"last is {last!r}: a number of events is expected")
            texts = {name: str(given.get(name) or "") for name in ("subscription", "topic", "type", "subject")}
            count = self._grid.redeliver(
                subscription=texts["subscription"],
                topic=texts["topic"],
                kind=texts["type"],
                subject=texts["subject"],
                last=last,
            )
        except ValueError as error:
            return problem(400, str(error))
        except UnknownError as error:
            return problem(404, str(error))
        return web.json_response({"deliveries": count}, status=202)

    async def _faults(self, request: web.Request) -> web.Response:
        return web.json_response(self._grid.faults.shown())

    async def _set(self, request: web.Request) -> web.Response:
        try:
            fault = self._grid.faults.set(await _object(request))
        except (FaultError, ValueError) as error:
            return problem(400, str(error))
        return web.json_response({"id": fault.id, "kind": fault.kind}, status=201)

    async def _clear(self, request: web.Request) -> web.Response:
        return web.json_response({"cleared": self._grid.faults.clear(request.query.get("id", ""))})


async def _object(request: web.Request) -> dict[str, Any]:
    text = await request.read()
    try:
        given = decode(text) if text.strip() else {}
    except ValueError as error:
        raise ValueError(f"the body is no JSON: {error}") from None
    if not isinstance(given, dict):
        raise ValueError("the body must be a JSON object")
    return given


def _number(query: Mapping[str, str], name: str, otherwise: int) -> int:
    text = query.get(name, "")
    return min(int(text), 10_000) if text.isdigit() else otherwise


def _shown(event: Stored) -> dict[str, Any]:
    return {
        "id": event.id,
        "topic": event.topic,
        "type": event.type,
        "subject": event.subject,
        "published": ticks(int(event.published * 1e9)),
    }
