"""Which automations an event concerns, and how: found by an index, so that cost grows with what can match."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from shared.automations.models import Automation, BlobCreated
from shared.automations.patterns import PathPattern
from shared.events.model import BlobCreated as BlobWritten
from shared.events.model import BlobDeleted, BlobIncomplete, Event


@dataclass(frozen=True, slots=True)
class Match:
    """An automation's trigger that an event meets. `role`: the event is a file of it, or its marker."""

    automation: str
    trigger: int
    role: Literal["file", "marker"]
    captures: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Decision:
    """The matches of an event and, where there is none, why."""

    matches: tuple[Match, ...] = ()
    reason: str = ""


@dataclass(frozen=True, slots=True)
class _Entry:
    automation: str
    index: int
    trigger: BlobCreated
    own_outputs: bool
    path: PathPattern
    marker: PathPattern | None


class Matcher:
    """Matches events against a set of automations. `own` are (account, container) pairs that the hub writes to."""

    def __init__(self, automations: Iterable[Automation], own: frozenset[tuple[str, str]] = frozenset()) -> None:
        self._own = own
        self._blobs: dict[str, list[_Entry]] = {}
        for automation in automations:
            for index, trigger in enumerate(automation.on):
                if trigger.blob_created:
                    self._add(automation, index, trigger.blob_created)

    def _add(self, automation: Automation, index: int, trigger: BlobCreated) -> None:
        until = trigger.collect.until if trigger.collect else None
        entry = _Entry(
            automation.name,
            index,
            trigger,
            automation.own_outputs,
            PathPattern.parse(trigger.path),
            PathPattern.parse(until.marker) if until else None,
        )
        self._blobs.setdefault(trigger.container, []).append(entry)

    def decide(self, event: Event) -> Decision:
        """Give what an event means to the automations; a pure function of both."""
        facts = event.facts
        if isinstance(facts, BlobWritten):
            return self._decide_blob(facts)
        if isinstance(facts, BlobIncomplete):
            return Decision(reason=f"{facts.api} creates the blob only; the event that its content is there follows")
        if isinstance(facts, BlobDeleted):
            return Decision(reason="no automation waits for deletions")
        return Decision(reason=f"no automation waits for {event.type}")

    def _decide_blob(self, blob: BlobWritten) -> Decision:
        entries = self._blobs.get(blob.container, [])
        if not entries:
            return Decision(reason=f"no automation listens to container {blob.container}")
        own = (blob.account, blob.container) in self._own
        matches = tuple(
            match
            for entry in entries
            if entry.trigger.account in {None, blob.account} and not (own and not entry.own_outputs)
            if (match := _match(entry, blob.path)) is not None
        )
        if matches:
            return Decision(matches)
        if own and all(not entry.own_outputs for entry in entries):
            return Decision(reason="the hub wrote this itself (own-outputs is not set)")
        tried = ", ".join(sorted({f"{entry.automation}: {entry.path.text}" for entry in entries}))
        return Decision(reason=f"path {blob.path} matches none of {tried}")


def _match(entry: _Entry, path: str) -> Match | None:
    if entry.marker is not None and (captures := entry.marker.match(path)) is not None:
        return Match(entry.automation, entry.index, "marker", captures)
    captures = entry.path.match(path)
    return None if captures is None else Match(entry.automation, entry.index, "file", captures)
