"""Models and endpoints: what was made, what serves, and how the traffic came to be what it is."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from shared.api.models import ActivityView, AuditView, EndpointShown, Page
from shared.dashboard.asking import Desk
from shared.dashboard.traffic import moments, picture

_LOOKED_AT: Final = "200"
_RELEASES: Final = 3


async def endpoints(desk: Desk) -> list[dict[str, Any]]:
    """Give the endpoints with the last releases to each, the newest first, and who went back by hand since."""
    found = await desk.ask("endpoints", Page[EndpointShown])
    recent = (await desk.ask("activities", Page[ActivityView], query={"limit": _LOOKED_AT})).items
    audit = await desk.ask("audit", Page[AuditView], query={"limit": _LOOKED_AT}) if desk.may("audit") else None
    shown = []
    for one in found.items:
        releases = [release for release in (_release(each) for each in recent) if release.get("on") == one.name]
        backs = [
            entry
            for entry in (audit.items if audit else [])
            if entry.what == "rollback" and entry.subject == f"endpoint/{one.name}"
        ]
        for place, release in enumerate(releases[:_RELEASES]):
            after = [_back(entry) for entry in reversed(backs) if entry.detail.get("release") == release["activity"].id]
            if place == 0 and any(each.traffic for each in one.deployments):
                after.append({"at": desk.now, "shares": [(each.name, each.traffic) for each in one.deployments]})
            release["picture"] = picture([*release["history"], *after], desk.now, open_end=place == 0)
        known = [name for release in reversed(releases) for entry in release["history"] for name, _ in entry["shares"]]
        names = list(dict.fromkeys([*known, *(deployment.name for deployment in one.deployments)]))
        shown.append({"endpoint": one, "releases": releases[:_RELEASES], "backs": backs[:_RELEASES], "names": names})
    return shown


def _back(entry: AuditView) -> dict[str, Any]:
    """Give what somebody who went back set, as a moment of the release that it ended."""
    traffic = entry.detail.get("traffic")
    return {"at": entry.at, "shares": list(traffic.items()) if isinstance(traffic, dict) else []}


def _release(activity: ActivityView) -> dict[str, Any]:
    for step in activity.steps:
        if step.kind == "rollout" and step.detail.get("endpoint"):
            detail = step.detail
            return {
                "on": str(detail["endpoint"]),
                "activity": activity,
                "deployment": str(detail.get("deployment") or ""),
                "reason": step.reason or activity.reason,
                "history": moments(detail),
                "kept": _kept(detail),
            }
    return {}


def _kept(detail: Mapping[str, Any]) -> dict[str, Any] | None:
    """Give the deployments that stay for going back, until when, and what that costs; None where none stays."""
    names, until = detail.get("previous"), detail.get("previous-until")
    if not names or not until:
        return None
    return {
        "names": [str(name) for name in names],
        "until": datetime.fromisoformat(str(until)),
        "cost": str(detail.get("previous-cost") or ""),
    }


async def models(desk: Desk) -> list[dict[str, Any]]:
    """Give the model versions that the newest activities registered, and what became of each."""
    recent = (await desk.ask("activities", Page[ActivityView], query={"limit": _LOOKED_AT})).items
    releases: dict[str, ActivityView] = {}
    for activity in reversed(recent):
        for step in activity.steps:
            if step.name in {"deployment", "evaluate"} and (named := _released(step.detail)):
                releases[named] = activity
    made = []
    for activity in recent:
        for step in activity.steps:
            name, version = step.detail.get("model"), step.detail.get("version")
            if step.kind == "register" and name and version:
                made.append(
                    {
                        "name": str(name),
                        "version": str(version),
                        "activity": activity,
                        "metrics": _metrics(activity),
                        "release": releases.get(f"{name}:{version}"),
                    }
                )
    return made


def _released(detail: dict[str, Any]) -> str:
    return str(detail.get("challenger") or detail.get("model") or "")


def _metrics(activity: ActivityView) -> list[tuple[str, float]]:
    """Give the metrics of the whole, without those of slices."""
    for step in activity.steps:
        logged = step.detail.get("metrics")
        if isinstance(logged, dict):
            whole = {str(key): value for key, value in logged.items() if "." not in str(key)}
            return [(key, float(value)) for key, value in whole.items() if isinstance(value, int | float)]
    return []
