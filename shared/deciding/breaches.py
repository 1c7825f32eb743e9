"""What an event says of drift: which monitor, which run and signal; and whether a trigger waits for that monitor."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from shared.deciding.drift import breach_key
from shared.deciding.triggers import Met, Unmet, glob
from shared.events.alerts import SCHEMA
from shared.events.model import DatasetDriftDetected, Event, RunStatusChanged

_FAILED: Final = re.compile(r"^\s*(.+?)\s+has failed due to\b", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Breach:
    """A monitor reports that a threshold was broken. `monitors`: the names by which the monitor may be known.

    It holds no model and no numbers: those are read from the monitor's run.
    """

    monitors: tuple[str, ...]
    run: str
    signal: str
    feature: str = ""

    @property
    def key(self) -> tuple[str, str, str]:
        """What makes it the same breach."""
        return breach_key(self.run, self.signal, self.feature)


def read(event: Event) -> Breach | None:
    """Give the breach that an event tells of, or None.

    A run of a model monitor with the breach tag; drift of a monitor of the first generation; an alert of Azure Monitor
    in the common schema that fired (https://learn.microsoft.com/azure/azure-monitor/alerts/alerts-common-schema); any
    other event whose data has a `monitor`.
    """
    facts = event.facts
    if isinstance(facts, RunStatusChanged):
        if not facts.breach:
            return None
        match = _FAILED.match(facts.breach)
        signal = match[1] if match else ""
        return Breach(_named(facts.experiment, signal), facts.run, signal)
    if isinstance(facts, DatasetDriftDetected):
        return Breach(_named(facts.monitor), facts.run, "data-drift")
    if event.data.get("schemaId") == SCHEMA:
        return _alert(event)
    monitor = _text(event.data, "monitor")
    if not monitor:
        return None
    run = _text(event.data, "run") or event.id
    return Breach((monitor,), run, _text(event.data, "signal"), _text(event.data, "feature"))


def meets(monitor: str, event: Event) -> Met | Unmet:
    """Say whether an event is a breach of a monitor (a glob; a signal's name may follow the monitor's)."""
    breach = read(event)
    if breach is None:
        return Unmet(f"{event.type} tells of no drift", other=True)
    if any(glob(monitor, name) for name in breach.monitors) or _begins(monitor, breach.signal):
        return Met()
    return Unmet(f"monitor {' or '.join(breach.monitors) or 'without a name'} is not {monitor!r}")


def _begins(monitor: str, signal: str) -> bool:
    """Say whether a model monitor's signal, which is written `<monitor>_<signal>`, is this monitor's."""
    return any(signal.lower().startswith(f"{monitor.lower()}{mark}") for mark in ("_", " "))


def _alert(event: Event) -> Breach | None:
    """Read an alert that fired. Its rule may name monitor, run, signal and feature in its custom properties."""
    inner = event.data.get("data")
    data = inner if isinstance(inner, Mapping) and "essentials" in inner else event.data
    essentials, given = data.get("essentials"), data.get("customProperties")
    if not isinstance(essentials, Mapping) or _text(essentials, "monitorCondition").lower() not in {"", "fired"}:
        return None
    custom = given if isinstance(given, Mapping) else {}
    identity = _text(essentials, "originAlertId") or _text(essentials, "alertId") or event.id
    return Breach(
        _named(_text(custom, "monitor"), _text(essentials, "alertRule")),
        _text(custom, "run") or f"{identity}@{_text(essentials, 'firedDateTime')}",
        _text(custom, "signal") or _text(essentials, "signalType"),
        _text(custom, "feature"),
    )


def _named(*names: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for name in names if name))


def _text(data: Mapping[str, Any], name: str) -> str:
    value = data.get(name)
    return value if isinstance(value, str) else ""
