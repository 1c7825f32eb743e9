"""What `POST /api/events` takes through the whole of a laptop cloud: host, worker, access, intake, Azurite.

Two connections send at a time; the client and Azurite run on the same processors as the host.
"""

import contextlib
import http.client
import os
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Final

from bench.figures import Figure, at_least, at_most
from bench.hubs import blob, body, temporary
from bench.intake import MICROSECONDS, RATE
from local.config import Cloud
from local.process import children
from local.testing import LaptopCloud

_AT_ONCE: Final = 2
_numbers = count(1)


def figures() -> Iterator[Figure]:
    """Post batches of 100 and of 1,000 events that are all new."""
    with contextlib.contextmanager(temporary)(20) as root, tempfile.TemporaryDirectory(prefix="bench-post-") as folder:
        laptop = LaptopCloud(Path(folder), root, {})
        try:
            laptop.start()
            host = int(laptop.parts()["host"]["pid"])
            _post(laptop.cloud, [_batch(laptop.cloud, 100)] * _AT_ONCE)
            for size, rounds in ((100, 60), (1000, 20)):
                shares = [[_batch(laptop.cloud, size) for _ in range(rounds // _AT_ONCE)] for _ in range(_AT_ONCE)]
                began, processor = time.perf_counter(), _processor(host)
                with ThreadPoolExecutor(_AT_ONCE) as threads:
                    list(threads.map(lambda bodies: _post(laptop.cloud, bodies), shares))
                seconds, spent = time.perf_counter() - began, _processor(host) - processor
                what = f"POST /api/events in batches of {size:,}"
                yield at_least(what, size * rounds / seconds, "events/s", RATE, "aim")
                yield at_most(f"{what}: host", spent / size / rounds * 1e6, "us/event", MICROSECONDS)
        finally:
            laptop.close()


def _batch(cloud: Cloud, size: int) -> bytes:
    now = datetime.now(UTC)
    numbers = [next(_numbers) for _ in range(size)]
    events = [blob(f"flights/2013-01/EWR/{number}.csv", number, now) for number in numbers]
    return body([{**event, "topic": cloud.storage_topic} for event in events])


def _post(cloud: Cloud, bodies: list[bytes]) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", cloud.hub_port, timeout=60)
    headers = {"Content-Type": "application/json", "x-functions-key": cloud.keys["hub"]}
    with contextlib.closing(connection):
        for text in bodies:
            connection.request("POST", "/api/events", text, headers)
            answer = connection.getresponse()
            said = answer.read()
            if answer.status >= 300:
                raise RuntimeError(f"POST /api/events answered {answer.status}: {said[:500].decode()}")


def _processor(process: int) -> float:
    """Give the seconds of processor time that a process and its descendants have taken so far."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    own = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return own + sum(_processor(child) for child in children(process))
