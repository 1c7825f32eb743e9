"""Which models a file went into: by its contents, through the datasets that froze them, to what was registered."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Final

from pydantic import BaseModel, ConfigDict, Field

from shared.bootstrap import Hub
from shared.events.identity import blob_subject
from shared.ledger.journal import claim_name
from shared.ledger.protocol import NotFoundError
from shared.ledger.records import Activity, File, FileList, decode
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
    model: str = ""
    version: str = ""


class UsedBy(BaseModel):
    """Where a file went, newest first."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    url: str
    contents: int = Field(description="How many contents of it were ever told of.")
    uses: list[Use]
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
    looked = 0
    since = max(min(claims.values()) - timedelta(days=1), now - _LONGEST)
    async for activity in hub.activities.newest(now, until=since):
        looked += 1
        if looked > _MOST:
            break
        if (use := await _use(hub, activity, frozenset(claims))) is not None:
            uses.append(use)
    return UsedBy(url=url, contents=len(claims), uses=uses, complete=looked <= _MOST)


async def _use(hub: Hub, activity: Activity, claims: frozenset[str]) -> Use | None:
    read_as: list[str] = []
    etag = ""
    async for name, files in _lists(hub, activity):
        for file in files:
            if file.claim in claims:
                read_as.append(name)
                etag = file.etag
                break
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
    )


async def _lists(hub: Hub, activity: Activity) -> AsyncIterator[tuple[str, tuple[File, ...]]]:
    dataset = activity.step("dataset")
    places = {"new files": activity.files.blob, "dataset": str(dataset.detail.get("frozen", "")) if dataset else ""}
    for name, blob in places.items():
        if blob:
            try:
                yield name, decode(FileList, await hub.store.blobs.get(blob)).files
            except NotFoundError:
                continue
