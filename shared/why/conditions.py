"""What each trigger of each automation says to an event, condition by condition, by the code that decides."""

from collections.abc import Iterable, Mapping

from shared.automations.models import Automation, BlobCreated, Trigger
from shared.automations.patterns import PathPattern
from shared.deciding.matching import Match, Matcher
from shared.events import model as events
from shared.events.model import Event
from shared.ledger.switches import HUB, Pause, automation_switch
from shared.why.answer import Condition, TriggerSaid

Own = frozenset[tuple[str, str]]


def triggers_said(
    event: Event, automations: Iterable[Automation], own: Own, runs: str, pauses: Mapping[str, Pause]
) -> list[TriggerSaid]:
    """Say for every trigger whether it fires on the event, and which condition does not hold."""
    found: list[TriggerSaid] = []
    for automation in automations:
        decision = Matcher([automation], own, runs).decide(event)
        matches = {match.trigger: match for match in decision.matches}
        for index, trigger in enumerate(automation.on):
            found.append(
                TriggerSaid(
                    automation=automation.name,
                    trigger=index,
                    kind=trigger.kind,
                    fires=index in matches,
                    role=matches[index].role if index in matches else "",
                    conditions=_conditions(event, automation, index, trigger, matches.get(index), own, runs),
                    guard=guard(automation.name, pauses),
                )
            )
    return found


def guard(name: str, pauses: Mapping[str, Pause]) -> str:
    """Give what holds an automation back now, "" for nothing."""
    for switch, what in ((HUB, "the hub"), (automation_switch(name), name)):
        if switch in pauses:
            pause = pauses[switch]
            reason = f": {pause.reason}" if pause.reason else ""
            return f"{what} is paused by {pause.who} since {pause.at.isoformat()}{reason}"
    return ""


def _conditions(
    event: Event, automation: Automation, index: int, trigger: Trigger, match: Match | None, own: Own, runs: str
) -> list[Condition]:
    if trigger.blob_created:
        return _blob_conditions(event, automation, trigger.blob_created, own)
    if trigger.schedule:
        said = f"{trigger.schedule.cron} {trigger.schedule.tz}"
        return [Condition(what="type", holds=False, expected=said, seen=event.type, reason="only the clock starts it")]
    if match is not None:
        expected = f"what {trigger.kind} waits for"
        return [Condition(what="event", holds=True, expected=expected, seen=match.role)]
    single = automation.model_copy(update={"on": (trigger,), "own_outputs": True})
    reason = Matcher([single], own, runs).decide(event).reason
    if Matcher([single], own, runs).decide(event).matches:
        return [_own_condition(automation, own=True)]
    near = reason.startswith(f"{automation.name}: ")
    return [
        Condition(
            what="event" if near else "type",
            holds=False,
            expected=f"what {trigger.kind} waits for",
            seen=event.type,
            reason=reason.removeprefix(f"{automation.name}: ") if near else "",
        )
    ]


def _own_condition(automation: Automation, *, own: bool) -> Condition:
    return Condition(
        what="own outputs",
        holds=not own or automation.own_outputs,
        expected="anything" if automation.own_outputs else "not made by the hub itself",
        seen="made by the hub" if own else "made by others",
    )


def _blob_conditions(event: Event, automation: Automation, trigger: BlobCreated, own: Own) -> list[Condition]:
    facts = event.facts
    expected = "a blob that has its content"
    if isinstance(facts, events.BlobIncomplete):
        reason = f"{facts.api} creates the blob only; the event that its content is there follows"
        return [Condition(what="type", holds=False, expected=expected, seen=event.type, reason=reason)]
    if not isinstance(facts, events.BlobCreated):
        return [Condition(what="type", holds=False, expected=expected, seen=event.type)]
    place = place_conditions(automation, trigger, facts.account, facts.container, facts.path, own)
    return [Condition(what="type", holds=True, expected=expected, seen=event.type), *place]


def place_conditions(
    automation: Automation, trigger: BlobCreated, account: str, container: str, path: str, own: Own
) -> list[Condition]:
    """Check where a blob lies against a trigger."""
    found = [_own_condition(automation, own=(account, container) in own)]
    if trigger.account:
        found.append(
            Condition(what="account", holds=account == trigger.account, expected=trigger.account, seen=account)
        )
    found.append(
        Condition(what="container", holds=container == trigger.container, expected=trigger.container, seen=container)
    )
    pattern = PathPattern.parse(trigger.path)
    until = trigger.collect.until if trigger.collect else None
    if until and PathPattern.parse(until.pattern).match(path) is not None:
        reason = f"it is the {'marker' if until.marker else 'manifest'}"
        found.append(Condition(what="path", holds=True, expected=until.pattern, seen=path, reason=reason))
        return found
    captures = pattern.match(path)
    reason = difference(trigger.path, path) if captures is None else _captured(captures)
    found.append(Condition(what="path", holds=captures is not None, expected=trigger.path, seen=path, reason=reason))
    return found


def _captured(captures: Mapping[str, str]) -> str:
    return ", ".join(f"{name} is {value!r}" for name, value in captures.items())


def difference(pattern: str, path: str) -> str:
    """Say at which part a path does not fit a pattern."""
    wanted, names = pattern.split("/"), path.split("/")
    if "**" not in wanted:
        for number, (segment, name) in enumerate(zip(wanted, names, strict=False), 1):
            if not _fits(segment, name):
                return f"part {number} is {name!r}, {segment!r} is expected"
        return f"it has {len(names)} parts, {len(wanted)} are expected"
    first, last = wanted.index("**"), len(wanted) - 1 - wanted[::-1].index("**")
    head, tail = wanted[:first], wanted[last + 1 :]
    for number, (segment, name) in enumerate(zip(head, names, strict=False), 1):
        if not _fits(segment, name):
            return f"part {number} is {name!r}, {segment!r} is expected"
    if len(names) < len(head) + max(1, len(tail)):
        return f"it has {len(names)} parts, at least {len(head) + max(1, len(tail))} are expected"
    for segment, name in zip(reversed(tail), reversed(names), strict=False):
        if not _fits(segment, name):
            return f"its end has {name!r}, {segment!r} is expected"
    return "its middle parts do not fit between the '**'"


def _fits(segment: str, name: str) -> bool:
    return PathPattern.parse(segment).match(name) is not None
