"""Explains: from what somebody asks about to what came, what was decided, what it became, and what did not hold."""

import re
from datetime import datetime
from typing import Final

from shared.automations.models import Automation
from shared.bootstrap import Hub
from shared.data import Data
from shared.deciding.collecting import Close, Facts, decide
from shared.engine.outcomes import PermanentError, TransientError
from shared.events.identity import blob_subject, model_claim, run_subject
from shared.events.model import BlobCreated, Event
from shared.events.parsing import parse_one
from shared.expressions import Expression, ExpressionError
from shared.ledger.journal import claim_name
from shared.ledger.protocol import NotFoundError
from shared.ledger.records import Activity, File, FileList, Head, Outcome, Taken, decode
from shared.ledger.switches import Pause
from shared.rulebook import variables
from shared.why.answer import ActivitySaid, Became, BlobSaid, CollectionSaid, Condition, EventSaid, TriggerSaid, Why
from shared.why.conditions import guard, triggers_said
from shared.why.places import ActivityPlace, Blob, Claim, CollectionPlace, Model, Place, place
from shared.why.words import (
    did_nothing,
    sentences_of_activity,
    sentences_of_collection,
    sentences_of_event,
    sentences_of_invalid,
    sentences_of_nothing,
)

MOST_EVENTS: Final = 20
_ACTIVITY: Final = re.compile(r"[0-9]{8}t[0-9]{6}-[0-9a-f]{10}")
_MOST_FILES_SEEN: Final = 20


