"""When a collection closes: a burst is whole when its marker came, when it is quiet, or when the wait is over."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from shared.deciding.manifests import told

SETTLE: Final = timedelta(seconds=3)
"""How long after the marker the list stays open for events that overtake each other on their way (Event Grid has no
order; the marker's event may come before that of a file written earlier)."""
_BACKLOG: Final = timedelta(seconds=2)
IN_WORK: Final = timedelta(minutes=11)
"""How long a list that is whole otherwise waits for intake messages that cannot be seen: they are being worked on, or
failed and are tried again after the host's visibility timeout, or were taken by an instance that died, for which the
host hides them for 10 minutes. Traffic so dense that there is always one makes no list wait for longer."""


@dataclass(frozen=True, slots=True)
class Rule:
    """How a trigger collects. `marker`: the burst is whole only when its marker came; `manifest`: its marker is a list
    of files, and all of them must have come.
    """

    quiet: timedelta
    max_wait: timedelta
    max_files: int | None = None
    max_bytes: int | None = None
    marker: bool = False
    manifest: bool = False
    if_incomplete: Literal["hold", "run", "fail"] = "hold"


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of the present generation.

    `missing`: what the manifest lists and is not there as listed.
    `oldest_waiting`: when the oldest visible intake message was queued; `in_work`: how many messages cannot be seen.
    """

    files: int
    size: int
    opened: datetime
    arrived: datetime
    marker: datetime | None = None
    oldest_waiting: datetime | None = None
    in_work: int = 0
    asked: str = ""
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Close:
    """Freeze the list now. With `incomplete` what should say that it is whole never did: the activity only fails."""

    reason: str
    incomplete: bool = False


@dataclass(frozen=True, slots=True)
class Wait:
    """Look again at `until`; `reason` says what it waits for."""

    until: datetime
    reason: str


def decide(rule: Rule, facts: Facts, now: datetime) -> Close | Wait:
    """Decide whether a collection closes.

    1. A person asked, or most files or bytes are there: now.
    2. The longest wait is over: now; where its marker, or a file of its manifest, is missing: as `if-incomplete` says.
    3. A manifest is there, and all that it lists: now.
    4. The marker is there and has settled, no older intake message waits and none is in work: now.
    5. No marker is expected, nothing arrived for the quiet period, no older message waits and none is in work: now.
    6. Otherwise look again at the earliest time at which that can change.
    """
    if facts.asked:
        return Close(facts.asked)
    if rule.max_files is not None and facts.files >= rule.max_files:
        return Close(f"{facts.files} files reached max-files {rule.max_files}")
    if rule.max_bytes is not None and facts.size >= rule.max_bytes:
        return Close(f"{facts.size} bytes reached max-bytes {rule.max_bytes}")
    overdue = now - facts.opened >= rule.max_wait
    if rule.marker and (facts.marker is None or facts.missing):
        return _not_whole(rule, facts, now, overdue=overdue)
    if rule.manifest:
        return Close("all that its manifest lists came")
    if overdue:
        return Close(f"longest wait of {_text(rule.max_wait)} is over")
    whole_at = facts.marker + SETTLE if rule.marker and facts.marker else facts.arrived + rule.quiet
    what = "marker" if rule.marker else "quiet period"
    latest = facts.opened + rule.max_wait
    if now < whole_at:
        return Wait(min(whole_at, latest), f"{what} until {whole_at.isoformat()}")
    told = facts.marker if rule.marker and facts.marker else facts.arrived
    if facts.oldest_waiting is not None and facts.oldest_waiting <= max(told, now - rule.quiet):
        return Wait(min(now + _BACKLOG, latest), f"intake messages from {facts.oldest_waiting.isoformat()} wait")
    if facts.in_work and now < whole_at + IN_WORK:
        return Wait(min(now + _BACKLOG, latest), f"{facts.in_work} intake messages are in work or tried again")
    return Close("marker came" if rule.marker else f"quiet for {_text(rule.quiet)}")


def _not_whole(rule: Rule, facts: Facts, now: datetime, *, overdue: bool) -> Close | Wait:
    what = "manifest" if rule.manifest else "marker"
    lacks = f"its {what} has not come" if facts.marker is None else f"its manifest lacks {told(facts.missing)}"
    if not overdue:
        return Wait(facts.opened + rule.max_wait, lacks)
    reason = f"{lacks.replace(' has not come', ' did not come')} within {_text(rule.max_wait)}"
    if rule.if_incomplete == "hold":
        comes = "the rest" if facts.missing else f"the {what}"
        return Wait(now + timedelta(hours=1), f"held: {reason}; close it by hand, or {comes} closes it")
    return Close(reason, incomplete=rule.if_incomplete == "fail")


def _text(duration: timedelta) -> str:
    seconds = int(duration.total_seconds())
    for unit, size in (("d", 86_400), ("h", 3600), ("m", 60)):
        if seconds and seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"
