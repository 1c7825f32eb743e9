"""Whether looking stays quick with 100,000 activities in the ledger: lists, status and why.

The ledger is the twin in memory: it counts every storage transaction, and finds ranges of keys as Azure's tables do;
Azurite looks at every row of a table for every list, which Azure does not. What is measured is the shipped API, from
the request to the answer.
"""

import asyncio
import contextlib
import json
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from statistics import median
from typing import Final

import azure.functions as func

from bench.figures import Figure
from bench.hubs import START, blob, hub, temporary
from shared.api.handlers import respond
from shared.api.table import ROUTES
from shared.bootstrap import Hub
from shared.ledger.memory import MemoryStore
from shared.ledger.records import Activity, ActivityStatus, Cause, activity_id

ACTIVITIES: Final = 100_000
TIMES: Final = 2.0
_DAYS: Final = 30
_ROUNDS: Final = 15
_KEY: Final = {"x-functions-key": "bench"}
_SUBJECT: Final = "landing/flights/2013-01/EWR/never.csv"
_ASKED: Final[tuple[tuple[str, str, dict[str, str]], ...]] = (
    ("activities", "activities", {}),
    ("activities of one automation", "activities", {"automation": "collecting"}),
    ("holds", "holds", {}),
    ("collections", "collections", {}),
    ("events", "events", {}),
    ("status", "status", {}),
    ("why of a file that never came", "why", {"subject": _SUBJECT}),
)


def figures() -> Iterator[Figure]:
    """Ask a hub with one page of activities and a full one the same, in turns."""
    with contextlib.contextmanager(temporary)(20) as root:
        yield from asyncio.run(_measure(root))


async def _measure(root: Path) -> list[Figure]:
    stores = [MemoryStore(lambda: START), MemoryStore(lambda: START)]
    empty, full = (hub(store, root, lambda: START) for store in stores)
    for this, count in ((empty, 50), (full, ACTIVITIES)):
        await this.intake.accept(json.dumps(blob("flights/2013-01/EWR/1.txt", 1)), START, "bench")
        await _fill(this, stores[0 if this is empty else 1], count)
    found: list[Figure] = []
    for name, route, query in _ASKED:
        times: tuple[list[float], list[float]] = ([], [])
        for number in range(_ROUNDS + 1):
            for side, this in enumerate((empty, full)):
                began = time.thread_time()
                await _ask(this, route, query)
                if number:
                    times[side].append(time.thread_time() - began)
        small, large = (median(one) * 1000 for one in times)
        found.append(
            Figure(f"{name}, with {ACTIVITIES:,} activities", large, "ms", "one page of them", small, most=TIMES)
        )
    return found


async def _fill(this: Hub, store: MemoryStore, count: int) -> None:
    """Enter activities of the last days; the newest is not over yet."""
    work = store.queue(this.settings.work_queue)
    for number in range(count):
        created = START - timedelta(seconds=number * _DAYS * 86_400 / ACTIVITIES)
        identifier, over = activity_id(created, str(number)), number > 0
        cause = Cause(kind="events", count=1)
        status: ActivityStatus = "succeeded" if over else "held"
        activity = Activity(
            id=identifier,
            automation="collecting",
            content="c",
            action="train",
            cause=cause,
            created=created,
            updated=created,
            status=status,
        )
        await this.activities.open(activity)
        if over:
            await this.activities.close(identifier)
        work.messages.clear()


async def _ask(this: Hub, name: str, query: dict[str, str]) -> None:
    route = ROUTES[name]
    request = func.HttpRequest(
        method=route.method, url="http://127.0.0.1/api", headers=_KEY, params=query, route_params={}, body=b""
    )
    answer = await respond(request, route, this)
    if answer.status_code != 200:
        raise RuntimeError(f"{name}: {answer.status_code} {answer.get_body()[:500]!r}")
