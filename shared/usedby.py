"""Where a file went: by its contents, through the data that froze them, to models, and to what those predicted."""

from collections.abc import AsyncIterator, Iterator
from datetime import datetime, timedelta
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from shared.actions.lists import is_list
from shared.bootstrap import Hub
from shared.events.identity import blob_subject
from shared.ledger.journal import claim_name
from shared.ledger.protocol import NotFoundError
from shared.ledger.records import Activity, File, FileList, decode
from shared.ledger.scorings import Scorings
from shared.receipt import releases_of
from shared.receipt_facts import rollouts
from shared.why.places import Blob

_LONGEST: Final = timedelta(days=400)
_MOST: Final = 2000


class Use(BaseModel):
    """One activity that read a content of the file, and what came of it."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    activity: str
    automation: str
    status: str
    created: datetime
    etag: str = Field(description="Of the content as it was frozen.")
    read_as: list[str] = Field(description="new files, dataset, or both.")
    dataset: str = ""
    model: str = Field(default="", description="The model that was registered from it.")
    version: str = ""
    copies: list[str] = Field(default=[], description="Where copies of it lie, as account/container/path.")


class Prediction(BaseModel):
    """Results that it is in: as a row that was scored, or by a model that learned from it."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    output: str = Field(description="container/folder of the results, or the one file of them.")
    because: Literal["it was scored", "the model learned from it"]
    counted: bool = Field(description="False for what a run left whose results were never checked: it lies there.")
    model: str
    version: str
    activity: str
    at: datetime


class Serving(BaseModel):
    """A deployment that a model which learned from it was released to."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    endpoint: str
    deployment: str
    model: str
    version: str
    release: str
    status: str


class UsedBy(BaseModel):
    """Where a file went, newest first."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    url: str
    contents: int = Field(description="How many contents of it were ever told of.")
    uses: list[Use]
    predictions: list[Prediction] = []
    serving: list[Serving] = []
    complete: bool = Field(description="False where more activities lie in between than were looked through.")


async def used_by(hub: Hub, url: str, blob: Blob, now: datetime) -> UsedBy:
    """Find the uses of a blob. Raises NotFoundError where no event ever told of it."""
    accounts = [blob.account] if blob.account else sorted(hub.settings.accounts)
    claims: dict[str, datetime] = {}
    for account in accounts:
        subject = claim_name(blob_subject(account, blob.container, blob.path), "")[:20]
        for claim in await hub.journal.about(subject):
            if (found := await hub.journal.get(claim)) is not None:
                claims[claim] = found[1]
    if not claims:
        raise NotFoundError(f"no event about {url!r} was received: `why` says whether the blob is there")
    uses: list[Use] = []
    predictions: list[Prediction] = []
    serving: list[Serving] = []
    looked = 0
    since = max(min(claims.values()) - timedelta(days=1), now - _LONGEST)
    async for activity in hub.activities.newest(now, until=since):
        looked += 1
        if looked > _MOST:
            break
        if (use := await _use(hub, activity, frozenset(claims))) is not None:
            uses.append(use)
            predictions += _scored(activity, use)
    for use in uses:
        if use.model:
            predictions += await _learned(hub, use)
            serving += await _served(hub, use)
    return UsedBy(
        url=url,
        contents=len(claims),
        uses=uses,
        predictions=predictions,
        serving=serving,
        complete=looked <= _MOST,
    )


async def _use(hub: Hub, activity: Activity, claims: frozenset[str]) -> Use | None:
    read_as: list[str] = []
    copies: list[str] = []
    etag = ""
    async for name, files in _lists(hub, activity):
        found = [file for file in files if file.claim in claims]
        if found:
            read_as += [name] if name not in read_as else []
            etag = etag or found[0].etag
            copies += [f"{file.account}/{file.container}/{file.path}" for file in found if file.origin]
    if not read_as:
        return None
    dataset, register = activity.step("dataset"), activity.step("register")
    frozen = dataset.detail if dataset else {}
    made = register.detail if register and register.state == "done" else {}
    return Use(
        activity=activity.id,
        automation=activity.automation,
        status=activity.status,
        created=activity.created,
        etag=etag,
        read_as=read_as,
        dataset=f"{frozen['asset']}:{frozen['version']}" if "asset" in frozen else "",
        model=str(made.get("model", "")),
        version=str(made.get("version", "")),
        copies=copies,
    )


async def _lists(hub: Hub, activity: Activity) -> AsyncIterator[tuple[str, tuple[File, ...]]]:
    """Give the lists of files of an activity: as they came, the copies of them, the copies of the dataset."""
    steps = {name: step.detail if (step := activity.step(name)) else {} for name in ("files", "dataset")}
    places = (
        ("new files", activity.files.blob),
        ("new files", str(steps["files"].get("frozen", ""))),
        ("dataset", str(steps["dataset"].get("frozen", ""))),
    )
    for name, blob in places:
        if blob:
            try:
                yield name, decode(FileList, await hub.store.blobs.get(blob)).files
            except NotFoundError:
                continue


def _scored(activity: Activity, use: Use) -> Iterator[Prediction]:
    """Give the results of the file itself: a file of the same name, under the place of each attempt."""
    step, results = activity.step("score"), activity.step("results")
    if step is None or not step.detail.get("output"):
        return
    base = str(step.detail["output"]).rstrip("/").rpartition("/")[0]
    model, _, version = str(step.detail.get("model") or "").partition(":")
    names = list(filter(None, (copy.partition(f"/frozen/{activity.id}/files/")[2] for copy in use.copies)))
    files = activity.step("files")
    if "new files" in use.read_as and is_list(files.detail if files else None):
        names = [""]  # the path under which a job saw a file of a list is the mount's own: the folder is what is known
    for attempt in range(1, activity.attempt + 1):
        counted = attempt == activity.attempt and results is not None and results.state == "done"
        for name in names:
            yield Prediction(
                output=f"{base}/{attempt}/{name}",
                because="it was scored",
                counted=counted,
                model=model,
                version=version,
                activity=activity.id,
                at=activity.created,
            )


async def _learned(hub: Hub, use: Use) -> list[Prediction]:
    return [
        Prediction(
            output=one.output,
            because="the model learned from it",
            counted=True,
            model=use.model,
            version=use.version,
            activity=one.activity,
            at=one.at,
        )
        for one in await Scorings(hub.store).of(use.model, use.version)
    ]


async def _served(hub: Hub, use: Use) -> list[Serving]:
    return [
        Serving(
            endpoint=one.endpoint,
            deployment=one.deployment,
            model=use.model,
            version=use.version,
            release=one.release,
            status=one.status,
        )
        for one in rollouts(await releases_of(hub, use.model, use.version))
        if one.endpoint and one.traffic
    ]
