"""Real requests to the online endpoint while the story goes on: who answered, how fast, with what status."""

import asyncio
import json
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final, Self

import aiohttp

from local.config import Cloud
from local.demo.clients import azure_ml

_WORKERS: Final = 6


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer: when (seconds since the load began), by which deployment, status, milliseconds."""

    at: float
    deployment: str
    status: int
    took: float


@dataclass
class Load:
    """Sends requests at a rate until it is stopped; use it as a context manager."""

    cloud: Cloud
    endpoint: str
    rows: list[dict[str, str]]
    rate: float = 25.0
    rows_a_request: int = 10
    answers: list[Answer] = field(default_factory=list)
    began: float = 0.0
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        client = azure_ml(self.cloud)
        view = client.online_endpoints.get(self.endpoint)
        key = client.online_endpoints.get_keys(self.endpoint).primary_key
        self.began = time.monotonic()
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._send(str(view.scoring_uri), str(key))), daemon=True
        )
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        if self._thread:
            self._thread.join(30)

    async def _send(self, uri: str, key: str) -> None:
        timeout = aiohttp.ClientTimeout(total=20)
        headers = {"Authorization": f"Bearer {key}"}
        async with aiohttp.ClientSession(timeout=timeout, headers=headers) as session:
            await asyncio.gather(*(self._worker(session, uri, number) for number in range(_WORKERS)))

    async def _worker(self, session: aiohttp.ClientSession, uri: str, number: int) -> None:
        gap = _WORKERS / self.rate
        index = number
        following = time.monotonic() + gap * number / _WORKERS
        while not self._stop.is_set():
            await asyncio.sleep(max(0.0, following - time.monotonic()))
            following = max(following + gap, time.monotonic())
            rows = self.rows
            first = index * self.rows_a_request % (len(rows) - self.rows_a_request)
            body = {"input_data": rows[first : first + self.rows_a_request]}
            index += _WORKERS
            self.answers.append(await self._one(session, uri, body))

    async def _one(self, session: aiohttp.ClientSession, uri: str, body: Any) -> Answer:
        sent = time.monotonic()
        try:
            async with session.post(uri, data=json.dumps(body), headers={"Content-Type": "application/json"}) as answer:
                await answer.read()
                status, name = answer.status, answer.headers.get("azureml-model-deployment", "")
        except (aiohttp.ClientError, TimeoutError):
            status, name = 0, ""
        return Answer(sent - self.began, name, status, (time.monotonic() - sent) * 1000)

    def between(self, start: float, end: float) -> list[Answer]:
        """Give the answers of a stretch, in seconds since the load began."""
        return [answer for answer in self.answers if start <= answer.at < end]


def shares(answers: list[Answer]) -> dict[str, float]:
    """Give the share of answers by deployment, in per cent."""
    counts = Counter(answer.deployment for answer in answers)
    return {name: 100 * count / len(answers) for name, count in sorted(counts.items())} if answers else {}
