"""Whether looking stays quick with 100,000 activities in the ledger: lists, status and why.

Once with the twin in memory, by processor time; once on Azurite, by the clock, where each figure holds the requests to
the storage too. What is measured is the shipped API, from the request to the answer.
"""

import asyncio
import contextlib
import json
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from statistics import median
from typing import Final

import azure.functions as func

from bench.figures import Figure
from bench.hubs import START, blob, hub, temporary
from bench.proxy import running
from local.config import HUB_ACCOUNT, WORKSPACE_ACCOUNT, Cloud
from shared.api.handlers import respond
from shared.api.table import ROUTES
from shared.bootstrap import Hub
from shared.ledger.activities import address, cells
from shared.ledger.azure import AzureStore
from shared.ledger.memory import MemoryStore
from shared.ledger.protocol import MAX_OPERATIONS, Insert, Operation, Row, Store
from shared.ledger.records import Activity, Cause, activity_id
from shared.settings import Connection

ACTIVITIES: Final = 100_000
TIMES: Final = 2.0
_DAYS: Final = 30
_ROUNDS: Final = 11
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
    """Ask a hub with one page of activities and a full one the same, in turns: in memory, then on Azurite."""
    with contextlib.contextmanager(temporary)(20) as root:
        memory = (MemoryStore(lambda: START), MemoryStore(lambda: START))
        yield from asyncio.run(_measure(root, memory, "", time.thread_time))
        with running() as cloud:
            yield from asyncio.run(_on_azurite(cloud, root))


async def _on_azurite(cloud: Cloud, root: Path) -> list[Figure]:
    empty, full = (
        AzureStore(Connection("HUB_STORAGE", cloud.connection_string(account)))
        for account in (WORKSPACE_ACCOUNT, HUB_ACCOUNT)
    )
    try:
        return await _measure(root, (empty, full), " on Azurite", time.perf_counter)
    finally:
        await asyncio.gather(empty.close(), full.close())


async def _measure(root: Path, stores: tuple[Store, Store], where: str, clock: Callable[[], float]) -> list[Figure]:
    empty, full = (hub(store, root, lambda: START) for store in stores)
    for this, count in ((empty, 50), (full, ACTIVITIES)):
        await this.intake.accept(json.dumps(blob("flights/2013-01/EWR/1.txt", 1)), START, "bench")
        await _fill(this, count)
    found: list[Figure] = []
    for name, route, query in _ASKED:
        times: tuple[list[float], list[float]] = ([], [])
        for number in range(_ROUNDS + 1):
            for side, this in enumerate((empty, full)):
                began = clock()
                await _ask(this, route, query)
                if number:
                    times[side].append(clock() - began)
        small, large = (median(one) * 1000 for one in times)
        told = f"{name}, with {ACTIVITIES:,} activities{where}"
        found.append(Figure(told, large, "ms", "one page of them", small, most=TIMES))
    return found


async def _fill(this: Hub, count: int) -> None:
    """Enter activities of the last days, a hundred rows a transaction; the newest is not over yet."""
    days: dict[str, list[Operation]] = {}
    for number in range(count):
        created = START - timedelta(seconds=number * _DAYS * 86_400 / ACTIVITIES)
        identifier = activity_id(created, str(number))
        activity = Activity(
            id=identifier,
            automation="collecting",
            content="c",
            action="train",
            cause=Cause(kind="events", count=1),
            created=created,
            updated=created,
            status="succeeded" if number else "held",
        )
        if number == 0:
            await this.activities.open(activity)
            continue
        day, key = address(identifier)
        days.setdefault(day, []).append(Insert(Row(day, key, await cells(activity, this.store.blobs))))
    table = this.store.table("activities")
    for rows in days.values():
        for start in range(0, len(rows), MAX_OPERATIONS):
            await table.apply(rows[start : start + MAX_OPERATIONS])


async def _ask(this: Hub, name: str, query: dict[str, str]) -> None:
    route = ROUTES[name]
    request = func.HttpRequest(
        method=route.method, url="http://127.0.0.1/api", headers=_KEY, params=query, route_params={}, body=b""
    )
    answer = await respond(request, route, this)
    if answer.status_code != 200:
        raise RuntimeError(f"{name}: {answer.status_code} {answer.get_body()[:500]!r}")
