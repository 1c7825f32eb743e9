"""What is read: automations, activities, collections, holds, events, status."""

import asyncio
import math
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Final, TypeVar

from shared.api.models import (
    ACTIVITY,
    LETTER,
    ActivityView,
    AuditView,
    AutomationCounts,
    AutomationView,
    CollectionView,
    DeadLetterView,
    EventView,
    FindingView,
    HoldView,
    InputView,
    Page,
    ProbeView,
    QueueView,
    Status,
    StormView,
    VerifiedView,
)
from shared.api.problems import ProblemError
from shared.api.requests import ActivitiesQuery, AuditQuery, EventsQuery, PageQuery
from shared.api.routes import Call, Reply, shown_etag
from shared.api.views import activity_view, dead_letter_view, event_view, held_activity, held_collection, pause_view
from shared.bootstrap import Hub
from shared.deciding.collecting import Close, Facts, decide
from shared.ledger.gathered import Gathered
from shared.ledger.protocol import NotFoundError
from shared.ledger.records import Activity, FileList, Head, decode
from shared.ledger.switches import HUB, Pause, automation_switch
from shared.ledger.unfinished import Unfinished

_SHOWN_FILES: Final = 5000
_MOST_LOOKED_AT: Final = 5000
"""Activities or pages that one request looks through for a filter; the token goes on from there."""
_AT_ONCE: Final = 16
_LATEST: Final = 99_999_999_999_999
_LONGEST_AGO: Final = timedelta(days=400)
"""How far back a list goes: each day is a partition, and an empty one costs a look too."""
T = TypeVar("T")
R = TypeVar("R")


async def each(items: Iterable[T], do: Callable[[T], Awaitable[R]]) -> list[R]:
    """Do for all, a few at once, in order."""
    gate = asyncio.Semaphore(_AT_ONCE)

    async def one(item: T) -> R:
        async with gate:
            return await do(item)

    return list(await asyncio.gather(*(one(item) for item in items)))


async def automations(call: Call) -> Page[AutomationView]:
    """List the automations, the valid ones first."""
    return Page[AutomationView](items=_automations(call.hub, await call.hub.switches.all()))


async def automation(call: Call) -> AutomationView:
    """Give one automation."""
    name = call.values["name"]
    for view in _automations(call.hub, await call.hub.switches.all()):
        if view.name == name:
            return view
    raise ProblemError(404, "Not found", f"there is no automation {name!r}")


def _automations(this: Hub, pauses: dict[str, Pause]) -> list[AutomationView]:
    catalogue = this.rulebook.catalogue
    views = [
        AutomationView(
            name=name,
            valid=True,
            description=loaded.automation.description,
            action=loaded.automation.do.kind,
            content=loaded.content,
            file=f"{loaded.file}:{loaded.line}",
            inputs={
                key: InputView(type=value.type, default=value.default, description=value.description)
                for key, value in loaded.automation.inputs.items()
            },
            paused=pause_view(pauses[switch]) if (switch := automation_switch(name)) in pauses else None,
        )
        for name, loaded in catalogue.automations.items()
    ]
    return views + [
        AutomationView(name=key, valid=False, problems=[str(problem) for problem in problems])
        for key, problems in catalogue.invalid.items()
    ]


async def activities(call: Call) -> Page[ActivityView]:
    """List activities, newest first."""
    query = call.asked(ActivitiesQuery)
    since = query.since or call.now - timedelta(days=30)
    since = max(since.replace(tzinfo=UTC) if since.tzinfo is None else since, call.now - _LONGEST_AGO)
    _check_token(query.token, call.now)
    found: list[ActivityView] = []
    last, looked = "", 0
    newest = call.hub.activities.newest(call.now, until=since, before=query.token)
    async for activity in newest:
        if activity.created < since:
            break
        if len(found) == query.limit or looked == _MOST_LOOKED_AT:
            return Page[ActivityView](items=found, next=last)
        looked, last = looked + 1, activity.id
        if query.automation in {"", activity.automation} and query.status in {None, activity.status}:
            found.append(activity_view(activity))
    return Page[ActivityView](items=found)


def _check_token(token: str, now: datetime) -> None:
    if not token:
        return
    try:
        known = re.fullmatch(ACTIVITY, token) and datetime.strptime(token[:8], "%Y%m%d").date() <= now.date()
    except ValueError:
        known = False
    if not known:
        raise ProblemError(400, "Bad token", "give the `next` of the page before")


async def activity(call: Call) -> Reply:
    """Give one activity with its files, and its ETag."""
    found, etag = await call.hub.activities.load(call.values["id"])
    members = None
    if found.files.blob:
        members = decode(FileList, await call.hub.store.blobs.get(found.files.blob)).files[:_SHOWN_FILES]
    return Reply(activity_view(found, members), headers={"ETag": shown_etag(etag)})


async def events(call: Call) -> Page[EventView]:
    """List events with what became of them, newest first."""
    query = call.asked(EventsQuery)
    found: list[EventView] = []
    token, looked = query.token, 0
    while True:
        page, token = await call.hub.journal.newest(limit=query.limit, before=token)
        looked += len(page)
        found += [
            event_view(received, event)
            for received, event in page
            if not query.outcome or any(outcome.what == query.outcome for outcome in event.outcomes)
        ]
        if not token or len(found) >= query.limit or looked >= _MOST_LOOKED_AT:
            return Page[EventView](items=found, next=token or None)


