"""Takes events in: each is claimed once, decided, acted on and recorded; only then is the delivery answered.

1. Read the events; a broken one is quarantined with its reason and costs the others nothing.
2. Decide in memory what each means.
3. Claim: one transaction a shard. What nobody waits for is recorded as decided at once.
4. Do the effects: members of collections, activities, wake-ups. Each is idempotent by the claim or the part.
5. Record what became of each, which closes the part.
A crash before 5 leaves an open part: the redelivery, or the sweep, does 4 and 5 again.
"""

import asyncio
import hashlib
import json
import logging
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import msgspec

from shared.automations.models import Automation, Collect
from shared.data import Data
from shared.deciding import breaches, manifests
from shared.deciding.collecting import SETTLE
from shared.deciding.manifests import Manifest
from shared.deciding.matching import Decision, Match
from shared.engine.outcomes import PermanentError
from shared.events.model import Broken, Event, Other, RunCompleted, RunStatusChanged
from shared.events.parsing import parse, parse_one
from shared.intake.probing import Probes
from shared.intake.read import Read
from shared.intake.ticking import Triggers
from shared.ledger.activities import Activities
from shared.ledger.collections import Collections, collection_id
from shared.ledger.deadletters import DeadLetters
from shared.ledger.gathered import Member
from shared.ledger.journal import Claimed, Journal, Part, UndecidedError, claim_name
from shared.ledger.protocol import StoreError
from shared.ledger.records import Cause, Head, Outcome, Taken
from shared.rulebook import Rulebook
from shared.telemetry import places, telling
from shared.telemetry.telling import Done

logger = logging.getLogger(__name__)
_T = TypeVar("_T")

