"""Reads a receipt's facts out of activities: pure functions of what their steps recorded."""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from shared.automations.models import Automation
from shared.ledger.records import Activity, Step
from shared.receipt_parts import (
    ApprovalLink,
    CheckLink,
    GateLink,
    RolloutLink,
    RunLink,
    SliceLink,
    TrafficLink,
)

_IMPORTANCE: Final = "importance."
_SLICE: Final = re.compile(r"(?P<measure>[^.]+)\.(?P<column>[^.]+)\.(?P<value>.+)")
_SAID: Final = frozenset({"approve", "reject", "release"})


def check(activity: Activity) -> CheckLink | None:
    """Give the check of its files, None where it had none."""
    step = activity.step("check")
    return CheckLink(job=str(step.detail.get("job", "")), state=step.state, reason=step.reason) if step else None


def run(activity: Activity, commit: str) -> RunLink | None:
    """Give the training run."""
    step = activity.step("train")
    if step is None:
        return None
    told = {name: str(step.detail.get(name) or "") for name in ("job", "experiment", "studio", "environment", "code")}
    return RunLink(**told, commit=commit, content=activity.content, started=step.started, ended=step.ended)


def measured(activity: Activity) -> tuple[dict[str, float], dict[str, float], list[SliceLink]]:
    """Give the run's metrics, the importances of features (largest first), and the slices (most rows first).

    Slices are metrics such as mae.carrier.UA where rows.carrier.UA is logged too.
    """
    step = activity.step("metrics")
    logged: Mapping[str, float] = step.detail.get("metrics", {}) if step else {}
    importances = {name.removeprefix(_IMPORTANCE): v for name, v in logged.items() if name.startswith(_IMPORTANCE)}
    matches = [match for name in logged if (match := _SLICE.fullmatch(name)) is not None]
    rows = {match["column"] for match in matches if match["measure"] == "rows"}
    slices: dict[tuple[str, str], dict[str, float]] = {}
    plain: dict[str, float] = {}
    for name, value in logged.items():
        match = _SLICE.fullmatch(name)
        if match is not None and match["column"] in rows:
            slices.setdefault((match["column"], match["value"]), {})[match["measure"]] = value
        elif not name.startswith(_IMPORTANCE):
            plain[name] = value
    told = [
        SliceLink(column=column, value=value, rows=int(found.pop("rows", 0)), measures=found)
        for (column, value), found in slices.items()
    ]
    return (
        plain,
        dict(sorted(importances.items(), key=lambda pair: -pair[1])),
        sorted(told, key=lambda one: (one.column, -one.rows, one.value)),
    )


def gates(releases: Sequence[Activity]) -> list[GateLink]:
    """Give every gate of the releases with its evidence."""
    return [
        GateLink(
            release=release.id,
            gate=str(one.get("gate", "")),
            result=str(one.get("result", "")),
            reason=str(one.get("reason", "")),
            evidence=dict(one.get("evidence") or {}),
        )
        for release in releases
        for one in _detail(release.step("gates")).get("evidence", [])
    ]


def approvals(releases: Sequence[Activity]) -> list[ApprovalLink]:
    """Give what people said to the releases."""
    return [
        ApprovalLink(release=release.id, said=act.kind, who=act.who, at=act.at, reason=act.reason, person=act.person)
        for release in releases
        for act in release.acts
        if act.kind in _SAID
    ]


def rollouts(releases: Sequence[Activity]) -> list[RolloutLink]:
    """Give the rollouts of the releases."""
    return [_rollout(release) for release in releases]


def _rollout(release: Activity) -> RolloutLink:
    made, rolled = _detail(release.step("deployment")), _detail(release.step("rollout"))
    evaluation = _detail(release.step("evaluate"))
    return RolloutLink(
        release=release.id,
        status=release.status,
        reason=release.reason,
        endpoint=str(rolled.get("endpoint") or made.get("endpoint") or ""),
        deployment=str(rolled.get("deployment") or made.get("deployment") or ""),
        evaluation=str(evaluation.get("job") or ""),
        champion=str(evaluation.get("champion") or ""),
        began=release.created,
        ended=release.updated,
        traffic=[
            TrafficLink(
                at=datetime.fromisoformat(one["at"]),
                act=str(one.get("act", "")),
                traffic=str(one.get("traffic", "")),
                reason=str(one.get("reason", "")),
                finding=dict(one.get("finding") or {}),
            )
            for one in rolled.get("history", [])
        ],
    )


def jobs_of(activity: Activity, automation: Automation) -> Iterator[tuple[Step, str]]:
    """Give the steps that ran an Azure ML job, with its file."""
    do = automation.do
    release = do.deploy or do.promote
    files = {
        "check": automation.check.job if automation.check else "",
        "train": do.train.job if do.train else "",
        "job": do.job.job if do.job else "",
        "score": (do.score.job or "") if do.score else "",
        "evaluate": release.evaluate.job if release and release.evaluate else "",
    }
    for step in activity.steps:
        if files.get(step.name) and step.started and step.ended:
            yield step, files[step.name]


def _detail(step: Step | None) -> Mapping[str, Any]:
    return step.detail if step else {}
