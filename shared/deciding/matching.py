"""Which automations an event concerns, and how: found by an index, so that cost grows with what can match."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal

import msgspec

from shared.automations.language_triggers import Part, rule_of
from shared.automations.models import Automation, BlobCreated, Trigger
from shared.automations.patterns import PathPattern
from shared.deciding import breaches, triggers
from shared.events import model as events
from shared.events.model import BlobCreated as BlobWritten
from shared.events.model import BlobIncomplete, Event

Role = Literal["file", "marker", "event", "part", "expected", "drift"]
PROBE: Final = "probe/"
"""Blobs below this folder of the hub's own container are its probes: they prove the way and start nothing."""
_ATTEMPT: Final = re.compile(r"\d{8}t\d{6}-[0-9a-f]{10}/\d+/")
"""Below a place of results: the activity, its attempt."""
OWN: Final = "AutomationHub."
"""Begins the types of the events that hubs publish of their own activities."""


class Match(msgspec.Struct, frozen=True):
    """An automation's trigger that an event meets.

    `role`: the event is a file of a blob-created trigger or its marker, starts an activity by itself, is a part of an
    all-of (`kinds` are those that it meets), is what a missing trigger expects, or tells of drift.
    """

    automation: str
    trigger: int
    role: Role
    captures: Mapping[str, str] = {}
    kinds: tuple[int, ...] = ()


class Decision(msgspec.Struct, frozen=True):
    """The matches of an event and, where there is none, why."""

    matches: tuple[Match, ...] = ()
    reason: str = ""
    probe: bool = False


@dataclass(frozen=True, slots=True)
class _Files:
    automation: str
    index: int
    trigger: BlobCreated
    own_outputs: bool
    path: PathPattern
    marker: PathPattern | None


class _Container:
    """The entries of one container, found by the first name of a path, in their order.

    An entry whose pattern begins with a wildcard stands with every first name.
    """

    def __init__(self, entries: Iterable[_Files]) -> None:
        self.entries = tuple(entries)
        first = [{_first(one) for one in (entry.path, entry.marker) if one is not None} for entry in self.entries]
        everywhere = [None in names for names in first]
        self.anywhere = tuple(entry for entry, wild in zip(self.entries, everywhere, strict=True) if wild)
        known = {name for names in first for name in names if name is not None}
        self._by_first = {
            name: tuple(
                entry
                for entry, names, wild in zip(self.entries, first, everywhere, strict=True)
                if wild or name in names
            )
            for name in known
        }
        tried = sorted({f"{entry.automation}: {entry.path.text}" for entry in self.entries})
        more = f" and {len(tried) - _NAMED} more" if len(tried) > _NAMED else ""
        self.tried = ", ".join(tried[:_NAMED]) + more

    def of(self, path: str) -> tuple[_Files, ...]:
        """Give the entries that a path may match."""
        return self._by_first.get(path.partition("/")[0], self.anywhere)


_NAMED: Final = 10
"""Patterns that a reason names; `why` says of every automation what it expected."""
_WILD: Final = frozenset("{*?")


def _first(pattern: PathPattern) -> str | None:
    """Give the first name of every path that matches; None where it may be any."""
    name = pattern.text.partition("/")[0]
    return None if _WILD & set(name) else name


_NO_CONTAINER: Final = _Container(())


@dataclass(frozen=True, slots=True)
class _Rule:
    automation: str
    index: int
    own_outputs: bool
    rule: triggers.Rule
    role: Role
    kind: int = 0


_FACTS: Final[Mapping[type, type]] = {
    triggers.Created: events.BlobCreated,
    triggers.Deleted: events.BlobDeleted,
    triggers.Registered: events.ModelRegistered,
    triggers.Deployed: events.ModelDeployed,
    triggers.RunEnded: events.RunCompleted,
    triggers.RunChanged: events.RunStatusChanged,
}

_SINGLE: Final = tuple(name for name in Part.model_fields if name != "blob_created")
"""Triggers that each event of their kind starts by itself; blob-created may collect and has entries of its own."""


