"""A ledger that the first version wrote, row by row: today's code reads every kind of record and goes on with the work.

`version_1.json` was written by that version and stays as it is: rows and blobs after a training that succeeded, one
that runs, one that is held, a collection that gathers, a delivery that a crash left undecided, and what else it keeps.
"""

import base64
import json
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from shared.azureml.protocol import JobView
from shared.ledger.activities import Activities
from shared.ledger.journal import claim_name
from shared.ledger.marks import Marks
from shared.ledger.protocol import Insert, Row
from shared.ledger.records import SCHEMA
from shared.ledger.usage import Usages

KEPT: dict[str, Any] = json.loads((Path(__file__).parent / "version_1.json").read_text())
NOW = datetime.fromisoformat(KEPT["now"])
AUTOMATIONS = """
name: delay-train
on:
  - blob-created:
      container: landing
      path: "flights/{month}/**/*.csv"
      collect: {by: [month], quiet: 2m, max-wait: 2h, until: {marker: "flights/{month}/_SUCCESS"}}
inputs: {note: {type: string, default: none}}
dataset: {name: flights, from: accepted, window: 90d}
check: {job: jobs/check.yml}
do:
  train: {job: jobs/train.yml, inputs: {data: "${{ dataset }}"}, register: {model: arrival-delay, from: model}}
limits: {concurrency: {group: training, max: 1}, rate: 40 per 24h}
---
name: both
on: [{all-of: {within: 1d, of: [{model-registered: {model: m}}, {blob-created: {container: landing, path: 'go/*'}}]}}]
do: {job: {job: jobs/train.yml, inputs: {data: 'azureml:x:1'}}}
---
name: nightly
on: [{schedule: {cron: '0 0 3 * * *'}}, {missing: {every: 1d, grace: 1h, of: {model-registered: {model: m}}}}]
do: {job: {job: jobs/train.yml, inputs: {data: 'azureml:x:1'}}}
"""


def bytes_of(value: Any) -> Any:
    return base64.b64decode(value["base64"]) if isinstance(value, dict) else value


@pytest.fixture
async def world(world_of: Callable[[str], Any]) -> Any:
    world = world_of(AUTOMATIONS)
    world.now = NOW
    for name, rows in KEPT["tables"].items():
        for partition, key, cells in rows:
            row = Row(partition, key, {cell: bytes_of(value) for cell, value in cells.items()})
            await world.store.table(name).apply([Insert(row)])
    for name, content in KEPT["blobs"].items():
        await world.store.blobs.put(name, base64.b64decode(content))
    for name, content in KEPT["seals"].items():
        await world.store.container("hub-audit").put(name, base64.b64decode(content))
    for name, status in KEPT["jobs"].items():
        world.azureml.jobs[name] = JobView(name, status)
    return world


def test_every_row_says_its_version() -> None:
    rows = [cells for kept in KEPT["tables"].values() for _, _, cells in kept]
    assert len(rows) > 70
    assert {cells["schema"] for cells in rows} == {1}
    assert SCHEMA >= 1


async def test_activities_are_read_and_listed(world: Any) -> None:
    listed = await world.activities()
    assert [(one.automation, one.status, one.files.count) for one in listed] == [
        ("delay-train", "held", 2),
        ("delay-train", "running", 3),
        ("delay-train", "succeeded", 3),
    ]
    assert "group training: 1 of 1 run" in listed[0].reason
    assert [step.state for step in listed[2].steps] == ["done"] * 7
    read, _ = await Activities(world.store, world.store.queue("work")).load(listed[1].id)
    assert read == listed[1]
    files = await world.hub.rulebook._files(listed[2].files)
    assert [file.path for file in files] == [f"flights/2013-01/EWR/{n}.csv" for n in range(3)]


async def test_events_are_read_by_claim_by_subject_and_newest_first(world: Any) -> None:
    listed, token = await world.hub.journal.newest(limit=100)
    whats = [outcome.what for _, taken in listed for outcome in taken.outcomes]
    assert (token, len(listed)) == ("", 22)
    assert {name: whats.count(name) for name in set(whats)} == {
        "collected": 9,
        "marked": 3,
        "folded": 4,
        "probe": 1,
        "quarantined": 1,
        "ignored": 3,
        "waits": 1,
        "expected": 1,
    }
    large = next(taken for _, taken in listed if taken.event.get("id") == "large")
    assert len(large.event["data"]["text"]) == 3000, "from its blob"
    claims = [taken.claim for _, taken in listed if taken.outcomes[0].what == "collected"]
    for name in claims:
        found = await world.hub.journal.get(name)
        assert found is not None
        assert found[2] is True
    assert await world.hub.journal.about(claims[0][:20]) == [claims[0]]
    assert await world.hub.journal.get(claim_name("never", "came")) is None


async def test_what_else_was_kept_is_read(world: Any) -> None:
    hub = world.hub
    own = (await Usages(world.store).read("automation:delay-train")).usage
    assert (len(own.running), len(own.waiting), len(own.openings)) == (1, 1, 2)
    mark, _ = await Marks(world.store).read("both", 0)
    assert [(one.kinds, one.event["data"]["ModelVersion"]) for one in mark.waiting] == [((0,), "7")]
    assert (await Marks(world.store).read("nightly", 1))[0].decided == NOW
    pause = (await hub.switches.all())["automation:nightly"]
    assert (pause.who, pause.reason) == ("ann", "holiday")
    letters = await hub.letters.newest(limit=10)
    assert [(letter.kind, (await hub.letters.get(letter.id))[1]) for letter in letters] == [
        ("work", b"activity:x:"),
        ("quarantine", b'{"id": "broken"}'),
    ]
    verified = await hub.audit.verify()
    assert (verified.findings, verified.seals, verified.entries) == ((), 1, 2)
    probe = await hub.probes.last()
    assert (probe.sent is not None, probe.latency) == (True, 0.0)
    assert [one[:2] for one in await hub.retirements.planned()] == [("delay", "blue")]


async def test_the_work_of_yesterday_goes_on_today(world: Any) -> None:
    for text in KEPT["messages"]:
        await world.store.queue("hub-work").send(text)
    again = [world.blob_event(f"flights/2013-01/EWR/{n}.csv", f"0x01{n}", number=n) for n in range(3)]
    await world.send(*again)
    world.now += timedelta(minutes=5)
    await world.hub.sweep.run()
    await world.finish()
    await world.send(world.blob_event("flights/2013-04/_SUCCESS", "0x4F", number=9))
    await world.finish()
    await world.send(world.blob_event("go/now", "0x1"))
    await world.finish()
    ended = sorted((one.automation, one.status, one.files.count) for one in await world.activities())
    assert ended == [("both", "succeeded", 0), *[("delay-train", "succeeded", count) for count in (2, 2, 3, 3)]]
    assert len({request.name for request in world.azureml.requests}) == len(world.azureml.requests)
