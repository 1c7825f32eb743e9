"""The automations in force: which there are, what events mean to them, and how their activities begin."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace as replaced
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from shared.actions.admit import Merging, merging_into
from shared.actions.plan import plan
from shared.automations.guards import hands_files_on
from shared.automations.language_limits import limits_of
from shared.automations.loading import Catalogue, Loaded, endpoint_name, load
from shared.automations.models import Automation, Collect
from shared.contents import Contents
from shared.deciding.collecting import Rule
from shared.deciding.files import newest_contents
from shared.deciding.limits import Concurrency, Limits
from shared.deciding.matching import Matcher
from shared.engine.run import looked_at
from shared.expressions import Expression, ExpressionError
from shared.ledger.activities import Activities
from shared.ledger.protocol import AlreadyExistsError, Blobs, ChangedError, NotFoundError
from shared.ledger.records import Activity, Cause, File, FileList, Files, Head, activity_id, decode, encode
from shared.telemetry import places, telling

MOST_CLAIMS = 20
"""Causes that an activity names; their count is exact."""
MOST_EVENTS = 50
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MOST_FILES_IN_CONDITIONS = 1000
"""Files that a condition can see; `size(files)` of a larger burst is this many."""


class Rulebook:
    """The automations in force, read once from their folder."""

    def __init__(
        self,
        catalogue: Catalogue,
        contents: Contents,
        activities: Activities,
        blobs: Blobs,
        own: frozenset[tuple[str, str]],
        runs: str = "hub-",
    ) -> None:
        self.catalogue = catalogue
        self.matcher = Matcher((loaded.automation for loaded in catalogue.automations.values()), own, runs)
        self._contents = contents
        self._activities = activities
        self._blobs = blobs
        # Hubs on one workspace see the same events, and name models and data by their activities: those of another hub
        # than the one called "hub" have its name in their identity.
        self._hub = () if runs == "hub-" else (runs,)

    @staticmethod
    def read(folder: Path, root: Path) -> Catalogue:
        """Read the folder of automations."""
        return load(folder, root)

    def automation(self, name: str) -> Automation:
        """Give a valid automation; raises KeyError."""
        return self.catalogue.automations[name].automation

    def content(self, name: str) -> str:
        """Give the content hash of a valid automation."""
        return self.catalogue.automations[name].content

    async def loaded(self, name: str, content: str) -> Loaded:
        """Give the automation in force or, where it is gone, the one of a content."""
        found = self.catalogue.automations.get(name)
        return found if found is not None else await self._contents.read(content)

    async def rule(self, head: Head) -> Rule:
        """Give how the collection's trigger collects."""
        loaded = await self.loaded(head.automation, head.content)
        triggers = loaded.automation.on
        blob = triggers[head.trigger].blob_created if head.trigger < len(triggers) else None
        if blob is None or blob.collect is None:
            loaded = await self._contents.read(head.content)
            blob = loaded.automation.on[head.trigger].blob_created
        if blob is None or blob.collect is None:
            raise NotFoundError(f"automation {head.automation} has no trigger {head.trigger} that collects")
        return _rule(blob.collect)

    async def keep(self, name: str) -> None:
        """Keep the content of an automation in the ledger, before anything names it."""
        await self._contents.keep(self.catalogue.automations[name])

    async def limits(self, activity: Activity) -> Limits:
        """Give the limits that the activity began with."""
        loaded = await self._contents.read(activity.content)
        limits, deploy = limits_of(loaded.automation.limits), loaded.automation.do.deploy
        if deploy is None:
            return limits
        busy = limits.concurrency.when_busy if limits.concurrency else "hold"
        return replaced(limits, concurrency=Concurrency(f"endpoint-{endpoint_name(loaded, deploy)}", 1, busy))

    async def superseding(self, activity: Activity) -> bool:
        """Tell whether a newer activity of its kind takes the place of older ones that are held: a release does."""
        loaded = await self._contents.read(activity.content)
        return loaded.automation.do.deploy is not None

    async def supersede(self, older: str, by: str, now: datetime) -> None:
        """End an activity that is held: a newer one does what it was to do."""
        activity, etag = await self._activities.load(older)
        if activity.status != "held" or activity.steps[0].state == "done":
            return
        activity.status, activity.reason = "superseded", f"superseded by {by}"
        activity.updated, activity.due = now, None
        try:
            await self._activities.save(activity, etag)
        except ChangedError:
            return
        await self._activities.wake(older, timedelta(0))

    async def compute(self, activity: Activity) -> tuple[str, int]:
        """Give compute and nodes of the activity's main job, ("", 0) where it runs none."""
        loaded = await self._contents.read(activity.content)
        job = main_job(loaded.automation)
        return (loaded.jobs[job].compute, loaded.jobs[job].nodes) if job else ("", 0)

    async def merge(self, activity: Activity, into: str, now: datetime) -> Merging:
        """Have a held activity take over files and causes, once."""
        target, etag = await self._activities.load(into)
        if activity.id in target.merged:
            return "merged"
        if target.status != "held" or target.asked("cancel") is not None:
            return "gone"
        if merging_into(target) or looked_at(target, now):
            return "busy"  # written to in the middle of a look, the target would wait for that look to be overdue
        lists = [await self._files(one.files) for one in (target, activity) if one.files.count]
        files = newest_contents(file for members in lists for file in members)
        # Named by what it was made of: of two that merge at the same moment, neither writes over the other's list.
        blob = f"files/{into}-{hashlib.sha256(f'{etag}|{activity.id}'.encode()).hexdigest()[:12]}.json"
        await self._blobs.put(blob, encode(FileList(files=files)))
        target.files = Files(count=len(files), size=sum(file.size for file in files), blob=blob)
        claims = (*target.cause.claims, *activity.cause.claims)[:MOST_CLAIMS]
        target.cause = replace(target.cause, claims=claims, count=target.cause.count + activity.cause.count)
        target.merged = [*target.merged, activity.id]
        target.updated = now
        if files and not any(step.name == "files" for step in target.steps):
            target.steps = plan((await self._contents.read(target.content)).automation, target.files)
        try:
            await self._activities.save(target, etag)
        except ChangedError:
            return "busy"
        return "merged"

    async def merged(self, activity: Activity, into: str) -> bool:
        """Tell whether another one has taken it over."""
        return activity.id in (await self._activities.load(into))[0].merged

    async def open_for_collection(self, head: Head, cause: Cause, files: Files, failure: str) -> str:
        """Open the activity of a frozen list; `failure` is why it can only fail, "" for none."""
        loaded = await self.loaded(head.automation, head.content)
        created = head.closed or head.opened
        if created is None:
            raise ValueError(f"collection of {head.automation} has no time of closing")
        identifier = self._id(created, cause.collection, str(cause.generation))
        members = await self._files(files) if loaded.automation.when else ()  # only a condition looks at them
        return await self._open(loaded, identifier, created, cause, files, members, dict(head.captures), {}, failure)

    async def open_for_file(
        self, name: str, file: File, captures: dict[str, str], cause: Cause, created: datetime
    ) -> str:
        """Open the activity of a single file."""
        loaded = self.catalogue.automations[name]
        identifier = self._id(created, name, file.claim)
        blob = f"files/{identifier}.json"
        await _put_once(self._blobs, blob, encode(FileList(files=(file,))))
        files = Files(count=1, size=file.size, blob=blob)
        return await self._open(loaded, identifier, created, cause, files, (file,), captures, {}, "")

    async def open_for_events(
        self,
        name: str,
        cause: Cause,
        created: datetime,
        captures: dict[str, str],
        identity: tuple[str, ...],
        events: Sequence[Mapping[str, Any]] = (),
        trigger: int = 0,
    ) -> str:
        """Open the activity of events that bring no files, or of a time; `identity` makes asking twice one.

        Where it was opened before, for another event of the same identity, the one there is given.
        """
        loaded = self.catalogue.automations[name]
        identifier = self._id(created, name, *identity)
        if identity[0] == "drift":
            index = f"breaches/{activity_id(_EPOCH, name, *identity).rpartition('-')[2]}"
            identifier, _ = await _first(self._blobs, index, identifier)
        several = [dict(event) for event in events[:MOST_EVENTS]] if len(events) > 1 else []
        return await self._open(loaded, identifier, created, cause, Files(), (), captures, {}, "", several, trigger)

    async def open_by_hand(
        self, name: str, inputs: Mapping[str, Any], who: str, key: str, now: datetime
    ) -> tuple[str, bool]:
        """Open an activity that a person asked for; `key` makes asking twice one. Give its id and whether it is new.

        Raises KeyError for an unknown automation, ValueError for inputs that it does not take or files that it lacks.
        """
        loaded = self.catalogue.automations[name]
        given = typed_inputs(loaded.automation, inputs)
        if place := hands_files_on(loaded.automation):
            raise ValueError(
                f"{name} hands the files on that began it ({place}), and a start by hand brings none: have files that "
                "lie in storage taken in by a backfill, or let the rule read a dataset"
            )
        index = f"idempotency/{activity_id(_EPOCH, name, key).rpartition('-')[2]}"
        identifier, new = await _first(self._blobs, index, self._id(now, name, key))
        cause = Cause(kind="manual", who=who)
        await self._open(loaded, identifier, now, cause, Files(), (), {}, given, "")
        return identifier, new

    def _id(self, created: datetime, *identity: str) -> str:
        return activity_id(created, *identity, *self._hub)

    async def _open(
        self,
        loaded: Loaded,
        identifier: str,
        created: datetime,
        cause: Cause,
        files: Files,
        members: tuple[File, ...],
        captures: dict[str, str],
        inputs: dict[str, Any],
        failure: str,
        events: Sequence[dict[str, Any]] = (),
        trigger: int = -1,
    ) -> str:
        await self._contents.keep(loaded)
        automation = loaded.automation
        activity = Activity(
            id=identifier,
            automation=automation.name,
            content=loaded.content,
            action=automation.do.kind,
            cause=cause,
            created=created,
            updated=created,
            due=created,
            files=files,
            captures=captures,
            inputs=defaults(automation) | inputs,
            events=list(events),
            trigger=trigger,
            steps=plan(automation, files, trigger),
            traceparent=places.here() or places.under("", identifier).traceparent,
        )
        if failure:
            activity.status, activity.reason, activity.due = "failed", failure, None
        elif automation.when:
            refusal = _refusal(automation.when, activity, members)
            if refusal:
                activity.status, activity.reason, activity.due = "refused", refusal, None
        if await self._activities.open(activity) and activity.finished:
            telling.ended(activity)
        return identifier

    async def _files(self, files: Files) -> tuple[File, ...]:
        return decode(FileList, await self._blobs.get(files.blob)).files