class Matcher:
    """Matches events against a set of automations.

    `own` are (account, container) pairs that the hub writes to; `runs` begins the names of the runs it launches.
    """

    def __init__(
        self, automations: Iterable[Automation], own: frozenset[tuple[str, str]] = frozenset(), runs: str = "hub-"
    ) -> None:
        self._own = own
        self._runs = runs
        files: dict[str, list[_Files]] = {}
        self._rules: dict[type | None, list[_Rule]] = {}
        self._drift: list[tuple[str, int, str]] = []
        self._outputs: dict[str, tuple[str, ...]] = {}
        for automation in automations:
            if automation.do.score:
                container, _, folder = automation.do.score.output.partition("/")
                known = self._outputs.get(container, ())
                self._outputs[container] = (*known, f"{folder}/" if folder else "")
            for index, trigger in enumerate(automation.on):
                if trigger.blob_created:
                    files.setdefault(trigger.blob_created.container, []).append(
                        _entry(automation, index, trigger.blob_created)
                    )
                if trigger.drift:
                    self._drift.append((automation.name, index, trigger.drift.monitor))
                for rule in _rules(automation, index, trigger):
                    self._rules.setdefault(_FACTS.get(type(rule.rule)), []).append(rule)
        self._blobs = {container: _Container(entries) for container, entries in files.items()}

    def decide(self, event: Event) -> Decision:
        """Give what an event means to the automations; a pure function of both."""
        facts = event.facts
        if isinstance(facts, BlobIncomplete):
            return Decision(reason=f"{facts.api} creates the blob only; the event that its content is there follows")
        own = self._is_own(event)
        if own and isinstance(facts, BlobWritten) and facts.path.startswith(PROBE):
            return Decision(reason="a probe of the hub", probe=True)
        found = list(self._files(facts, own=own)) if isinstance(facts, BlobWritten) else []
        reasons: list[str] = []
        found += self._by_rule(event, reasons, own=own)
        if found:
            return Decision(tuple(found))
        return Decision(reason=self._why_not(event, reasons, own=own))

    def _is_own(self, event: Event) -> bool:
        facts = event.facts
        if isinstance(facts, events.BlobCreated | events.BlobDeleted):
            return (facts.account, facts.container) in self._own or self._is_result(facts)
        if isinstance(facts, events.RunCompleted | events.RunStatusChanged):
            breach = isinstance(facts, events.RunStatusChanged) and bool(facts.breach)
            return facts.run.startswith(self._runs) and not breach
        return event.type.startswith(OWN)

    def _is_result(self, blob: events.BlobCreated | events.BlobDeleted) -> bool:
        """Say whether a blob lies where an attempt of a scoring writes: <output>/<activity>/<attempt>/…"""
        return any(
            blob.path.startswith(folder) and _ATTEMPT.match(blob.path, len(folder)) is not None
            for folder in self._outputs.get(blob.container, ())
        ) and blob.account in {account for account, _ in self._own}

    def _files(self, blob: BlobWritten, *, own: bool) -> Iterator[Match]:
        for entry in self._blobs.get(blob.container, _NO_CONTAINER).of(blob.path):
            if entry.trigger.account in {None, blob.account} and not (own and not entry.own_outputs):
                match = _match(entry, blob.path)
                if match is not None:
                    yield match

    def _by_rule(self, event: Event, reasons: list[str], *, own: bool) -> Iterator[Match]:
        parts: dict[tuple[str, int], list[tuple[int, Mapping[str, str]]]] = {}
        for rule in (*self._rules.get(type(event.facts), ()), *self._rules.get(None, ())):
            if own and not rule.own_outputs:
                continue
            met = triggers.meets(rule.rule, event)
            if isinstance(met, triggers.Unmet):
                if not met.other:
                    reasons.append(f"{rule.automation}: {met.reason}")
            elif rule.role == "part":
                parts.setdefault((rule.automation, rule.index), []).append((rule.kind, met.captures))
            else:
                yield Match(rule.automation, rule.index, rule.role, met.captures)
        for automation, index, monitor in self._drift:
            met = breaches.meets(monitor, event)
            if isinstance(met, triggers.Met):
                yield Match(automation, index, "drift", met.captures)
            elif not met.other:
                reasons.append(f"{automation}: {met.reason}")
        for (automation, index), kinds in parts.items():
            yield Match(automation, index, "part", kinds[0][1], tuple(kind for kind, _ in kinds))

    def _why_not(self, event: Event, reasons: list[str], *, own: bool) -> str:
        facts = event.facts
        there = self._blobs.get(facts.container, _NO_CONTAINER) if isinstance(facts, BlobWritten) else _NO_CONTAINER
        if own and all(not entry.own_outputs for entry in there.entries):
            return "the hub made this itself (own-outputs is not set)"
        if isinstance(facts, BlobWritten) and there.entries:
            return "; ".join([f"path {facts.path} matches none of {there.tried}", *reasons])
        if reasons:
            return "; ".join(reasons)
        if isinstance(facts, BlobWritten):
            return f"no automation listens to container {facts.container}"
        return f"no automation waits for {event.type}"


def _rules(automation: Automation, index: int, trigger: Trigger) -> Iterator[_Rule]:
    def rule(given: triggers.Rule, role: Role, kind: int = 0) -> _Rule:
        return _Rule(automation.name, index, automation.own_outputs, given, role, kind)

    single = Part.model_construct(**{name: getattr(trigger, name) for name in _SINGLE})
    if any(getattr(single, name) is not None for name in _SINGLE):
        yield rule(rule_of(single), "event")
    if trigger.missing:
        yield rule(rule_of(trigger.missing.of), "expected")
    if trigger.all_of:
        for kind, part in enumerate(trigger.all_of.of):
            yield rule(rule_of(part), "part", kind)


def _entry(automation: Automation, index: int, trigger: BlobCreated) -> _Files:
    until = trigger.collect.until if trigger.collect else None
    return _Files(
        automation.name,
        index,
        trigger,
        automation.own_outputs,
        PathPattern.parse(trigger.path),
        PathPattern.parse(until.pattern) if until else None,
    )


def _match(entry: _Files, path: str) -> Match | None:
    if entry.marker is not None and (captures := entry.marker.match(path)) is not None:
        return Match(entry.automation, entry.index, "marker", captures)
    captures = entry.path.match(path)
    return None if captures is None else Match(entry.automation, entry.index, "file", captures)
