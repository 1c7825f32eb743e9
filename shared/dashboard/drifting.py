"""Drift by monitor: its last windows, how far each feature is from its reference, and the answer."""

from typing import Any, Final

from shared.api.models import ActivityView, Page
from shared.dashboard.asking import Desk
from shared.dashboard.wording import plain

_LOOKED_AT: Final = "200"
_FARTHEST: Final = 4.0
"""Times its threshold; a feature that is farther away fills the whole width."""


async def monitors(desk: Desk) -> list[dict[str, Any]]:
    """Give the monitors of which the newest activities tell, each with the last triage and those before it."""
    recent = (await desk.ask("activities", Page[ActivityView], query={"limit": _LOOKED_AT})).items
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for activity in recent:
        triage = next((step.detail for step in activity.steps if step.kind == "triage"), {})
        evidence = triage.get("evidence")
        if not isinstance(evidence, dict):
            continue
        names = triage.get("monitor") or ["?"]
        key = (str(names[0]), str(triage.get("model") or ""))
        told = {
            "activity": activity,
            "outcome": str(triage.get("outcome") or ""),
            "severity": str(triage.get("severity") or "none"),
            "signal": str(triage.get("signal") or ""),
        }
        known = found.setdefault(key, {"name": key[0], "model": key[1], "told": [], **picture(evidence)})
        known["told"].append(told)
    return list(found.values())


def picture(evidence: dict[str, Any]) -> dict[str, Any]:
    """Give the windows of a triage, and of the newest one its features as bars of a width of 100."""
    windows = [window for window in evidence.get("windows") or [] if isinstance(window, dict)]
    rule = evidence.get("rule")
    return {
        "rule": rule if isinstance(rule, dict) else {},
        "windows": [_window(window) for window in windows],
        "features": [_feature(one) for one in (windows[-1].get("features") or [])] if windows else [],
        "threshold": 100 / _FARTHEST,
    }


def _window(window: dict[str, Any]) -> dict[str, Any]:
    return {
        **{name: window.get(name) for name in ("run", "samples", "drifted", "seasonal", "unreadable", "performance")},
        "severity": str(window.get("severity") or "none"),
        "share": float(window.get("share") or 0.0),
        "to": plain(window.get("to")),
    }


def _feature(one: dict[str, Any]) -> dict[str, Any]:
    times = float(one["times"])
    return {**one, "beyond": times > 1, "width": min(100.0, 100 * times / _FARTHEST)}