def main_job(automation: Automation) -> str:
    """Give the file of the job that the action runs, "" where it runs none."""
    action = automation.do.train or automation.do.job or automation.do.score
    return (action.job or "") if action else ""


def _rule(collect: Collect) -> Rule:
    return Rule(
        quiet=collect.quiet,
        max_wait=collect.max_wait,
        max_files=collect.max_files,
        max_bytes=collect.max_bytes,
        marker=collect.until is not None,
        manifest=bool(collect.until and collect.until.manifest),
        if_incomplete=collect.if_incomplete,
    )


def variables(activity: Activity, members: tuple[File, ...]) -> dict[str, Any]:
    """Give what expressions of an activity see."""
    event = activity.cause.event or {"type": "blob-created" if activity.cause.kind == "events" else "manual"}
    files = [
        {"account": f.account, "container": f.container, "path": f.path, "etag": f.etag, "size": f.size}
        for f in members[:MOST_FILES_IN_CONDITIONS]
    ]
    return {
        "event": event,
        "events": activity.events or [event],
        "files": files,
        "captures": activity.captures,
        "inputs": activity.inputs,
        "activity": {"id": activity.id, "automation": activity.automation, "attempt": activity.attempt},
    }


def _refusal(when: str, activity: Activity, members: tuple[File, ...]) -> str:
    try:
        holds = Expression.compile(when).holds(variables(activity, members))
    except ExpressionError as error:
        return f"when could not be decided: {error}"
    return "" if holds else f"when is false: {when}"


