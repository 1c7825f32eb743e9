"""The receipt of a model version: what led to it, link by link, from the ledger alone."""

import hashlib
import html
import json
from datetime import datetime
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field

from shared.bootstrap import Hub
from shared.events.identity import model_claim
from shared.ledger.protocol import NotFoundError
from shared.ledger.records import Activity, FileList, Step, Taken, decode

_MOST_FILES: Final = 50_000
_MOST_EVENTS: Final = 20


class Part(BaseModel):
    """A part of a receipt."""

    model_config = ConfigDict(frozen=True, defer_build=True)


class FileLink(Part):
    """A file that was frozen for it: the content by its etag, and the event that told of it."""

    account: str
    container: str
    path: str
    etag: str
    size: int
    time: datetime
    claim: str


class DataLink(Part):
    """A frozen version of data that a job read."""

    asset: str
    version: str
    uri: str
    files: int
    size: int
    listed: list[FileLink]


class StepLink(Part):
    """A step as it ended: `detail` holds job, environment, code, metrics or evidence."""

    name: str
    kind: str
    state: str
    started: datetime | None
    ended: datetime | None
    reason: str
    detail: dict[str, Any]


class ActLink(Part):
    """What somebody asked."""

    kind: str
    who: str
    at: datetime
    reason: str
    person: bool


class ActivityLink(Part):
    """An activity: its rules by content, its cause, its steps, and what people asked of it."""

    id: str
    automation: str
    content: str
    status: str
    reason: str
    attempt: int
    created: datetime
    ended: datetime
    cause: dict[str, Any]
    rules: str = Field(default="", description="The automation as it was, in YAML.")
    steps: list[StepLink]
    acts: list[ActLink]


class EventLink(Part):
    """An event that caused it."""

    id: str
    received: datetime
    type: str
    subject: str
    via: str


class Receipt(Part):
    """What led to a model version. `digest` is the SHA-256 over the rest of it, in canonical JSON."""

    model: str
    version: str
    registered: datetime
    uri: str
    tags: dict[str, str]
    lineage: dict[str, Any]
    made_by: ActivityLink | None
    events: list[EventLink]
    new_files: DataLink | None
    dataset: DataLink | None
    releases: list[ActivityLink]
    missing: list[str] = Field(description="What the ledger does not hold (any more), in words.")
    digest: str = ""


async def receipt(hub: Hub, model: str, version: str) -> Receipt:
    """Give the receipt. Raises NotFoundError where no such version was ever registered here."""
    found = await hub.journal.get(model_claim(hub.settings.workspace, model, version))
    if found is None:
        raise NotFoundError(f"no registration of model {model!r} version {version!r} was received")
    taken, registered, _ = found
    data = {str(key).lower(): value for key, value in (taken.event.get("data") or {}).items()}
    tags = {str(key): str(value) for key, value in (data.get("modeltags") or {}).items()}
    missing: list[str] = []
    activity = await _load(hub, tags.get("hub.activity", ""))
    if activity is None:
        missing.append("the hub did not make this version, or the activity that did is not in the ledger any more")
    step = activity.step("register") if activity else None
    made = Receipt(
        model=model,
        version=version,
        registered=registered,
        uri=str(step.detail.get("uri", "")) if step else "",
        tags=tags,
        lineage=dict(step.detail.get("lineage", {})) if step else {},
        made_by=await _activity(hub, activity, missing) if activity else None,
        events=await _events(hub, activity) if activity else [],
        new_files=await _data(hub, activity.step("files"), missing) if activity else None,
        dataset=await _data(hub, activity.step("dataset"), missing) if activity else None,
        releases=await _releases(hub, taken, missing),
        missing=missing,
    )
    text = json.dumps(made.model_dump(mode="json", exclude={"digest"}), sort_keys=True, separators=(",", ":"))
    return made.model_copy(update={"digest": hashlib.sha256(text.encode()).hexdigest()})


async def _load(hub: Hub, identifier: str) -> Activity | None:
    try:
        return (await hub.activities.load(identifier))[0]
    except NotFoundError:
        return None


async def _releases(hub: Hub, taken: Taken, missing: list[str]) -> list[ActivityLink]:
    return [
        await _activity(hub, activity, missing)
        for outcome in taken.outcomes
        if outcome.what == "opened" and (activity := await _load(hub, outcome.target)) is not None
    ]


async def _activity(hub: Hub, activity: Activity, missing: list[str]) -> ActivityLink:
    rules = ""
    try:
        rules = (await hub.rulebook.loaded("", activity.content)).files["automation.yml"].decode()
    except NotFoundError:
        missing.append(f"the rules {activity.content[:12]} of activity {activity.id}")
    cause = activity.cause
    return ActivityLink(
        id=activity.id,
        automation=activity.automation,
        content=activity.content,
        status=activity.status,
        reason=activity.reason,
        attempt=activity.attempt,
        created=activity.created,
        ended=activity.updated,
        cause={
            "kind": cause.kind,
            "who": cause.who,
            "events": cause.count,
            "collection": cause.collection,
            "closed_by": cause.closed_by,
        },
        rules=rules,
        steps=[_step(step) for step in activity.steps],
        acts=[
            ActLink(kind=act.kind, who=act.who, at=act.at, reason=act.reason, person=act.person)
            for act in activity.acts
        ],
    )


