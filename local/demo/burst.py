"""Points 1 to 3 of the story: a month of flights lands and becomes one data version, one training run, one model."""

import asyncio
import hashlib
import re
from dataclasses import dataclass
from typing import Any, Final

from azure.storage.blob import BlobServiceClient
from azure.storage.blob.aio import BlobServiceClient as AsyncBlobServiceClient

from local.config import LANDING_ACCOUNT, WORKSPACE_ACCOUNT, Cloud
from local.demo.clients import EventGridControl, HubClient, azure_ml
from local.demo.telling import Telling

CONTAINER: Final = "landing"
ARTIFACTS: Final = "azureml"
"""Container of the workspace in which Azure ML keeps logs."""
AUTOMATION: Final = "delay-train"
MODEL: Final = "arrival-delay"
_READ: Final = re.compile(r"read ([0-9a-f]{64}) (\S+)")


@dataclass
class Landed:
    """What was dropped: the SHA-256 of the content that counts, by path, and how many writes there were."""

    month: str
    hashes: dict[str, str]
    writes: int


async def _upload(cloud: Cloud, files: list[tuple[str, bytes]], container: str = CONTAINER, at_once: int = 32) -> None:
    gate = asyncio.Semaphore(at_once)
    service = AsyncBlobServiceClient.from_connection_string(
        cloud.connection_string(LANDING_ACCOUNT), connection_timeout=10, read_timeout=30
    )
    async with service, service.get_container_client(container) as client:

        async def one(path: str, content: bytes) -> None:
            async with gate:
                await client.upload_blob(path, content, overwrite=True)

        await asyncio.gather(*(one(path, content) for path, content in files))


def upload(cloud: Cloud, container: str, files: list[tuple[str, bytes]]) -> None:
    """Write files into a container, many at once."""
    asyncio.run(_upload(cloud, files, container))