def defaults(automation: Automation) -> dict[str, Any]:
    """Give the inputs that have a value where nobody gives one: those of activities that an event starts."""
    return {name: one.default for name, one in automation.inputs.items() if one.default is not None}


def typed_inputs(automation: Automation, given: Mapping[str, Any]) -> dict[str, Any]:
    """Check inputs that a person gives against those that the automation declares; raises ValueError."""
    kinds: dict[str, tuple[type, ...]] = {
        "string": (str,),
        "number": (int, float),
        "integer": (int,),
        "boolean": (bool,),
    }
    if unknown := sorted(set(given) - set(automation.inputs)):
        known = ", ".join(automation.inputs) or "it takes none"
        raise ValueError(f"{automation.name} has no input {', '.join(unknown)}; {known}")
    result: dict[str, Any] = {}
    for name, declared in automation.inputs.items():
        value = given.get(name, declared.default)
        if value is None:
            raise ValueError(f"input {name} of {automation.name} is missing: a {declared.type} is expected")
        if not isinstance(value, kinds[declared.type]) or (isinstance(value, bool) and declared.type != "boolean"):
            raise ValueError(f"input {name} of {automation.name} is {value!r}: a {declared.type} is expected")
        result[name] = value
    return result


async def _first(blobs: Blobs, index: str, identifier: str) -> tuple[str, bool]:
    """Give the id that was first kept under this index, and whether that is this one just now."""
    try:
        await blobs.put(index, identifier.encode(), absent=True)
    except AlreadyExistsError:
        return (await blobs.get(index)).decode(), False
    return identifier, True


async def _put_once(blobs: Blobs, name: str, content: bytes) -> None:
    try:
        await blobs.put(name, content, absent=True)
    except AlreadyExistsError:
        return