_FILES_A_MEMBER = 100
_AT_ONCE = 64
"""Things of one delivery that are done at the same time."""
_SOON = timedelta(seconds=1)
_MOST_SOON = 1000
_OLD = timedelta(days=1)
"""As long as Event Grid tries to deliver."""
_AHEAD = timedelta(minutes=5)
"""By which the clocks of others may be ahead."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """What a delivery came to: events that are new, known ones, and broken ones."""

    new: int = 0
    known: int = 0
    broken: int = 0


class _Item(msgspec.Struct, frozen=True):
    """An event that was read, and what it means; `event` and `claim` are those of `read`, looked at many times."""

    read: Read
    event: Event
    claim: str
    decision: Decision

    @classmethod
    def of(cls, read: Read, decision: Decision) -> "_Item":
        return cls(read, read.event, read.claim, decision)


class Intake:
    """Takes events in. `hub_id` is the prefix of runs that the hub itself launched."""

    def __init__(
        self,
        journal: Journal,
        collections: Collections,
        activities: Activities,
        rulebook: Rulebook,
        letters: DeadLetters,
        triggers: Triggers,
        probes: Probes,
        data: Data,
        hub_id: str,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._journal = journal
        self._collections = collections
        self._activities = activities
        self._rulebook = rulebook
        self._letters = letters
        self._triggers = triggers
        self._probes = probes
        self._data = data
        self._hub_id = hub_id
        self._clock = clock
        self._soon: dict[str, datetime] = {}
        self._by: dict[tuple[str, int], tuple[str, ...] | None] = {}

    async def accept(self, body: bytes | str, now: datetime, via: str) -> Accepted:
        """Take in a delivery; when this returns, all of it is recorded as decided.

        Raises UndecidedError or StoreError where it is not: the sender then sends again, and nothing is doubled.
        """
        return await self.take(parse(body, now), now, via)

    async def take(self, events: Sequence[Event | Broken], now: datetime, via: str, *, mark: str = "") -> Accepted:
        """Take in events that are read already.

        With a `mark` they are claimed as that replay: events that were decided before are decided again, once a mark.
        """
        read = [event if isinstance(event, Broken) else Read.of(event, mark) for event in events]
        return await self.take_read(read, now, via, replayed=bool(mark))

    async def take_read(
        self, events: Sequence[Read | Broken], now: datetime, via: str, *, replayed: bool = False
    ) -> Accepted:
        """Take in events whose claims are known already."""
        items: dict[str, _Item] = {}
        idle: list[_Item] = []
        active: list[_Item] = []
        broken: list[Taken] = []
        done: list[Done] = []
        repeated = 0
        for event in events:
            if isinstance(event, Broken):
                broken.append(_quarantined(event, via))
                content = json.dumps(event.raw, default=str).encode()
                await self._letters.record("quarantine", content, now, event.reason, once=True)
                continue
            if event.claim in items:
                repeated += 1
                continue
            item = items[event.claim] = _Item.of(event, self._rulebook.matcher.decide(event.event))
            (active if self._acts(item) else idle).append(item)
        settled = {item.claim: _taken(item, via, _negative(item)) for item in idle} | {one.claim: one for one in broken}
        recorded = await self._journal.claim(list(settled.values()), now, decided=True) if settled else []
        fresh = [event for one in recorded if one.part for event in one.part.events if event.claim in items]
        done += [(items[event.claim].event, event.claim, event.outcomes) for event in fresh]
        claimed = await self._claim([_taken(item, via) for item in active], items, done, now)
        if duplicates := [event for one in (*recorded, *claimed) for event in one.duplicates]:
            await self._journal.fold(duplicates, now)
        left = [event for one in (*recorded, *claimed) for event in one.left]
        known = len(duplicates)
        accepted = Accepted(len(items) + len(broken) - known - len(left), known + repeated, len(broken))
        counts = {"new": accepted.new - len(broken), "known": accepted.known, "broken": len(broken)}
        telling.taken("replay" if replayed else via, now, done, counts)
        for one in (*recorded, *claimed):
            if one.error is not None:
                raise one.error
        return accepted

    async def _claim(
        self, events: list[Taken], items: Mapping[str, _Item], done: list[Done], now: datetime
    ) -> list[Claimed]:
        """Claim and decide; what a crash has left undecided in between is decided next, and then no obstacle."""
        claimed = await self._journal.claim(events, now)
        done += await self._decide_of(claimed, items)
        left = [event for one in claimed if isinstance(one.error, UndecidedError) for event in one.left]
        if not left or not await self.sweep(now):
            return claimed
        again = await self._journal.claim(left, now)
        done += await self._decide_of(again, items)
        kept = [replace(one, left=(), error=None) if isinstance(one.error, UndecidedError) else one for one in claimed]
        return [*kept, *again]

    async def _decide_of(self, claimed: Sequence[Claimed], items: Mapping[str, _Item]) -> list[Done]:
        parts = [one.part for one in claimed if one.part is not None]
        return await self._decide(parts, items) if parts else []

    async def sweep(self, now: datetime) -> int:
        """Decide what a crash has left undecided; give how many parts that were."""
        count = 0
        for part in await self._journal.stale(now):
            logger.warning("part %s of %d events was left undecided: deciding it", part.key, len(part.events))
            try:
                await self._decide([part])
            except Exception:
                logger.exception("part %s cannot be decided now; the others are", part.key)
            else:
                count += 1
        return count

    def _acts(self, item: _Item) -> bool:
        return bool(item.decision.matches) or item.decision.probe or self._woken(item.event) is not None

    def _woken(self, event: Event) -> str | None:
        """Give the activity whose run the event tells of: its job's name holds it."""
        if not isinstance(event.facts, RunCompleted | RunStatusChanged):
            return None
        prefix = f"{self._hub_id}-"
        if not event.facts.run.startswith(prefix):
            return None
        pieces = event.facts.run[len(prefix) :].split("-")
        return f"{pieces[0]}-{pieces[1]}" if len(pieces) >= 4 else None

    async def _decide(self, parts: Sequence[Part], read: Mapping[str, _Item] | None = None) -> list[Done]:
        """Do what the events of parts of one delivery ask for; `read` are those that this process has read already."""
        received = parts[0].received
        by_part = [
            [(read or {}).get(taken.claim) or self._item(taken, received) for taken in part.events] for part in parts
        ]
        items = [item for some in by_part for item in some]
        groups: dict[tuple[str, int, tuple[tuple[str, str], ...]], list[tuple[_Item, Match]]] = {}
        outcomes: dict[str, list[Outcome]] = {item.claim: [] for item in items}
        for item in items:
            for match in item.decision.matches:
                groups.setdefault(self._group(item, match), []).append((item, match))
            if (activity := self._woken(item.event)) is not None:
                await self._activities.wake(activity, timedelta(0))
                outcomes[item.claim].append(Outcome(what="woke", target=activity))
            if item.decision.probe:
                await self._probes.came(item.event, received)
                outcomes[item.claim].append(Outcome(what="probe", reason=item.decision.reason))
        keys, name = list(groups), _name_of(parts)
        for start in range(0, len(keys), _AT_ONCE):
            some = keys[start : start + _AT_ONCE]
            for result in await _together([self._act(received, name, key, groups[key]) for key in some]):
                for claimed, outcome in result:
                    outcomes[claimed].append(outcome)
        found = [[tuple(outcomes[item.claim]) or _negative(item) for item in some] for some in by_part]
        await _together([self._journal.decide(part, one) for part, one in zip(parts, found, strict=True)])
        flat = [one for some in found for one in some]
        return [(item.event, item.claim, one) for item, one in zip(items, flat, strict=True)]

    def _item(self, taken: Taken, received: datetime) -> _Item:
        event = parse_one(taken.event, received)
        if isinstance(event, Broken):
            unread = Event("", "", "", "", received, {}, Other(), taken.event)
            reason = f"this version of the hub cannot read it: {event.reason}"
            return _Item.of(Read(unread, taken.claim), Decision(reason=reason))
        return _Item.of(Read(event, taken.claim), self._rulebook.matcher.decide(event))

    def _group(self, item: _Item, match: Match) -> tuple[str, int, tuple[tuple[str, str], ...]]:
        trigger = match.automation, match.trigger
        if trigger not in self._by:
            blob = self._rulebook.automation(match.automation).on[match.trigger].blob_created
            self._by[trigger] = blob.collect.by if blob and blob.collect else None
        by = self._by[trigger]
        if by is None or match.role not in {"file", "marker"}:
            return *trigger, (("", item.claim),)
        return *trigger, tuple([(name, match.captures[name]) for name in by])

    async def _act(
        self,
        received: datetime,
        delivery: str,
        key: tuple[str, int, tuple[tuple[str, str], ...]],
        members: list[tuple[_Item, Match]],
    ) -> list[tuple[str, Outcome]]:
        name, trigger, by = key
        automation = self._rulebook.automation(name)
        blob = automation.on[trigger].blob_created
        if blob is None or blob.collect is None:
            results = []
            for item, match in members:
                with places.inside(telling.place_of(item.event, item.claim)):
                    results.append(await self._one(automation, received, item, match))
            return results
        await self._rulebook.keep(name)
        collection = collection_id(name, trigger, by)
        wanted = Head(
            automation=name,
            content=self._rulebook.content(name),
            trigger=trigger,
            by=dict(by),
            captures=dict(by),
        )
        first_look = min(blob.collect.quiet, blob.collect.max_wait)
        generation = 0
        for start in range(0, len(members), _FILES_A_MEMBER):
            portion = members[start : start + _FILES_A_MEMBER]
            member = Member(
                arrived=received,
                files=tuple(item.read.file for item, match in portion if match.role == "file"),
                markers=tuple(item.read.file for item, match in portion if match.role == "marker"),
                manifests=await self._manifests(blob.collect, portion),
            )
            row = f"{delivery}-{start}"
            generation = await self._collections.put(collection, member, row, wanted, received, first_look)
            if member.markers:
                await self._collections.wake(collection, generation, SETTLE)
        by_size = blob.collect.max_files or blob.collect.max_bytes
        if by_size or (blob.collect.until and blob.collect.until.manifest):
            await self._look_soon(collection)
        collected = Outcome(what="collected", automation=name, target=collection, generation=generation)
        came = Outcome(what="marked", automation=name, target=collection, generation=generation)
        return [(item.claim, came if match.role == "marker" else collected) for item, match in members]

    async def _manifests(self, collect: Collect, portion: Sequence[tuple[_Item, Match]]) -> dict[str, Manifest]:
        """Read those of a delivery's blobs that are manifests. Raises TransientError where storage does not answer."""
        found: dict[str, Manifest] = {}
        if collect.until is None or collect.until.manifest is None:
            return found
        for file in (item.read.file for item, match in portion if match.role == "marker"):
            try:
                content = await self._data.read(file.account, file.container, file.path, limit=manifests.MAX_BYTES)
                found[file.claim] = manifests.read(content, file.path)
            except (PermanentError, manifests.ManifestError) as error:
                found[file.claim] = Manifest(path=file.path, problem=str(error))
        return found

    async def _look_soon(self, collection: str) -> None:
        """Have a collection looked at that closes at so many files or bytes; one look a second is enough."""
        now = self._clock()
        if now < self._soon.get(collection, now):
            return  # that look is still to come, and will see what is there now
        if len(self._soon) > _MOST_SOON:
            self._soon.clear()
        self._soon[collection] = now + _SOON  # before it is sent: others that come meanwhile need not
        try:
            await self._collections.look_soon(collection, _SOON)
        except StoreError:
            self._soon.pop(collection, None)
            raise

    async def _one(self, automation: Automation, received: datetime, item: _Item, match: Match) -> tuple[str, Outcome]:
        """Do what a single event means to one automation."""
        event, name = summary(item.event), automation.name
        if match.role == "part":
            opened, reason = await self._triggers.part(
                automation, match.trigger, item.claim, item.event.time, match.kinds, event, received
            )
            what = "opened" if opened else "waits"
            return item.claim, Outcome(what=what, automation=name, target=opened, reason=reason)
        if match.role == "expected":
            await self._triggers.expected(automation, match.trigger, item.event.time, received)
            return item.claim, Outcome(what="expected", automation=name, reason="it came in time")
        cause = Cause(kind="events", claims=(item.claim,), count=1, event=event)
        captures, begun = dict(match.captures), _begun(item.event.time, received)
        if match.role in {"event", "drift"}:
            breach = breaches.read(item.event) if match.role == "drift" else None
            identity = ("drift", breach.run) if breach else (item.claim,)
            if breach:
                event["breach"] = asdict(breach)
                cause = Cause(kind="events", claims=(item.claim,), count=1, event=event)
            identifier = await self._rulebook.open_for_events(
                name, cause, begun, captures, identity, [event], trigger=match.trigger
            )
        else:
            identifier = await self._rulebook.open_for_file(name, item.read.file, captures, cause, begun)
        return item.claim, Outcome(what="opened", automation=name, target=identifier)