async def dead_letters(call: Call) -> Page[DeadLetterView]:
    """List dead letters, newest first."""
    query = call.asked(PageQuery)
    if query.token and not re.fullmatch(LETTER, query.token):
        raise ProblemError(400, "Bad token", "give the `next` of the page before")
    found = await call.hub.letters.newest(limit=query.limit + 1, after=query.token)
    shown = [dead_letter_view(letter) for letter in found[: query.limit]]
    return Page[DeadLetterView](items=shown, next=shown[-1].id if len(found) > query.limit else None)


async def dead_letter(call: Call) -> DeadLetterView:
    """Give one dead letter with its content."""
    letter, content = await call.hub.letters.get(call.values["id"])
    return dead_letter_view(letter, content)


async def audit(call: Call) -> Page[AuditView]:
    """List the audit trail, newest first."""
    query = call.asked(AuditQuery)
    until, offset = call.now, 0
    if query.token:
        milliseconds, _, text = query.token.partition("-")
        until = min(call.now, datetime.fromtimestamp(min(int(milliseconds), _LATEST) / 1000, UTC))
        offset = min(int(text), _MOST_LOOKED_AT)
    found = await call.hub.audit.newest(until, limit=offset + query.limit + 1)
    items = [
        AuditView(
            chain=chain,
            number=entry.number,
            at=entry.at,
            who=entry.who,
            what=entry.what,
            subject=entry.subject,
            reason=entry.reason,
            detail=entry.detail,
            hash=entry.hash,
        )
        for chain, entry in found[offset : offset + query.limit]
    ]
    more = len(found) > offset + query.limit
    token = f"{math.ceil(until.timestamp() * 1000)}-{offset + query.limit}" if more else None
    return Page[AuditView](items=items, next=token)


async def audit_verify(call: Call) -> VerifiedView:
    """Say whether the audit trail is as it was written."""
    found = await call.hub.audit.verify()
    findings = [FindingView(chain=one.chain, number=one.number, problem=one.problem) for one in found.findings]
    return VerifiedView(entries=found.entries, seals=found.seals, tail=found.tail, findings=findings)


async def _gathering(this: Hub) -> AsyncIterator[tuple[str, Head, Gathered]]:
    for entry in await Unfinished(this.store).all("collection"):
        found = await this.collections.head(entry.name)
        if found is not None and found[0].state != "idle":
            yield entry.name, found[0], await this.collections.gathered(entry.name, found[0].generation)


async def collections(call: Call) -> Page[CollectionView]:
    """List what is gathering."""
    return Page[CollectionView](
        items=[
            CollectionView(
                id=name,
                automation=head.automation,
                by=head.by,
                generation=head.generation,
                state=head.state,
                opened=head.opened,
                files=gathered.count,
                size=gathered.size,
                last=gathered.arrived,
                marker=gathered.marked is not None,
            )
            async for name, head, gathered in _gathering(call.hub)
        ]
    )


async def unfinished(this: Hub) -> list[Activity]:
    """Give the activities that are not finished."""

    async def load(identifier: str) -> Activity | None:
        try:
            return (await this.activities.load(identifier))[0]
        except NotFoundError:
            return None

    entries = await Unfinished(this.store).all("activity")
    return [found for found in await each([entry.name for entry in entries], load) if found and not found.finished]


async def holds(call: Call) -> Page[HoldView]:
    """List what is kept back, and why."""
    items = [held_activity(found) for found in await unfinished(call.hub) if found.status == "held"]
    async for name, head, gathered in _gathering(call.hub):
        if (reason := await _kept_back(call, head, gathered)) is not None:
            items.append(held_collection(name, head, reason))
    return Page[HoldView](items=sorted(items, key=lambda item: str(item.since), reverse=True))


async def _kept_back(call: Call, head: Head, gathered: Gathered) -> str | None:
    """Give why a collection is held, by the code that decides when it closes; None where it just gathers."""
    if head.state != "open" or head.opened is None or gathered.arrived is None:
        return None
    rule = await call.hub.rulebook.rule(head)
    facts = Facts(
        files=gathered.count,
        size=gathered.size,
        opened=head.opened,
        arrived=gathered.arrived,
        marker=gathered.marked,
        asked=head.close_asked,
        missing=gathered.missing,
    )
    verdict = decide(rule, facts, call.now)
    return None if isinstance(verdict, Close) or not verdict.reason.startswith("held: ") else verdict.reason


async def status(call: Call) -> Status:
    """Give queue ages, backlog, pauses and invalid automations."""
    this = call.hub
    queues = {}
    for name in (this.settings.events_queue, this.settings.work_queue):
        count, age = await this.store.queue(name).depth()
        queues[name] = QueueView(messages=count, oldest_seconds=round(age, 1))
    index = Unfinished(this.store)
    pauses = await this.switches.all()
    catalogue = this.rulebook.catalogue
    since, trips = await this.admission.storm()
    probe = await this.probes.last()
    return Status(
        hub=this.settings.hub_id,
        time=call.now,
        paused=pause_view(pauses[HUB]) if HUB in pauses else None,
        queues=queues,
        open={kind: len(await index.all(kind)) for kind in ("activity", "collection")},
        automations=AutomationCounts(
            valid=len(catalogue.automations),
            invalid={key: [str(problem) for problem in problems] for key, problems in catalogue.invalid.items()},
        ),
        paused_automations=[pause_view(pause) for name, pause in pauses.items() if name != HUB],
        storm=StormView(since=since, trips=trips),
        probe=ProbeView(sent=probe.sent, came=probe.came, latency_seconds=probe.latency),
        held=sum(activity.status == "held" for activity in await unfinished(this)),
    )
