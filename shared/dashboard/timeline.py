"""One activity from its cause to its effect: what the page shows of its steps, evidence and traffic."""

from datetime import datetime
from typing import Any, Final

from shared.api.models import ActivityView, ActView, StepView
from shared.dashboard.drifting import picture as drift_picture
from shared.dashboard.traffic import moments, picture

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
    "failed": ("retry", "acknowledge"),
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
    history, evidence = moments(step.detail), step.detail.get("evidence")
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
        "gates": _gates(evidence),
        "guards": [guard for guard in _dicts(step.detail.get("guards")) if guard.get("holds")],
        "history": history,
        "picture": picture(history, now, open_end=step.state in {"running", "waiting"}) if history else None,
        "drift": drift_picture(evidence) if isinstance(evidence, dict) and "windows" in evidence else None,
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
            "result": str(gate.get("result") or ""),
            "reason": str(gate.get("reason") or ""),
            "evidence": gate.get("evidence"),
        }
        for gate in _dicts(evidence)
    ]


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
    """Give the kinds of acts that its status allows; what was acknowledged is not asked for again."""
    known = {act.kind for act in activity.acts if act.kind == "acknowledge" and act.attempt == activity.attempt}
    return tuple(kind for kind in POSSIBLE.get(activity.status, ()) if kind not in known)


def happened(activity: ActivityView) -> list[ActView]:
    """Give what people asked of it, the newest first."""
    return list(reversed(activity.acts))
