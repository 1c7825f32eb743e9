"""How soon the Functions host answers after its start, and what memory it takes before its first Azure ML call."""

import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from statistics import median
from typing import Final

from bench.figures import Figure, at_most
from bench.processes import megabytes
from bench.proxy import running
from local.config import REPOSITORY, Cloud
from local.parts import parts
from local.process import spawn, stop

STARTS: Final = 5
SECONDS: Final = 1.0
MEGABYTES: Final = 100.0
_PATIENCE: Final = 60.0


def figures() -> Iterator[Figure]:
    """Start the host some times on a storage that runs; the median counts."""
    with running() as cloud:
        started = [_once(cloud) for _ in range(STARTS + 1)][1:]  # the first one may still have to compile
    yield at_most("host answers after its start", median(seconds for seconds, _ in started), "s", SECONDS)
    yield at_most("host before its first Azure ML call", median(memory for _, memory in started), "MB", MEGABYTES)


def _once(cloud: Cloud) -> tuple[float, float]:
    part = next(one for one in parts(cloud) if one.name == "host")
    began = time.perf_counter()
    process = spawn(part.command, log=cloud.logs / "host.log", environ=part.environ, folder=REPOSITORY)
    try:
        while not _answers(part.ready[0]):
            if process.poll() is not None or time.perf_counter() - began > _PATIENCE:
                raise RuntimeError(f"the host does not answer: {(cloud.logs / 'host.log').read_text()[-2000:]}")
            time.sleep(0.01)
        seconds = time.perf_counter() - began
        time.sleep(2)  # listeners and timers have begun
        return seconds, megabytes(process.pid)
    finally:
        stop(process)


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