class Explainer:
    """Explains what a hub did. `data` is where it looks whether a blob is there."""

    def __init__(self, hub: Hub, data: Data) -> None:
        self._hub = hub
        self._data = data
        self._own = frozenset({(hub.settings.data_account, hub.settings.data_container)})
        self._runs = f"{hub.settings.hub_id}-"

    async def why(self, asked: str) -> Why:
        """Explain; raises UnknownPlaceError for what cannot be read, NotFoundError for an id that is not known."""
        said = await self._why(asked)
        if said.about in {"activity", "collection"} or not all(did_nothing(event) for event in said.events):
            return said
        invalid = {
            name: [str(problem) for problem in problems]
            for name, problems in self._hub.rulebook.catalogue.invalid.items()
        }
        return said.model_copy(update={"said": [*said.said, *sentences_of_invalid(invalid)]})

    async def _why(self, asked: str) -> Why:
        found = place(asked, self._hub.settings)
        pauses = await self._hub.switches.all()
        if isinstance(found, Claim):
            event = await self._event(found.name, pauses)
            if event is None:
                raise NotFoundError(f"no event {found.name} was received")
            return Why(asked=asked, about="event", said=sentences_of_event(event), events=[event])
        if isinstance(found, ActivityPlace):
            return await self._of_activity(asked, found.name, pauses)
        if isinstance(found, CollectionPlace):
            return await self._of_collection(asked, found.name)
        if isinstance(found, Blob):
            return await self._of_blob(asked, found, pauses)
        return await self._of_subject(asked, found, pauses)

    async def _of_activity(self, asked: str, identifier: str, pauses: dict[str, Pause]) -> Why:
        activity, _ = await self._hub.activities.load(identifier)
        said = await self._activity(activity, whole=True)
        held_by = guard(activity.automation, pauses) if not activity.finished else ""
        events = [event for claim in said.claims[:5] if (event := await self._event(claim, pauses, rules=False))]
        lines = sentences_of_activity(said, held_by)
        return Why(asked=asked, about="activity", said=lines, activity=said, events=events)

    async def _of_collection(self, asked: str, name: str) -> Why:
        found = await self._hub.collections.head(name)
        if found is None:
            raise NotFoundError(f"no collection {name!r}")
        said = await self._collection(name, found[0].generation, found[0])
        return Why(asked=asked, about="collection", said=sentences_of_collection(said), collection=said)

    async def _of_blob(self, asked: str, blob: Blob, pauses: dict[str, Pause]) -> Why:
        accounts = [blob.account] if blob.account else sorted(self._hub.settings.accounts)
        events: list[EventSaid] = []
        for account in accounts:
            events += await self._about(blob_subject(account, blob.container, blob.path), pauses)
        if events:
            lines = [line for event in events for line in sentences_of_event(event)]
            return Why(asked=asked, about="blob", said=lines, events=events)
        blobs = [await self._look(account, blob.container, blob.path) for account in accounts]
        there = next((one for one in blobs if one.exists), None)
        account = there.account if there else (accounts[0] if accounts else "")
        triggers = self._would(account, blob, there, pauses)
        kept = self._hub.clock() - self._hub.settings.retention
        lines = sentences_of_nothing(blobs, triggers, kept)
        return Why(asked=asked, about="blob", said=lines, blobs=blobs, triggers=triggers)

    async def _of_subject(self, asked: str, found: Place, pauses: dict[str, Pause]) -> Why:
        workspace = self._hub.settings.workspace
        if isinstance(found, Model):
            claim = model_claim(workspace, found.name, found.version)
            event = await self._event(claim, pauses)
            events = [event] if event else []
        else:
            events = await self._about(run_subject(workspace, getattr(found, "name", asked)), pauses)
        lines = [line for event in events for line in sentences_of_event(event)]
        about = "model" if isinstance(found, Model) else "run"
        nothing = [f"no event about {asked} was received"]
        return Why(asked=asked, about=about, said=lines or nothing, events=events)  # type: ignore[arg-type]

    async def _about(self, subject: str, pauses: dict[str, Pause]) -> list[EventSaid]:
        claims = await self._hub.journal.about(claim_name(subject, "")[:20])
        found = [event for claim in claims if (event := await self._event(claim, pauses))]
        return sorted(found, key=lambda event: event.received, reverse=True)[:MOST_EVENTS]

    async def _event(self, claim: str, pauses: dict[str, Pause], *, rules: bool = True) -> EventSaid | None:
        found = await self._hub.journal.get(claim)
        if found is None:
            return None
        taken, received, decided = found
        return EventSaid(
            id=claim,
            received=received,
            via=taken.via,
            type=str(taken.event.get("eventType") or taken.event.get("type") or ""),
            subject=str(taken.event.get("subject") or ""),
            decided=decided,
            became=[await self._became(outcome, taken) for outcome in taken.outcomes],
            triggers=self._triggers(taken, received, pauses) if rules else [],
        )

    def _triggers(self, taken: Taken, received: datetime, pauses: dict[str, Pause]) -> list[TriggerSaid]:
        event = parse_one(taken.event, received)
        if not isinstance(event, Event):
            return []
        return triggers_said(event, self._automations(), self._own, self._runs, pauses)

    def _automations(self) -> list[Automation]:
        return [loaded.automation for loaded in self._hub.rulebook.catalogue.automations.values()]

    async def _became(self, outcome: Outcome, taken: Taken) -> Became:
        collection = activity = None
        if outcome.what in {"collected", "marked"}:
            found = await self._hub.collections.head(outcome.target)
            if found is not None:
                generation = await self._generation(outcome, taken, found[0])
                collection = await self._collection(outcome.target, generation, found[0])
                opened = await self._hub.collections.opened(outcome.target, generation)
                activity = await self._loaded(opened) if opened else None
        elif _ACTIVITY.fullmatch(outcome.target):
            activity = await self._loaded(outcome.target)
        return Became(
            what=outcome.what,
            automation=outcome.automation,
            target=outcome.target,
            reason=outcome.reason,
            collection=collection,
            activity=activity,
        )

    async def _generation(self, outcome: Outcome, taken: Taken, head: Head) -> int:
        """Give the generation that froze the file: one that came while it closed is in the next, if not in this."""
        for generation in range(outcome.generation, min(outcome.generation + 2, head.generation)):
            members = await self._hub.collections.frozen(f"collections/{outcome.target}/{generation}.json")
            if any(file.claim == taken.claim for file in members):
                return generation
        return outcome.generation

    async def _collection(self, name: str, generation: int, head: Head) -> CollectionSaid:
        if generation != head.generation:
            blob = f"collections/{name}/{generation}.json"
            frozen = await self._hub.collections.frozen(blob)
            return CollectionSaid(id=name, generation=generation, state="closed", files=len(frozen))
        gathered = await self._hub.collections.gathered(name, generation)
        waits = ""
        if head.state == "open" and head.opened and gathered.arrived:
            rule = await self._hub.rulebook.rule(head)
            facts = Facts(
                files=gathered.count,
                size=gathered.size,
                opened=head.opened,
                arrived=gathered.arrived,
                marker=gathered.marked,
                asked=head.close_asked,
                missing=gathered.missing,
            )
            verdict = decide(rule, facts, self._hub.clock())
            waits = f"it closes: {verdict.reason}" if isinstance(verdict, Close) else verdict.reason
        return CollectionSaid(
            id=name,
            generation=generation,
            state=head.state,
            opened=head.opened,
            files=gathered.count,
            waits_for=waits,
            closed_by=head.closed_by,
        )

    async def _loaded(self, identifier: str) -> ActivitySaid | None:
        try:
            return await self._activity((await self._hub.activities.load(identifier))[0], whole=False)
        except NotFoundError:
            return None

    async def _activity(self, activity: Activity, *, whole: bool) -> ActivitySaid:
        return ActivitySaid(
            id=activity.id,
            automation=activity.automation,
            status=activity.status,
            reason=activity.reason.removeprefix(f"{activity.status}: "),
            created=activity.created,
            attempt=activity.attempt,
            cause=activity.cause.kind + (f" by {activity.cause.who}" if activity.cause.who else ""),
            claims=list(activity.cause.claims),
            closed_by=activity.cause.closed_by,
            conditions=await self._when(activity) if whole else [],
            steps=[
                f"{step.name} {step.state}" + (f": {step.reason}" if step.reason else "") for step in activity.steps
            ],
        )

    async def _when(self, activity: Activity) -> list[Condition]:
        """Evaluate `when` of the frozen automation anew, on the values that were seen: it gives the same again."""
        try:
            loaded = await self._hub.rulebook.loaded("", activity.content)
        except NotFoundError:
            return []
        if not loaded.automation.when:
            return []
        members: tuple[File, ...] = ()
        if activity.files.blob:
            members = decode(FileList, await self._hub.store.blobs.get(activity.files.blob)).files
        seen = variables(activity, members)
        expression = Expression.compile(loaded.automation.when)
        shown = {name: _short(seen.get(name)) for name in sorted(expression.variables)}
        try:
            holds, reason = expression.holds(seen), ""
        except ExpressionError as error:
            holds, reason = False, str(error)
        return [Condition(what="when", holds=holds, expected=loaded.automation.when, seen=shown, reason=reason)]

    async def _look(self, account: str, container: str, path: str) -> BlobSaid:
        try:
            async for file in self._data.files(account, container, path):
                if file.path == path:
                    return BlobSaid(
                        account=account,
                        container=container,
                        path=path,
                        exists=True,
                        written=file.time,
                        size=file.size,
                        etag=file.etag,
                    )
                break
        except PermanentError as error:
            exists = False if "has no container" in str(error) else None
            return BlobSaid(account=account, container=container, path=path, exists=exists, reason=str(error))
        except TransientError as error:
            return BlobSaid(account=account, container=container, path=path, exists=None, reason=str(error))
        return BlobSaid(account=account, container=container, path=path, exists=False)

    def _would(self, account: str, blob: Blob, there: BlobSaid | None, pauses: dict[str, Pause]) -> list[TriggerSaid]:
        facts = BlobCreated(account, blob.container, blob.path, there.etag if there else "", 0, "PutBlob")
        event = Event("", "", "Microsoft.Storage.BlobCreated", "", self._hub.clock(), {}, facts, {})
        return triggers_said(event, self._automations(), self._own, self._runs, pauses)


def _short(value: object) -> object:
    """Give a value that fits on a page: a list by its length and its first parts."""
    if isinstance(value, list) and len(value) > _MOST_FILES_SEEN:
        return [*value[:_MOST_FILES_SEEN], f"… {len(value) - _MOST_FILES_SEEN} more"]
    return value
