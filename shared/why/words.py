"""Says an explanation in sentences."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from shared.why.answer import ActivitySaid, BlobSaid, CollectionSaid, EventSaid, TriggerSaid

_MOST_INVALID: Final = 5
_NOTHING: Final = frozenset({"ignored", "quarantined", "folded"})


def sentences_of_event(event: EventSaid) -> list[str]:
    """Say what became of an event and, where nothing did, why no automation fired."""
    name = event.type.rpartition(".")[2] or "an event"
    head = f"{name} of {event.subject or event.id} was received {event.received:%Y-%m-%d %H:%M:%SZ} by {event.via}"
    if not event.decided:
        return [f"{head}; it is not decided yet: the next sweep does it"]
    lines = [head]
    for became in event.became:
        by = f" by {became.automation}" if became.automation else ""
        line = f"{became.what}{by}" + (f": {became.reason}" if became.reason else "")
        if became.collection:
            line += f", {_collection(became.collection)}"
        if became.activity:
            line += f", which became activity {_activity(became.activity)}"
        lines.append(line)
    if did_nothing(event):
        lines += sentences_of_triggers(event.triggers)
        names = {trigger.automation for trigger in event.triggers if trigger.fires and trigger.kind == "blob-created"}
        lines += [f"`hub backfill {name}` has it decided again" for name in sorted(names)]
    return lines


def sentences_of_invalid(invalid: Mapping[str, Sequence[str]]) -> list[str]:
    """Say which automations could not be asked, because they are invalid, each with its first problem."""
    lines = [f"{name} is invalid, and takes nothing: {problems[0]}" for name, problems in sorted(invalid.items())]
    more = [f"{len(lines) - _MOST_INVALID} more are invalid: hub automations"] if len(lines) > _MOST_INVALID else []
    return lines[:_MOST_INVALID] + more


def did_nothing(event: EventSaid) -> bool:
    """Tell whether an event that is decided led to nothing."""
    return event.decided and all(became.what in _NOTHING for became in event.became)


def sentences_of_triggers(triggers: Sequence[TriggerSaid], fires: str = "fires") -> list[str]:
    """Say for each trigger that does not fire which condition does not hold."""
    lines: list[str] = []
    for trigger in triggers:
        if trigger.fires:
            guarded = f", but {trigger.guard}" if trigger.guard else ""
            lines.append(f"{trigger.automation} ({trigger.kind}) {fires} by its rules of today{guarded}")
            continue
        failed = next((one for one in trigger.conditions if one.holds is False), None)
        if failed and failed.what == "type":
            lines.append(f"{trigger.automation} ({trigger.kind}) waits for other events")
        elif failed:
            reason = f": {failed.reason}" if failed.reason else ""
            said = f"{failed.what} is {failed.seen!r}, {failed.expected!r} is expected{reason}"
            lines.append(f"{trigger.automation} ({trigger.kind}) does not fire: {said}")
    return lines


def sentences_of_activity(activity: ActivitySaid, held_by: str) -> list[str]:
    """Say what an activity came from, how it is, and why."""
    closed = f", {activity.closed_by}" if activity.closed_by else ""
    lines = [f"activity {_activity(activity)}", f"caused by {activity.cause}{closed}"]
    for condition in activity.conditions:
        holds = "holds" if condition.holds else "does not hold"
        lines.append(
            f"{condition.what} {holds}: {condition.expected}" + (f" ({condition.reason})" if condition.reason else "")
        )
    if held_by:
        lines.append(held_by)
    lines += [f"step {step}" for step in activity.steps if not step.endswith((" done", " pending", " skipped"))]
    return lines


def sentences_of_collection(collection: CollectionSaid) -> list[str]:
    """Say what a collection waits for."""
    return [_collection(collection)]


def sentences_of_nothing(blobs: Sequence[BlobSaid], triggers: Sequence[TriggerSaid], kept: datetime) -> list[str]:
    """Say that no event of a blob was received, and whether the blob is there; events from before `kept` are gone."""
    lines = ["no such event was received"]
    for blob in blobs:
        if blob.exists is False and any(one.exists for one in blobs):
            continue  # it is in another of the accounts
        where = f"{blob.account}/{blob.container}/{blob.path}"
        if blob.exists and blob.written and blob.written < kept:
            lines.append(
                f"the blob {where} is there, written {blob.written:%Y-%m-%d %H:%M:%SZ}: what was received then is no "
                f"longer kept, it goes back to {kept:%Y-%m-%d} (HUB_RETENTION_DAYS); activities are"
            )
        elif blob.exists:
            lines.append(
                f"the blob {where} is there, written {blob.written:%Y-%m-%d %H:%M:%SZ}: its event never came, or is on "
                "its way; the reconciler, or `hub backfill`, brings it in"
            )
        elif blob.exists is None:
            lines.append(f"whether {where} is there could not be seen: {blob.reason}")
        else:
            lines.append(f"there is no blob {where}")
    return lines + sentences_of_triggers(triggers, "would fire on it")


def _collection(collection: CollectionSaid) -> str:
    name = f"collection {collection.id} generation {collection.generation}"
    text = f"{name} is {collection.state} with {collection.files} files"
    return text + (f", {collection.waits_for}" if collection.waits_for else "")


def _activity(activity: ActivitySaid) -> str:
    text = f"{activity.id} of {activity.automation}, {activity.status}"
    return text + (f": {activity.reason}" if activity.reason else "")
