"""Compares what two sets of rules would have begun, and finds what of it happened."""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

from shared.backtest.answer import Difference, Fired, Kind, Totals
from shared.bootstrap import Hub
from shared.deciding.costs import cost_of
from shared.ledger.protocol import NotFoundError
from shared.ledger.records import Activity, FileList, decode
from shared.simulate.remembering import Remembered
from shared.simulate.world import World

Price = Callable[[str], tuple[Decimal, str] | None]
_SECONDS: Final = 60.0
"""Beginning or waiting that differs by less is no difference: an idle queue is looked at once a minute."""
_MOST_SHOWN: Final = 1000


@dataclass(frozen=True)
class Entry:
    """One activity of a side. `key` names what caused it, whatever the rules; `claims` are its events."""

    automation: str
    key: str
    claims: frozenset[str]
    fired: Fired


@dataclass(frozen=True)
class Side:
    """All activities of a set of rules, or of the ledger."""

    entries: dict[tuple[str, str], Entry]
    totals: Totals


@dataclass(frozen=True)
class Compared:
    """What differs, and what of the rules in force did not come as it happened."""

    differences: list[Difference]
    unexplained: list[str]


async def side_of_world(world: World, price: Price) -> Side:
    """Give what a replay began."""
    entries: list[Entry] = []
    for activity in await world.activities():
        claims: frozenset[str] = frozenset(activity.cause.claims)
        if activity.files.blob:
            files = decode(FileList, await world.store.blobs.get(activity.files.blob)).files
            claims = frozenset(file.claim for file in files)
        compute, nodes = await world.hub.rulebook.compute(activity)
        holds, waited = world.steps.holds.get(activity.id, []), _waited(activity)
        entries.append(_entry(activity, claims, holds, waited, _worth(activity, compute, nodes, price)))
    return _side(entries)


async def side_of_ledger(hub: Hub, activities: Sequence[Activity], since: datetime, until: datetime) -> Side:
    """Give what happened, without what people started."""
    entries: list[Entry] = []
    for activity in activities:
        if activity.cause.kind == "manual" or not since <= activity.created < until:
            continue
        try:
            compute, nodes = await hub.rulebook.compute(activity)
        except NotFoundError:
            compute, nodes = "", 0
        worth = _worth(activity, compute, nodes, hub.settings.price)
        entries.append(_entry(activity, frozenset(activity.cause.claims), [], _waited(activity), worth))
    return _side(entries)


def _entry(
    activity: Activity, claims: frozenset[str], held: list[str], waited: float, worth: tuple[float, float | None, str]
) -> Entry:
    cause = activity.cause
    if claims:
        key = hashlib.sha256("\0".join(sorted(claims)).encode()).hexdigest()
    else:
        key = f"{cause.kind}:{cause.event.get('time', '')}"
    fired = Fired(
        id=activity.id,
        created=activity.created,
        status=activity.status,
        reason=activity.reason,
        cause=cause.kind,
        files=activity.files.count,
        held=held,
        held_seconds=waited,
        closed_by=cause.closed_by,
        hours=worth[0],
        cost=worth[1],
        currency=worth[2],
    )
    return Entry(activity.automation, key, claims, fired)


def _waited(activity: Activity) -> float:
    """Give the seconds that admission took."""
    step = activity.step("admit")
    if step is None or step.started is None:
        return 0.0
    return max(0.0, ((step.ended or activity.updated) - step.started).total_seconds())


def _worth(activity: Activity, compute: str, nodes: int, price: Price) -> tuple[float, float | None, str]:
    hours, cost = 0.0, Decimal(0)
    known = price(compute)
    for step in activity.steps:
        if step.kind == "job" and step.started and step.ended:
            took = step.ended - step.started
            hours += nodes * took.total_seconds() / 3600
            if known:
                cost += cost_of(*known, nodes, took).amount
    return round(hours, 4), (round(float(cost), 4) if known else None), (known[1] if known else "")


def _side(entries: Iterable[Entry]) -> Side:
    found: dict[tuple[str, str], Entry] = {}
    for entry in entries:
        key, number = entry.key, 1
        while (entry.automation, key) in found:
            number += 1
            key = f"{entry.key}#{number}"
        found[entry.automation, key] = entry
    every = [entry.fired for entry in found.values()]
    cost: dict[str, float] = {}
    for fired in every:
        if fired.cost is not None:
            cost[fired.currency] = round(cost.get(fired.currency, 0.0) + fired.cost, 4)
    totals = Totals(
        activities=len(every),
        held=sum(bool(fired.held) or fired.held_seconds > _SECONDS for fired in every),
        merged=sum(fired.status == "superseded" for fired in every),
        refused=sum(fired.status == "refused" for fired in every),
        hours=round(sum(fired.hours for fired in every), 4),
        cost=cost,
    )
    return Side(found, totals)