def _step(step: Step) -> StepLink:
    return StepLink(
        name=step.name,
        kind=step.kind,
        state=step.state,
        started=step.started,
        ended=step.ended,
        reason=step.reason,
        detail=step.detail,
    )


async def _events(hub: Hub, activity: Activity) -> list[EventLink]:
    found: list[EventLink] = []
    for claim in activity.cause.claims[:_MOST_EVENTS]:
        if (known := await hub.journal.get(claim)) is not None:
            taken, received, _ = known
            kind = str(taken.event.get("eventType") or taken.event.get("type") or "")
            subject = str(taken.event.get("subject") or "")
            found.append(EventLink(id=claim, received=received, type=kind, subject=subject, via=taken.via))
    return found


async def _data(hub: Hub, step: Step | None, missing: list[str]) -> DataLink | None:
    if step is None or "asset" not in step.detail:
        return None
    detail = step.detail
    try:
        files = decode(FileList, await hub.store.blobs.get(str(detail["frozen"]))).files
    except NotFoundError:
        missing.append(f"the list of {detail['asset']}:{detail['version']}")
        files = ()
    return DataLink(
        asset=str(detail["asset"]),
        version=str(detail["version"]),
        uri=str(detail.get("uri", "")),
        files=int(detail.get("files", len(files))),
        size=int(detail.get("size", 0)),
        listed=[
            FileLink(
                account=file.account,
                container=file.container,
                path=file.path,
                etag=file.etag,
                size=file.size,
                time=file.time,
                claim=file.claim,
            )
            for file in files[:_MOST_FILES]
        ],
    )


def page(made: Receipt) -> str:
    """Give the receipt as a page of HTML that stands alone; everything in it is escaped."""
    parts = [f"<h1>Receipt of {_(made.model)} version {_(made.version)}</h1>"]
    parts.append(_table([("registered", made.registered.isoformat()), ("uri", made.uri), ("digest", made.digest)]))
    parts += [f"<p class=missing>Missing: {_(line)}</p>" for line in made.missing]
    if made.made_by:
        parts += ["<h2>Made by</h2>", _shown(made.made_by)]
    parts.append("<h2>Events</h2>")
    parts.append(_table([(event.received.isoformat(), f"{event.subject} ({event.id})") for event in made.events]))
    for title, data in (("New files", made.new_files), ("Dataset", made.dataset)):
        if data:
            parts.append(f"<h2>{title}: {_(data.asset)} version {_(data.version)}, {data.files} files</h2>")
            rows = [(f"{file.container}/{file.path}", f"{file.etag}, {file.size} bytes") for file in data.listed[:500]]
            parts.append(_table(rows))
    for release in made.releases:
        parts += ["<h2>Release</h2>", _shown(release)]
    return _PAGE.format(title=_(f"{made.model} {made.version}"), body="\n".join(parts))


def _shown(activity: ActivityLink) -> str:
    facts = [
        ("activity", activity.id),
        ("automation", f"{activity.automation} ({activity.content[:12]})"),
        ("status", f"{activity.status} {activity.reason}".strip()),
        ("created", activity.created.isoformat()),
        ("ended", activity.ended.isoformat()),
        *((f"{act.kind} by", f"{act.who} {act.at.isoformat()} {act.reason}".strip()) for act in activity.acts),
    ]
    steps = [
        (f"{step.name} {step.state}", json.dumps(step.detail, ensure_ascii=False, sort_keys=True)[:4000])
        for step in activity.steps
    ]
    rules = f"<details><summary>Rules</summary><pre>{_(activity.rules)}</pre></details>"
    return _table(facts) + "<h3>Steps</h3>" + _table(steps) + rules


def _table(rows: list[tuple[str, str]]) -> str:
    return "<table>" + "".join(f"<tr><th>{_(name)}</th><td>{_(value)}</td></tr>" for name, value in rows) + "</table>"


def _(text: str) -> str:
    return html.escape(text, quote=True)


_PAGE: Final = """<!doctype html>
<html lang=en><meta charset=utf-8><meta name=viewport content="width=device-width">
<title>{title}</title>
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem; color: #1b1b1b }}
table {{ border-collapse: collapse; width: 100% }} th {{ text-align: left; font-weight: 600; vertical-align: top;
padding: .2rem 1rem .2rem 0; white-space: nowrap }} td {{ padding: .2rem 0; overflow-wrap: anywhere }}
tr {{ border-bottom: 1px solid #e3e3e3 }} pre {{ overflow: auto; background: #f6f6f6; padding: 1rem }}
.missing {{ color: #a30000 }}
</style>
{body}
</html>
"""
