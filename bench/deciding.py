"""How long deciding one event takes with 200 automations, and how soon the app is ready for its first event.

Both are work of the processor only: processor time stands for what they take on a machine of their own.
"""

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Final

from bench.figures import Figure, at_most
from bench.hubs import START, blob, hub, temporary
from local.config import AZURITE_KEY, REPOSITORY
from shared.events.model import Event
from shared.events.parsing import parse_one
from shared.ledger.memory import MemoryStore

AUTOMATIONS: Final = 200
EVENTS: Final = 5000
MILLISECOND: Final = 1000.0
READY: Final = 400.0
MEGABYTES: Final = 90.0
_STARTS: Final = 5
_STORAGE: Final = (
    f"AccountName=x;AccountKey={AZURITE_KEY};BlobEndpoint=http://127.0.0.1:1/x;QueueEndpoint=http://127.0.0.1:1/x;"
    "TableEndpoint=http://127.0.0.1:1/x"
)
_ENVIRONMENT: Final = {
    "HUB_STORAGE": _STORAGE,
    "AZURE_SUBSCRIPTION_ID": "s",
    "AZUREML_RESOURCE_GROUP": "rg",
    "AZUREML_WORKSPACE_NAME": "ws",
}
_READY: Final = """
import asyncio, json, sys, time
import function_app
function_app.app.get_functions()
from shared.bootstrap import hub
async def ready():
    made = await hub()
    await made.store.close()
asyncio.run(ready())
print(json.dumps([
    time.process_time() * 1000,
    int(open("/proc/self/status").read().partition("VmHWM:")[2].split()[0]) / 1024,
    "azure.ai.ml" in sys.modules,
]))
"""
_EMPTY: Final = f"import json, sys, time{_READY[_READY.index('print') - 1 :]}"


def figures() -> Iterator[Figure]:
    """Decide, by rules over one container and over twenty; then index the app in processes of its own."""
    few = _decide(1, 1)
    for containers in (1, 20):
        times = _decide(AUTOMATIONS, containers)
        where = "one container" if containers == 1 else f"{containers} containers"
        p99 = sorted(times)[int(len(times) * 0.99)]
        name = f"deciding with {AUTOMATIONS} automations of {where}"
        yield at_most(f"{name}: p99", p99, "us", MILLISECOND)
        yield Figure(f"{name}: p50", median(times), "us", "one automation", median(few), most=2.0)
    bare, ready = (_started(script) for script in (_EMPTY, _READY))
    took = median(one[0] for one in ready) - median(one[0] for one in bare)
    yield at_most("app ready for its first event, over bare Python: processor", took, "ms", READY)
    memory = median(one[1] for one in ready) - median(one[1] for one in bare)
    yield at_most("app ready for its first event, over bare Python: memory", memory, "MB", MEGABYTES)
    yield at_most("azure.ai.ml among its modules (1 is yes)", float(any(one[2] for one in ready)), "", 0.5, "none")


def _decide(automations: int, containers: int) -> list[float]:
    """Give the microseconds of each decision; a tenth of the events match, the others do not."""
    with contextlib.contextmanager(temporary)(automations, containers) as root:
        matcher = hub(MemoryStore(lambda: START), root, lambda: START).rulebook.matcher
        events: list[Event] = []
        for number in range(EVENTS):
            team = number % automations
            path = f"team-{team}/a/{number}.csv" if number % 10 == 0 else f"nobody/{number}.csv"
            container = "landing" if containers == 1 else f"drop-{team % containers}"
            event = parse_one(blob(path, number, container=container), START)
            if isinstance(event, Event):
                events.append(event)
        times: list[float] = []
        for event in events:
            began = time.thread_time_ns()
            matcher.decide(event)
            times.append((time.thread_time_ns() - began) / 1000)
    return times


def _started(script: str) -> Sequence[tuple[float, float, bool]]:
    found: list[tuple[float, float, bool]] = []
    for _ in range(_STARTS + 1):
        done = subprocess.run(
            [sys.executable, "-c", script],
            cwd=Path(REPOSITORY),
            env={**os.environ, **_ENVIRONMENT},
            capture_output=True,
            check=True,
            timeout=60,
        )
        milliseconds, megabytes, there = json.loads(done.stdout)
        found.append((float(milliseconds), float(megabytes), bool(there)))
    return found[1:]  # the first one may still have to compile