def compare(before: Side, after: Side, happened: Side, outcomes: Remembered) -> Compared:
    """Compare two replays, and the first of them with what happened."""
    real = {(entry.automation, claim): entry.fired.id for entry in happened.entries.values() for claim in entry.claims}
    named = {(entry.automation, entry.key): entry.fired.id for entry in happened.entries.values()}

    def of(*entries: Entry | None) -> list[str]:
        found = {
            identifier
            for entry in entries
            if entry is not None
            for identifier in (
                named.get((entry.automation, entry.key)),
                *(real.get((entry.automation, claim)) for claim in entry.claims),
            )
            if identifier
        }
        return sorted(found)

    differences: list[Difference] = []
    gone = {key: entry for key, entry in before.entries.items() if key not in after.entries}
    fresh = {key: entry for key, entry in after.entries.items() if key not in before.entries}
    by_claim = {(entry.automation, claim): key for key, entry in gone.items() for claim in entry.claims}
    for key, entry in list(fresh.items()):
        partner = next(
            (by_claim[one] for claim in sorted(entry.claims) if (one := (entry.automation, claim)) in by_claim), None
        )
        old = gone.get(partner) if partner else None
        if old is None:
            differences.append(
                Difference(
                    kind="begins", automation=entry.automation, before=None, after=entry.fired, happened=of(entry)
                )
            )
            continue
        reason = f"{len(old.claims & entry.claims)} of {len(old.claims)} files before, {len(entry.claims)} after"
        differences.append(
            Difference(
                kind="other files",
                automation=entry.automation,
                before=old.fired,
                after=entry.fired,
                happened=of(old, entry),
                reason=reason,
            )
        )
        fresh.pop(key)
    paired = {difference.before.id for difference in differences if difference.before is not None}
    differences += [
        Difference(
            kind="does not begin",
            automation=entry.automation,
            before=entry.fired,
            after=None,
            happened=of(entry),
            reason=_instead(entry, outcomes),
        )
        for entry in gone.values()
        if entry.fired.id not in paired
    ]
    for key, old in before.entries.items():
        if (new := after.entries.get(key)) and (changed := _changed(old, new)):
            kind, reason = changed
            differences.append(
                Difference(
                    kind=kind,
                    automation=key[0],
                    before=old.fired,
                    after=new.fired,
                    happened=of(old),
                    reason=reason,
                )
            )
    differences.sort(key=lambda one: ((one.after or one.before or _NEVER).created, one.automation, one.kind))
    return Compared(differences[:_MOST_SHOWN], _unexplained(before, happened, of))


_NEVER: Final = Fired(id="", created=datetime.max.replace(tzinfo=UTC), status="", reason="", cause="", files=0)


def _instead(entry: Entry, outcomes: Remembered) -> str:
    """Say what became of the first event of an activity that does not begin."""
    for claim in sorted(entry.claims):
        for outcome in outcomes.outcomes.get(claim, ()):
            if outcome.automation in {"", entry.automation}:
                return f"{outcome.what}: {outcome.reason}" if outcome.reason else outcome.what
    return "no event of it is taken by the automation" if entry.claims else "the clock does not start it"


def _changed(before: Entry, after: Entry) -> tuple[Kind, str] | None:
    one, other = before.fired, after.fired
    if (one.status, one.reason) != (other.status, other.reason) and one.status != other.status:
        return "other outcome", f"{one.status} before, {other.status} after: {other.reason}".rstrip(": ")
    if one.held != other.held or abs(one.held_seconds - other.held_seconds) > _SECONDS:
        return "other time", f"held {one.held_seconds:.0f} s before, {other.held_seconds:.0f} s after"
    if abs((one.created - other.created).total_seconds()) > _SECONDS:
        return "other time", f"it begins {(other.created - one.created).total_seconds():+.0f} s later"
    if (one.hours, one.cost) != (other.hours, other.cost):
        return "other outcome", f"{one.hours} node hours before, {other.hours} after"
    return None


def _unexplained(before: Side, happened: Side, of: Callable[[Entry], list[str]]) -> list[str]:
    found: list[str] = []
    seen: set[str] = set()
    for entry in before.entries.values():
        there = of(entry)
        seen.update(there)
        if not there:
            found.append(f"{entry.automation}: the rules begin {entry.fired.id}, and it did not happen")
    found += [
        f"{entry.automation}: {entry.fired.id} happened, and the rules do not begin it"
        for entry in happened.entries.values()
        if entry.fired.id not in seen
    ]
    return found[:100]
