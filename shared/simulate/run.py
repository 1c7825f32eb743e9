"""Runs events through a pretended hub, and says what would happen."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from shared.automations.loading import Catalogue
from shared.deciding.collecting import Close, Facts, decide
from shared.events.identity import claim
from shared.events.model import Broken, Event
from shared.events.parsing import parse_one
from shared.intake.read import Read
from shared.ledger.records import Activity, FileList, Outcome, Step, decode
from shared.ledger.unfinished import Unfinished
from shared.settings import Settings
from shared.simulate.answer import ActivityTold, CollectionTold, EventTold, OutcomeTold, Simulation
from shared.simulate.world import World

USUAL: Final = timedelta(minutes=10)
"""How long a job is taken to last where nothing is known."""
LONGEST: Final = timedelta(days=400)
_SHOWN_FILES: Final = 10


class TooLongError(ValueError):
    """The events lie further apart than a simulation goes."""


def usual(activity: Activity, step: Step) -> timedelta:
    """Take every job to last equally long."""
    return USUAL


async def simulate(
    settings: Settings, catalogue: Catalogue, items: Sequence[Any], now: datetime, horizon: timedelta
) -> Simulation:
    """Take events in, each at its own time, and let `horizon` pass after the last. Raises TooLongError."""
    events = [parse_one(item, now) for item in items]
    return await simulate_events(settings, catalogue, events, now, horizon)


async def simulate_at_once(
    settings: Settings, catalogue: Catalogue, events: Sequence[Event | Broken], now: datetime, horizon: timedelta
) -> Simulation:
    """Take events in that come all together now, whenever what they tell of was."""
    world = World(settings, catalogue, now, usual)
    read = [event if isinstance(event, Broken) else Read.of(event) for event in events]
    await world.deliver(read, now, "simulation")
    return await _told(world, events, catalogue, now, horizon)


async def simulate_events(
    settings: Settings, catalogue: Catalogue, events: Sequence[Event | Broken], now: datetime, horizon: timedelta
) -> Simulation:
    """Take events in that are read already, each at its own time. Raises TooLongError."""
    read = sorted((event for event in events if isinstance(event, Event)), key=lambda event: event.time)
    began = read[0].time if read else now
    if read and read[-1].time - began + horizon > LONGEST:
        raise TooLongError(f"from the first event to the end are more than {LONGEST.days} days")
    world = World(settings, catalogue, began, usual)
    for event in events:
        if isinstance(event, Broken):
            await world.deliver([event], began, "simulation")
    for event in read:
        await world.deliver([Read.of(event)], event.time, "simulation")
    return await _told(world, events, catalogue, now, horizon)


async def _told(
    world: World, events: Sequence[Event | Broken], catalogue: Catalogue, now: datetime, horizon: timedelta
) -> Simulation:
    await world.run_until(world.now + horizon)
    return Simulation(
        began=world.began,
        ended=world.now,
        events=[await _event(world, event, now) for event in events],
        activities=[await _activity(world, activity) for activity in await world.activities()],
        open=await _open(world),
        invalid={name: [str(problem) for problem in found] for name, found in catalogue.invalid.items()},
    )


async def _event(world: World, event: Event | Broken, now: datetime) -> EventTold:
    if isinstance(event, Broken):
        outcome = OutcomeTold(what="quarantined", reason=event.reason)
        return EventTold(id="", time=now, type="", subject="", outcomes=[outcome])
    found = await world.hub.journal.get(claim(event))
    outcomes = found[0].outcomes if found else ()
    return EventTold(
        id=event.id,
        time=event.time,
        type=event.type,
        subject=event.subject,
        outcomes=[await _outcome(world, outcome) for outcome in outcomes],
    )


async def _outcome(world: World, outcome: Outcome) -> OutcomeTold:
    activity = outcome.target if outcome.what == "opened" else ""
    if outcome.what in {"collected", "marked"}:
        activity = await world.hub.collections.opened(outcome.target, outcome.generation)
    return OutcomeTold(
        what=outcome.what,
        automation=outcome.automation,
        target=outcome.target,
        reason=outcome.reason,
        activity=activity,
    )


async def _activity(world: World, activity: Activity) -> ActivityTold:
    paths: list[str] = []
    if activity.files.blob:
        members = decode(FileList, await world.store.blobs.get(activity.files.blob)).files
        paths = [f"{file.container}/{file.path}" for file in members[:_SHOWN_FILES]]
    return ActivityTold(
        id=activity.id,
        automation=activity.automation,
        action=activity.action,
        status=activity.status,
        reason=activity.reason,
        created=activity.created,
        ended=activity.updated if activity.finished else None,
        held=world.steps.holds.get(activity.id, []),
        cause=activity.cause.kind,
        closed_by=activity.cause.closed_by,
        files=activity.files.count,
        paths=paths,
        steps=[step.name for step in activity.steps],
    )


async def _open(world: World) -> list[CollectionTold]:
    found: list[CollectionTold] = []
    for entry in await Unfinished(world.store).all("collection"):
        head = await world.hub.collections.head(entry.name)
        if head is None or head[0].state != "open" or head[0].opened is None:
            continue
        gathered = await world.hub.collections.gathered(entry.name, head[0].generation)
        facts = Facts(
            files=gathered.count,
            size=gathered.size,
            opened=head[0].opened,
            arrived=gathered.arrived or head[0].opened,
            marker=gathered.marked,
            asked=head[0].close_asked,
            missing=gathered.missing,
        )
        verdict = decide(await world.hub.rulebook.rule(head[0]), facts, world.now)
        found.append(
            CollectionTold(
                id=entry.name,
                automation=head[0].automation,
                by=head[0].by,
                files=gathered.count,
                waits_for=f"it closes: {verdict.reason}" if isinstance(verdict, Close) else verdict.reason,
            )
        )
    return found
