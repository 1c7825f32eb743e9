"""A program: sixteen hubs on one store, each a process of its own. They share one collection and one concurrency group.

`python processes.py <connection string> <folder>`: loads what the hub needs once and forks. Each process takes in its
share of the events, and its neighbour's too (every event is delivered twice), and does what the work queue says until
all is done. The steps of activities are recorded in a table in place of Azure ML; all else is the shipped code.
"""

import asyncio
import json
import os
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

from azure.storage.queue import TextBase64DecodePolicy
from azure.storage.queue.aio import QueueClient

from shared.automations.loading import Catalogue, load
from shared.bootstrap import Hub, wire
from shared.engine.outcomes import Again, Answer, Done
from shared.engine.run import StepRunner, Work
from shared.ledger.azure import AzureStore
from shared.ledger.journal import UndecidedError
from shared.ledger.protocol import AlreadyExistsError, Insert, Row, StoreError
from shared.settings import Connection, Settings

PROCESSES = 16
FILES = 160
SINGLES = 6
AT_ONCE = 2
SECONDS = 150.0
"""What storage refuses in the middle of a delivery is taken up a minute later; then all is done in seconds."""
_RUN = timedelta(seconds=1)
_EVENTS, _WORK = "sixteen-events", "sixteen-work"


def blob_event(path: str) -> dict[str, Any]:
    """Give the event of a file."""
    return {
        "topic": "/subscriptions/s/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/landing",
        "subject": f"/blobServices/default/containers/landing/blobs/{path}",
        "eventType": "Microsoft.Storage.BlobCreated",
        "id": path,
        "eventTime": datetime.now(UTC).isoformat(),
        "data": {"api": "PutBlob", "eTag": "0x1", "contentLength": 10, "blobType": "BlockBlob"},
        "dataVersion": "",
        "metadataVersion": "1",
    }


def paths(process: int) -> list[str]:
    """Give the files that a process is told of first."""
    return [
        *(f"burst/{number:03}.csv" for number in range(FILES) if number % PROCESSES == process),
        *(f"single/{number}.csv" for number in range(SINGLES) if number % PROCESSES == process),
    ]


class Recorder:
    """The steps of activities: each start and end is a row that can be written once."""

    def __init__(self, store: AzureStore) -> None:
        self._table = store.table("steps")

    async def step(self, work: Work) -> Answer:
        name = f"{work.activity.automation}:{work.activity.id}:{work.step.name}:{work.step.attempt}"
        begun = work.step.detail.get("begun")
        if work.step.kind != "job":
            return Done({})
        if begun is None:
            await self._write("begin", name)
            return Again(_RUN, {"begun": True})
        await self._write("end", name)
        return Done({"begun": True})

    async def _write(self, what: str, name: str) -> None:
        try:
            await self._table.apply([Insert(Row(what, name, {"at": time.time(), "process": os.getpid()}))])
        except AlreadyExistsError:
            return


def hub_of(connection: str, folder: Path, catalogue: Catalogue | None = None) -> tuple[Hub, AzureStore]:
    """Wire a hub of this process."""
    settings = Settings.read(
        {
            "HUB_STORAGE": connection,
            "AZURE_SUBSCRIPTION_ID": "s",
            "AZUREML_RESOURCE_GROUP": "rg",
            "AZUREML_WORKSPACE_NAME": "ws",
            "HUB_EVENTS_QUEUE": _EVENTS,
            "HUB_WORK_QUEUE": _WORK,
        },
        folder,
    )
    store = AzureStore(Connection("HUB_STORAGE", connection))
    recorder = Recorder(store)

    def steps(runners: Mapping[str, StepRunner]) -> Mapping[str, StepRunner]:
        return {kind: runner if kind == "admit" else recorder.step for kind, runner in runners.items()}

    outside = cast("Any", None)  # no step that is left reaches outside
    hub = wire(settings, store, outside, outside, endpoints=outside, batch=outside, steps=steps, catalogue=catalogue)
    return hub, store


async def send(hub: Hub, process: int) -> None:
    """Take in this process's events and its neighbour's, in small deliveries, as a queue would bring them."""
    events = [blob_event(path) for number in (process, (process + 1) % PROCESSES) for path in paths(number)]
    for start in range(0, len(events), 6):
        body = json.dumps(events[start : start + 6])
        while True:
            try:
                await hub.intake.accept(body, datetime.now(UTC), "queue")
            except (UndecidedError, StoreError):
                await asyncio.sleep(0.2)
            else:
                break


async def work(hub: Hub, connection: str, until: float) -> bool:
    """Do what the queue says until every activity has ended; tell whether all did."""
    queue = QueueClient.from_connection_string(connection, _WORK, message_decode_policy=TextBase64DecodePolicy())
    async with queue:
        while time.time() < until:
            message = await queue.receive_message(visibility_timeout=10, timeout=20)
            if message is None:
                now = datetime.now(UTC)
                found = [one async for one in hub.activities.newest(now, until=now - timedelta(days=1))]
                if len(found) >= SINGLES + 1 and all(one.finished for one in found):
                    return True
                await asyncio.sleep(1)
                continue
            try:
                await hub.work(message.content)
            except StoreError:
                continue  # it comes again, as by the host
            await queue.delete_message(message, timeout=20)
    return False


async def one(connection: str, folder: Path, catalogue: Catalogue, process: int, until: float) -> int:
    """Be one process."""
    hub, store = hub_of(connection, folder, catalogue)
    try:
        await send(hub, process)
        return 0 if await work(hub, connection, until) else 3
    finally:
        await store.close()


def main() -> int:
    """Fork, and give 0 where all ended well."""
    connection, folder = sys.argv[1], Path(sys.argv[2])
    asyncio.run(prepare(connection))
    catalogue = load(folder / "automations", folder)
    until = time.time() + SECONDS
    children = []
    for process in range(PROCESSES):
        child = os.fork()
        if child == 0:
            code = 4
            try:
                code = asyncio.run(one(connection, folder, catalogue, process, until))
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(code)
        children.append(child)
    codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    print("exit codes", codes)
    return max(codes)


async def prepare(connection: str) -> None:
    """Have the queues there before anybody asks for messages."""
    for name in (_EVENTS, _WORK):
        async with QueueClient.from_connection_string(connection, name) as queue:
            await queue.create_queue(timeout=20)


if __name__ == "__main__":
    sys.exit(main())
