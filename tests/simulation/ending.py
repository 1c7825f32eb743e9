"""What a run came to, in words that do not depend on when things happened; and the invariants that always hold."""

import re
from collections import Counter
from typing import Any

import msgspec

from shared.ledger.audit import Entry
from shared.ledger.records import Activity, FileList, decode
from shared.ledger.usage import Usage
from tests.simulation.stage import Stage

_ID = re.compile(r"\d{8}t\d{6}-[0-9a-f]{10}|\b[0-9a-f]{10}\b")


async def ending(stage: Stage) -> dict[str, Any]:
    """Give the end state: activities with their files and steps, what was made outside, the audit, what is left."""
    activities = await stage.activities()
    models = sorted(name for name, _ in stage.azureml.models)
    return {
        "activities": sorted([await _activity(stage, one) for one in activities], key=repr),
        "jobs": Counter(_named(name) for name in stage.azureml.submitted),
        "models": models,
        "data": Counter(name for name, _ in stage.azureml.data),
        "deployments": len(stage.endpoints.made),
        "traffic": sorted(
            (endpoint, *(sorted(shares.values()) for shares in (traffic.live, traffic.mirror)))
            for endpoint, traffic in stage.endpoints.traffic.items()
        ),
        "changes": [_ID.sub("#", change) for _, change in stage.endpoints.changes],
        "found": {endpoint: len(found) for endpoint, found in stage.endpoints.found.items()},
        "logs": sorted([(await stage.store.blobs.get(one)).decode() async for one in stage.store.blobs.names("logs/")]),
        "invocations": len(stage.batch.invocations),
        "told": Counter(title for titles in stage.deliveries.values() for title in titles),
        "letters": Counter(letter.kind for letter in await stage.hub.letters.newest(limit=100)),
        "audit": await _audit(stage),
        "states": Counter(job.status for job in stage.azureml.jobs.values()),
    }


async def check(stage: Stage) -> None:
    """Assert what must hold at every end."""
    assert stage.poison == [], stage.errors
    assert stage.endpoints.wrong == []
    assert await stage.under_way() == []
    await nothing_lost(stage)
    for row in await stage.rows("limits"):
        usage = msgspec.json.decode(row.cells["usage"], type=Usage)
        assert not usage.running, f"{row.key} still holds {usage.running}"
        assert not usage.waiting, f"{row.key} still waits: {usage.waiting}"
    for row in await stage.rows("triggers"):
        assert b'"firing"' not in row.cells["m0"], row.cells
    verified = await stage.hub.audit.verify()
    assert verified.findings == ()
    for activity in await stage.activities():
        assert activity.finished, f"{activity.id} is {activity.status}: {activity.reason}"


async def nothing_lost(stage: Stage) -> None:
    """Assert that every event that was sent is in the ledger, decided."""
    kept: set[str] = set()
    token = ""
    while True:
        page, token = await stage.hub.journal.newest(limit=500, before=token)
        kept |= {str(taken.event.get("id")) for _, taken in page}
        if not token:
            break
    missing = {str(event["id"]) for event in stage.sent} - kept
    assert not missing, f"{len(missing)} events are not in the ledger, such as {sorted(missing)[:3]}"


async def _activity(stage: Stage, one: Activity) -> tuple[Any, ...]:
    files = await _files(stage, one.files.blob) if one.files.count else ()
    frozen = []
    for step in one.steps:
        blob = step.detail.get("frozen")
        if blob:
            frozen.append((step.name, await _files(stage, str(blob))))
    steps = tuple((step.name, step.state, step.attempt) for step in one.steps)
    reason = _ID.sub("#", one.reason.partition(" again in ")[0])
    count = one.cause.count
    acts = tuple(sorted({(act.kind, act.who, act.attempt) for act in one.acts}))
    return one.automation, one.status, one.attempt, count, files, tuple(frozen), steps, _timeless(reason), acts


def _timeless(reason: str) -> str:
    return re.sub(r"\d{4}-\d\d-\d\dT[0-9:.+]+", "T", reason)


async def _files(stage: Stage, blob: str) -> tuple[str, ...]:
    files = decode(FileList, await stage.store.blobs.get(blob)).files
    assert len({file.path for file in files}) == len(files), "a path is frozen twice"
    return tuple(sorted(f"{_ID.sub('#', file.path)}@{file.etag}" for file in files))


def _named(job: str) -> str:
    hub, _, _, step, attempt = job.split("-")
    return f"{hub}/{step}/{attempt}"


async def _audit(stage: Stage) -> dict[str, int]:
    rows = [row for row in await stage.rows("audit") if row.key.startswith("e:")]
    entries = [msgspec.json.decode(row.cells["entry"], type=Entry) for row in rows]
    told = Counter(f"{entry.who} {entry.what}" for entry in entries)
    # A person who was not answered asks again: then two entries are what happened.
    return {name: count if name.startswith("hub ") else 1 for name, count in told.items()}
