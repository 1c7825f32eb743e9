"""Brings in files that are older than an automation: listed, simulated, and only then sent in as events."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field

from shared.automations.models import Automation, BlobCreated
from shared.automations.patterns import PathPattern
from shared.bootstrap import Hub
from shared.engine.outcomes import PermanentError
from shared.events.identity import claim
from shared.events.model import Broken, Event
from shared.events.parsing import parse_one
from shared.intake.read import marked
from shared.ledger.records import File
from shared.simulate.answer import ActivityTold, CollectionTold
from shared.simulate.run import simulate_at_once

MOST: Final = 50_000
_BATCH: Final = 500
_SHOWN: Final = 200
_AT_ONCE: Final = 64
_AFTER: Final = timedelta(days=1)


class TooManyFilesError(ValueError):
    """More files match than one backfill brings in."""


class NoFilesError(ValueError):
    """The automation starts on no files."""


class Backfill(BaseModel):
    """What a backfill would start, or what it sent in."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    automation: str
    files: int
    size: int
    oldest: datetime | None
    newest: datetime | None
    paths: list[str] = Field(description="The first 200.")
    activities: list[ActivityTold] = Field(description="What would begin, also of other automations; at most 200.")
    open: list[CollectionTold] = []
    done: bool
    new: int = 0
    known: int = Field(default=0, description="Files that something took before: they fold, and begin nothing.")
    again: int = Field(default=0, description="Files whose event did nothing when it came: it is decided again.")


async def older_files(
    hub: Hub, automation: Automation, since: datetime | None, until: datetime | None, now: datetime
) -> list[Event]:
    """List the blobs of an automation's triggers as events. Raises NoFilesError, TooManyFilesError."""
    triggers = [trigger.blob_created for trigger in automation.on if trigger.blob_created]
    if not triggers:
        raise NoFilesError(f"{automation.name} has no blob-created trigger: there are no files to bring in")
    found: dict[tuple[str, str, str], Event] = {}
    for trigger in triggers:
        async for file in _anywhere(hub, trigger):
            if (since and file.time < since) or (until and file.time >= until):
                continue
            event = parse_one(event_of(file, hub), now)
            if isinstance(event, Broken):
                continue
            found[file.account, file.container, file.path] = event
            if len(found) > MOST:
                raise TooManyFilesError(f"more than {MOST} files match: choose a span with since and until")
    return sorted(found.values(), key=lambda event: event.time)


async def _anywhere(hub: Hub, trigger: BlobCreated) -> AsyncIterator[File]:
    """Give the files of a trigger; where it names no account, those of every account that has the container."""
    accounts = [trigger.account] if trigger.account else sorted(hub.settings.accounts)
    refusals: list[PermanentError] = []
    for account in accounts:
        try:
            async for file in _files(hub, account, trigger):
                yield file
        except PermanentError as error:
            refusals.append(error)
    if refusals and len(refusals) == len(accounts):
        raise refusals[0]


async def _files(hub: Hub, account: str, trigger: BlobCreated) -> AsyncIterator[File]:
    patterns = [PathPattern.parse(trigger.path)]
    if trigger.collect and trigger.collect.until:
        patterns.append(PathPattern.parse(trigger.collect.until.pattern))
    for prefix in sorted({pattern.literal_prefix for pattern in patterns}):
        async for file in hub.data.files(account, trigger.container, prefix):
            if any(pattern.match(file.path) is not None for pattern in patterns):
                yield file


def event_of(file: File, hub: Hub) -> dict[str, Any]:
    """Give the event that storage would have raised for a file; the real one, if it ever comes, folds into it."""
    settings = hub.settings
    return {
        "id": f"backfill-{file.account}-{file.container}-{file.path}-{file.etag}"[:512],
        "topic": f"/subscriptions/{settings.subscription}/resourceGroups/{settings.resource_group}"
        f"/providers/Microsoft.Storage/storageAccounts/{file.account}",
        "subject": f"/blobServices/default/containers/{file.container}/blobs/{file.path}",
        "eventType": "Microsoft.Storage.BlobCreated",
        "eventTime": file.time.isoformat(),
        "data": {"api": "PutBlob", "eTag": file.etag, "contentLength": file.size, "blobType": "BlockBlob"},
        "dataVersion": "",
        "metadataVersion": "1",
    }


async def _apart(hub: Hub, events: list[Event], mark: str) -> tuple[list[Event], list[Event], list[Event]]:
    """Part events into those that never came, those that did nothing when they came, and those that were taken."""
    apart: tuple[list[Event], list[Event], list[Event]] = ([], [], [])
    for start in range(0, len(events), _AT_ONCE):
        some = events[start : start + _AT_ONCE]
        for event, kind in zip(some, await asyncio.gather(*(_kind(hub, event, mark) for event in some)), strict=True):
            apart[kind].append(event)
    return apart


async def _kind(hub: Hub, event: Event, mark: str) -> int:
    """Tell by its number to which of the three an event belongs; a backfill brings each in once."""
    name = claim(event)
    if not await hub.journal.has(name):
        return 0
    found = await hub.journal.get(name)
    outcomes = found[0].outcomes if found else ()
    idle = bool(outcomes) and all(outcome.what == "ignored" for outcome in outcomes)
    return 1 if idle and not await hub.journal.has(marked(name, mark)) else 2


async def backfill(
    hub: Hub, automation: Automation, events: list[Event], who: str, now: datetime, *, do: bool
) -> Backfill:
    """Say what bringing the files in would begin and, where asked, bring them in."""
    mark = "backfill"  # one for all automations: what one backfill has had decided, no other decides once more
    fresh, idle, taken = await _apart(hub, events, mark)
    fitting = sorted([*fresh, *idle], key=lambda event: event.time)
    said = await simulate_at_once(hub.settings, hub.rulebook.catalogue, fitting, now, _AFTER)
    new, known = 0, len(taken)
    if do:
        known = 0
        for some, under in (([*fresh, *taken], ""), (idle, mark)):
            for start in range(0, len(some), _BATCH):
                accepted = await hub.intake.take(some[start : start + _BATCH], now, f"backfill:{who}", mark=under)
                new, known = new + accepted.new, known + accepted.known
    return Backfill(
        automation=automation.name,
        files=len(events),
        size=sum(getattr(event.facts, "size", 0) for event in events),
        oldest=events[0].time if events else None,
        newest=events[-1].time if events else None,
        paths=[f"{getattr(e.facts, 'container', '')}/{getattr(e.facts, 'path', '')}" for e in events[:_SHOWN]],
        activities=said.activities[:_SHOWN],
        open=said.open[:_SHOWN],
        done=do,
        new=new,
        known=known,
        again=len(idle),
    )
