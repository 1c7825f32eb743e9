"""One activity from its cause to its effect: what the page shows of its steps, evidence and traffic."""

from datetime import datetime
from typing import Any, Final

from shared.api.models import ActivityView, ActView, StepView
from shared.dashboard.wording import plain

_ICONS: Final = {
    "done": "✓",
    "failed": "✕",
    "running": "●",
    "waiting": "●",
    "pending": "○",
    "skipped": "–",
}
_SHOWN_APART: Final = frozenset({"history", "metrics", "evidence", "guards"})
POSSIBLE: Final = {
    "held": ("release", "cancel"),
    "waiting-approval": ("approve", "reject", "cancel"),
    "queued": ("cancel",),
    "running": ("cancel",),
    "failed": ("retry",),
    "refused": ("retry",),
    "cancelled": ("retry",),
}
"""What can be asked of an activity in a status."""


def story(activity: ActivityView, now: datetime) -> dict[str, Any]:
    """Give steps, progress and acts of an activity as the page shows them."""
    steps = [_step(step, activity, now) for step in activity.steps]
    done = sum(step["state"] in {"done", "skipped"} for step in steps)
    return {
        "steps": steps,
        "done": done,
        "total": len(steps),
        "percent": round(100 * done / len(steps)) if steps else 0,
        "model": _model(activity),
    }


def _step(step: StepView, activity: ActivityView, now: datetime) -> dict[str, Any]:
    ended = step.ended or (now if step.state in {"running", "waiting"} else None)
    numbers = _numbers(step.detail.get("metrics"))
    return {
        "name": step.name,
        "kind": step.kind,
        "state": step.state,
        "icon": _ICONS.get(step.state, "○"),
        "attempt": step.attempt,
        "started": step.started,
        "ended": ended,
        "reason": step.reason or ("" if step.state not in {"running", "waiting"} else activity.reason),
        "facts": _facts(step.detail),
        "metrics": [one for one in numbers if "." not in one[0]],
        "slices": [one for one in numbers if "." in one[0]],
        "gates": _gates(step.detail.get("evidence")),
        "guards": [guard for guard in _dicts(step.detail.get("guards")) if guard.get("holds")],
        "history": moments(step.detail),
    }


def _facts(detail: dict[str, Any]) -> list[tuple[str, Any]]:
    """Give what a step knows that has no picture of its own, simple values first."""
    found = [(name, value) for name, value in detail.items() if name not in _SHOWN_APART and value not in ("", None)]
    return sorted(found, key=lambda item: isinstance(item[1], dict | list))


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _numbers(value: Any) -> list[tuple[str, float]]:
    if not isinstance(value, dict):
        return []
    return [(str(name), float(one)) for name, one in sorted(value.items()) if isinstance(one, int | float)]


def _gates(evidence: Any) -> list[dict[str, Any]]:
    return [
        {
            "gate": str(gate.get("gate") or gate.get("kind") or gate.get("name") or ""),
            "verdict": str(gate.get("verdict") or ""),
            "reason": str(gate.get("reason") or ""),
            "evidence": gate.get("evidence"),
        }
        for gate in _dicts(evidence)
    ]


def moments(detail: dict[str, Any]) -> list[dict[str, Any]]:
    """Give the history of a rollout: when, what was decided and why, and the traffic at that moment."""
    return [_moment(entry) for entry in _dicts(detail.get("history"))]


def _moment(entry: dict[str, Any]) -> dict[str, Any]:
    finding = entry.get("finding")
    return {
        "at": plain(entry.get("at")),
        "act": str(entry.get("act") or ""),
        "reason": str(entry.get("reason") or ""),
        "traffic": str(entry.get("traffic") or ""),
        "shares": shares(str(entry.get("traffic") or "")),
        "finding": finding if isinstance(finding, dict) else None,
    }


def shares(traffic: str) -> list[tuple[str, int]]:
    """Read `blue 90%, green 10%, green mirrors 20%` into live shares by deployment; mirrored requests are no share."""
    found: list[tuple[str, int]] = []
    for part in traffic.split(", "):
        name, _, share = part.rpartition(" ")
        if name and not name.endswith(" mirrors") and share.endswith("%") and share[:-1].isdecimal():
            found.append((name, int(share[:-1])))
    return found


def _model(activity: ActivityView) -> tuple[str, str] | None:
    """Give the model version that the activity made or released."""
    for step in activity.steps:
        name, version = step.detail.get("model"), step.detail.get("version")
        if isinstance(name, str) and name and version not in (None, ""):
            return name, str(version)
        if step.name == "deployment" and isinstance(name, str) and ":" in name:
            model, _, number = name.rpartition(":")
            return model, number
    return None


def acts_on(activity: ActivityView) -> tuple[str, ...]:
    """Give the kinds of acts that its status allows."""
    return POSSIBLE.get(activity.status, ())


def happened(activity: ActivityView) -> list[ActView]:
    """Give what people asked of it, the newest first."""
    return list(reversed(activity.acts))