async def _together(works: Sequence[Coroutine[Any, Any, _T]]) -> list[_T]:
    """Do things at the same time; one alone as it is."""
    return [await works[0]] if len(works) == 1 else list(await asyncio.gather(*works))


def _name_of(parts: Sequence[Part]) -> str:
    """Name what parts bring together. Each by itself, as the sweep decides it, brings less, under a name of its own."""
    first = parts[0].key.replace(":", "-")
    if len(parts) == 1:
        return first
    digest = hashlib.sha256("\0".join(part.key for part in parts).encode()).hexdigest()
    return f"{first}-{digest[:16]}"


def _begun(time: datetime, received: datetime) -> datetime:
    """Give when an activity counts as begun: with its event or, where that is old or lies ahead, with its arrival.

    Lists and the first page go by it: what begins today is not to be looked for under the day of an old file. Both
    times are kept with the event, so that deciding it again gives the same activity.
    """
    return time if -_AHEAD <= received - time < _OLD else received


def summary(event: Event) -> dict[str, object]:
    """Give what conditions and people see of an event."""
    return {
        "id": event.id,
        "type": _short_type(event.type),
        "source": event.source,
        "subject": event.subject,
        "time": event.time.astimezone(UTC).isoformat(),
        "data": dict(event.data),
    }


def _short_type(kind: str) -> str:
    """Give `blob-created` for Microsoft.Storage.BlobCreated; other types stay as they are."""
    if not kind.startswith(("Microsoft.Storage.", "Microsoft.MachineLearningServices.")):
        return kind
    name = kind.rpartition(".")[2]
    return "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("-")


def _taken(item: _Item, via: str, outcomes: tuple[Outcome, ...] = ()) -> Taken:
    return Taken(claim=item.claim, event=item.event.raw, via=via, outcomes=outcomes)


def _negative(item: _Item) -> tuple[Outcome, ...]:
    return (Outcome(what="ignored", reason=item.decision.reason or "nothing was to be done"),)


def _quarantined(event: Broken, via: str) -> Taken:
    raw = event.raw if isinstance(event.raw, dict) else {"body": str(event.raw)}
    return Taken(
        claim=claim_name("quarantine\0" + event.reason, repr(event.raw)),
        event=raw,
        via=via,
        outcomes=(Outcome(what="quarantined", reason=event.reason),),
    )
