"""The receipt of a model version: what led to it, link by link, and where it went; from the ledger.

Only where it is live at this moment is asked of Azure ML.
"""

import asyncio
import hashlib
import json
import re
from typing import Final

from shared import receipt_facts as facts
from shared import receipt_page
from shared.actions.lists import is_list
from shared.bootstrap import Hub
from shared.contents import commit_of
from shared.deciding.costs import cost_of
from shared.engine.outcomes import PermanentError, TransientError
from shared.events.identity import model_claim
from shared.ledger.protocol import NotFoundError
from shared.ledger.records import Activity, FileList, Step, Taken, decode
from shared.ledger.scorings import Scorings
from shared.receipt_parts import (
    ActivityLink,
    ActLink,
    CostLink,
    DataLink,
    EventLink,
    FileLink,
    LiveLink,
    Receipt,
    RolloutLink,
    ScoredLink,
    StepLink,
)

__all__ = ["Receipt", "page", "receipt", "releases_of"]

page = receipt_page.page
_MOST_FILES: Final = 50_000
_MOST_EVENTS: Final = 20
_PATIENCE: Final = 8.0
"""Seconds for Azure ML to say where a version is live: a receipt does not wait for it."""
_NOT_DIGESTED: Final = {"digest", "live", "missing"}
_VERSION: Final = re.compile(r"(\d{8}t\d{6}-[0-9a-f]{10})(?:-\d+)?")
"""Of a model that the hub made: the activity, and its attempt."""


async def receipt(hub: Hub, model: str, version: str) -> Receipt:
    """Give the receipt. Raises NotFoundError where no such version was ever registered here."""
    missing: list[str] = []
    found = await hub.journal.get(model_claim(hub.settings.workspace, model, version))
    if found is not None:
        taken, registered, _ = found
        data = {str(key).lower(): value for key, value in (taken.event.get("data") or {}).items()}
        tags = {str(key): str(value) for key, value in (data.get("modeltags") or {}).items()}
        activity = await _load(hub, tags.get("hub.activity", ""))
        releases = await _opened(hub, taken)
    else:
        # Events are dropped when they are old; activities stay, and a version that the hub made bears its activity.
        match = _VERSION.fullmatch(version)
        activity, tags, releases = await _load(hub, match[1]) if match else None, {}, []
        step = activity.step("register") if activity else None
        if step is None or (step.detail.get("model"), step.detail.get("version")) != (model, version):
            raise NotFoundError(f"no registration of model {model!r} version {version!r} was received")
        registered = step.ended or step.started or activity.updated if activity else hub.clock()
        missing.append("the event of its registration is too old to be kept, and which releases it began")
    if activity is None:
        missing.append("the hub did not make this version, or the activity that did is not in the ledger any more")
    step = activity.step("register") if activity else None
    metrics, importances, slices = facts.measured(activity) if activity else ({}, {}, [])
    rollouts = facts.rollouts(releases)
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
        check=facts.check(activity) if activity else None,
        run=facts.run(activity, await commit_of(hub.store.blobs, activity.content)) if activity else None,
        metrics=metrics,
        importances=importances,
        slices=slices,
        releases=[await _activity(hub, release, missing) for release in releases],
        gates=facts.gates(releases),
        approvals=facts.approvals(releases),
        rollouts=rollouts,
        scored=await _scored(hub, model, version),
        cost=[link for one in (activity, *releases) if one for link in await _cost(hub, one)],
        missing=missing,
    )
    text = json.dumps(made.model_dump(mode="json", exclude=_NOT_DIGESTED), sort_keys=True, separators=(",", ":"))
    live = await _live(hub, f"{model}:{version}", rollouts, missing)
    digest = hashlib.sha256(text.encode()).hexdigest()
    return made.model_copy(update={"digest": digest, "live": live, "missing": missing})


async def releases_of(hub: Hub, model: str, version: str) -> list[Activity]:
    """Give the activities that the registration of a version opened, as far as its event is kept."""
    found = await hub.journal.get(model_claim(hub.settings.workspace, model, version))
    return await _opened(hub, found[0]) if found else []


async def _opened(hub: Hub, taken: Taken) -> list[Activity]:
    """Give what the registration opened, the oldest first."""
    names = [outcome.target for outcome in taken.outcomes if outcome.what == "opened"]
    return [activity for name in sorted(names) if (activity := await _load(hub, name)) is not None]


async def _scored(hub: Hub, model: str, version: str) -> list[ScoredLink]:
    return [
        ScoredLink(
            activity=one.activity,
            attempt=one.attempt,
            automation=one.automation,
            at=one.at,
            run=one.run,
            endpoint=one.endpoint,
            deployment=one.deployment,
            files=one.files,
            rows=one.rows,
            output=one.output,
        )
        for one in await Scorings(hub.store).of(model, version)
    ]


async def _cost(hub: Hub, activity: Activity) -> list[CostLink]:
    try:
        loaded = await hub.rulebook.loaded("", activity.content)
    except NotFoundError:
        return []
    found = []
    for step, file in facts.jobs_of(activity, loaded.automation):
        job, took = loaded.jobs[file], (step.ended or hub.clock()) - (step.started or hub.clock())
        price = hub.settings.price(job.compute)
        cost = cost_of(*price, job.nodes, took) if price else None
        found.append(
            CostLink(
                activity=activity.id,
                step=step.name,
                compute=job.compute,
                nodes=job.nodes,
                seconds=took.total_seconds(),
                amount=float(cost.amount) if cost else None,
                currency=cost.currency if cost else "",
            )
        )
    return found


async def _live(hub: Hub, wanted: str, rollouts: list[RolloutLink], missing: list[str]) -> list[LiveLink]:
    """Ask Azure ML which deployments hold the version now; what it does not say is missing, and costs nothing else."""
    found: list[LiveLink] = []
    for endpoint in sorted({one.endpoint for one in rollouts if one.endpoint}):
        try:
            async with asyncio.timeout(_PATIENCE):
                view = await hub.endpoints.endpoint(endpoint)
                deployments = await hub.endpoints.deployments(endpoint) if view else []
        except (PermanentError, TransientError, TimeoutError) as error:
            missing.append(f"where it is live on {endpoint}: {type(error).__name__}: {error}"[:300])
            continue
        for one in deployments if view else ():
            if view is not None and one.model == wanted:
                price = hub.settings.price(one.instance_type) if one.instance_type else None
                found.append(
                    LiveLink(
                        endpoint=endpoint,
                        deployment=one.name,
                        traffic=view.traffic.live.get(one.name, 0),
                        mirror=view.traffic.mirror.get(one.name, 0),
                        state=one.state,
                        instances=f"{one.instances} x {one.instance_type}" if one.instance_type else "",
                        price=f"{price[0]} {price[1]}" if price else "",
                    )
                )
    return found


async def _load(hub: Hub, identifier: str) -> Activity | None:
    try:
        return (await hub.activities.load(identifier))[0]
    except NotFoundError:
        return None


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
                origin=file.origin,
            )
            for file in files[:_MOST_FILES]
        ],
        frozen_as="list" if is_list(detail) else "copies",
    )