def drop(cloud: Cloud, month: str, files: list[tuple[str, bytes]]) -> Landed:
    """Drop the files of a month within seconds, some twice and one cut short at first; `_SUCCESS` last."""
    twice = files[::15]
    path, content = files[len(files) // 2]
    asyncio.run(_upload(cloud, [(path, content[: len(content) // 2])]))
    asyncio.run(_upload(cloud, files))
    asyncio.run(_upload(cloud, twice))
    asyncio.run(_upload(cloud, [(f"flights/{month}/_SUCCESS", b"")]))
    hashes = {name: hashlib.sha256(data).hexdigest() for name, data in files}
    return Landed(month, hashes, 1 + len(files) + len(twice) + 1)


def land(telling: Telling, cloud: Cloud, month: str, files: list[tuple[str, bytes]]) -> Landed:
    """Tell point 1."""
    with telling.point("1", f"The flights of {month} land in blob storage"):
        landed = drop(cloud, month, files)
        service = BlobServiceClient.from_connection_string(cloud.connection_string(LANDING_ACCOUNT))
        with service, service.get_container_client(CONTAINER) as container:
            stored = sum(1 for _ in container.list_blobs(name_starts_with=f"flights/{month}/"))
        telling.claim(
            "every file of the month and its marker lie in storage",
            stored == len(files) + 1,
            f"{stored} blobs after {landed.writes} writes, some of them twice and one cut short at first",
        )
    return landed


def fold(telling: Telling, cloud: Cloud, hub: HubClient, landed: Landed) -> str:
    """Tell point 2; give the id of the activity."""
    with telling.point("2", "The burst becomes one training activity"):
        before = {item["id"] for item in hub.activities(AUTOMATION)}

        def opened() -> tuple[Any, str]:
            fresh = [item for item in hub.activities(AUTOMATION) if item["id"] not in before]
            gathering = [item for item in hub.get("collections")["items"] if item["automation"] == AUTOMATION]
            text = ", ".join(f"{item['files']} files gathered" for item in gathering) or "no event yet"
            return fresh, text

        known = hub.activities(AUTOMATION)
        found = [item for item in known if item["files"]["count"] == len(landed.hashes)] or telling.watch(
            "the burst is collected", opened, 90
        )
        activity = hub.get(f"activities/{found[0]['id']}")
        paths = {item["path"] for item in activity["files"]["items"]}
        telling.claim("one activity holds exactly the files of the burst", paths == set(landed.hashes), activity["id"])
        telling.claim("only one was opened", len(found) == 1, f"closed because: {activity['cause']['closed_by']}")
        count = len(hub.activities())
        control = EventGridControl(cloud)
        control.redeliver()
        telling.watch("all events are delivered once more", lambda: _quiet(hub, control), 60)
        after = hub.activities()
        telling.claim(
            "a second delivery of all events changes nothing", len(after) == count, f"{len(after)} activities"
        )
    return str(activity["id"])


def _quiet(hub: HubClient, control: EventGridControl) -> tuple[bool, str]:
    waiting = sum(int(item["waiting"]) for item in control.state()["subscriptions"])
    queued = int(hub.get("status")["queues"]["hub-events"]["messages"])
    return waiting == 0 and queued == 0, f"{waiting} at Event Grid, {queued} in the hub's queue"


def train(telling: Telling, cloud: Cloud, hub: HubClient, identifier: str, landed: Landed) -> dict[str, Any]:
    """Tell point 3; give the activity at its end."""
    with telling.point("3", "Checked, trained, registered") as point:
        activity: dict[str, Any] = telling.watch(
            "check and training run as Azure ML jobs", lambda: hub.ending(identifier), 300
        )
        telling.claim(
            "the activity succeeded",
            activity["status"] == "succeeded",
            activity["reason"] or f"{len(activity['steps'])} steps",
        )
        steps = {step["name"]: step["detail"] for step in activity["steps"]}
        client = azure_ml(cloud)
        for name in ("check", "train"):
            read = _hashes_read(cloud, steps[name]["job"])
            telling.claim(
                f"the {name} job read the bytes that were dropped",
                sorted(read.values()) == sorted(landed.hashes.values()),
                f"{len(read)} SHA-256 agree",
            )
        model = client.models.get(MODEL, version=steps["register"]["version"])
        telling.claim(
            "the model version carries its lineage",
            bool(model.properties.get("hub.dataset")) and model.tags.get("hub.activity") == identifier,
            f"{model.name}:{model.version} from {model.properties.get('hub.dataset')}",
        )
        metrics = steps["metrics"]["metrics"]
        telling.claim("its metrics are recorded", "mae" in metrics, f"mae {metrics.get('mae', 0):.1f} minutes")
        whole = sorted((name, value) for name, value in metrics.items() if "." not in name)
        point.tables.append({"title": "Metrics of the run", "rows": whole})
        folded = telling.watch("the service's own event arrives", lambda: _registered(hub, model.version), 60)
        telling.claim("ModelRegistered came back and was folded", bool(folded), folded)
    return activity


def month(
    telling: Telling, cloud: Cloud, hub: HubClient, name: str, files: list[tuple[str, bytes]], title: str = ""
) -> dict[str, Any]:
    """Have a further month land and be trained on; give the activity at its end."""
    with telling.point("", title or f"The flights of {name} land"):
        known = {item["id"] for item in hub.activities(AUTOMATION)}
        drop(cloud, name, files)

        def ended() -> tuple[Any, str]:
            fresh = [item for item in hub.activities(AUTOMATION) if item["id"] not in known]
            return hub.ending(fresh[0]["id"]) if fresh else (None, "gathering")

        activity: dict[str, Any] = telling.watch("they are checked and trained on", ended, 300)
        telling.claim(
            "one activity, which succeeded", activity["status"] == "succeeded", activity["reason"] or activity["id"]
        )
    return activity


def _hashes_read(cloud: Cloud, job: str) -> dict[str, str]:
    """Give the SHA-256 that a job logged for each file it read, from its log in the workspace's storage."""
    path = f"ExperimentRun/dcid.{job}/user_logs/std_log.txt"
    service = BlobServiceClient.from_connection_string(cloud.connection_string(WORKSPACE_ACCOUNT))
    with service, service.get_blob_client(ARTIFACTS, path) as blob:
        log = blob.download_blob(timeout=30).readall().decode()
    return {match[2]: match[1] for match in _READ.finditer(log)}


def _registered(hub: HubClient, version: str) -> tuple[str, str]:
    """Tell whether the workspace's own event folded into the one that the hub took in when it registered."""
    events = hub.get("events", limit="200")["items"]
    own = next((event["id"] for event in events if event["subject"].endswith(f":{version}")), "")
    came = [event for event in events if event["id"] == own and event["outcomes"][0]["what"] == "folded"]
    return (f"folded, came by {came[0]['via']}" if came else ""), "not yet"
