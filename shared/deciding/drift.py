"""What drift deserves: nothing, a word to people, a trial training or a retraining; and why."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from shared.deciding.performance import Performance, newest
from shared.deciding.wording import moment, number, percent

Severity = Literal["none", "minor", "major", "performance"]
Outcome = Literal["ignore", "notify", "shadow-train", "retrain"]
_RANK: Final = {"none": 0, "minor": 1, "major": 2}
_MOST_SHOWN: Final = 12
"""Features of a window that its evidence names with their distances."""


@dataclass(frozen=True, slots=True)
class Rule:
    """How drift is weighed. `k` of the last `n` windows, the newest among them, must agree.

    `min_samples`: a window with fewer rows says nothing. `major_share`: drift is major when features of at least this
    share of all importance drift. `season`: what agrees with the seasonal reference is no drift.
    """

    then: Mapping[str, Outcome]
    k: int = 1
    n: int = 1
    min_samples: int = 0
    major_share: float = 0.5
    season: bool = False


@dataclass(frozen=True, slots=True)
class Feature:
    """How far one feature is from its reference, by a measure for which more is worse (PSI, a distance).

    `seasonal` is the same measure against the seasonal reference. None is a number that is not known.
    """

    name: str
    score: float | None
    threshold: float | None
    importance: float | None = None
    seasonal: float | None = None


@dataclass(frozen=True, slots=True)
class Window:
    """What one run of the monitor says. `unreadable`: why its numbers could not be read, "" where they could.

    `answers`: how far what the model answers is from its reference. `performance`: of this window and earlier ones, as
    their labels have come. `days`: the first and the last day of what it saw. `unweighed`: signals that broke their
    thresholds and that are not weighed here.
    """

    run: str
    start: datetime
    end: datetime
    samples: int | None = None
    features: tuple[Feature, ...] = ()
    answers: tuple[Feature, ...] = ()
    performance: tuple[Performance, ...] = ()
    unreadable: str = ""
    days: tuple[str, str] = ("", "")
    unweighed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """The last training that drift of this model led to, which has not failed, and when it began.

    `through`: the last day of what the monitor had seen by then.
    """

    activity: str
    at: datetime
    through: str = ""


@dataclass(frozen=True, slots=True)
class Triage:
    """What follows. `since`: the begin of the earliest window that counted, where a retraining has to read from."""

    outcome: Outcome
    severity: Severity
    reason: str
    since: datetime | None
    evidence: dict[str, Any]


def breach_key(run: str, signal: str, feature: str = "") -> tuple[str, str, str]:
    """Give what makes a breach the same: one monitor run, signal and feature, whatever the case, is one breach."""
    return run.strip().casefold(), signal.strip().casefold(), feature.strip().casefold()


def decide(rule: Rule, windows: Sequence[Window], answer: Answer | None = None) -> Triage:
    """Decide by the windows of a monitor, in any order.

    1. The newest window's numbers cannot be read: notify; never retrain, never silence.
    2. Windows that ended before the last training began are answered by it and do not count; none is left: ignore.
    3. Performance, where labels have come, goes before drift: it is worse in `k` of the last `n` windows with labels,
       each by the newest word on it, and by no window that a training has answered.
    4. The newest window has too few rows: ignore.
    5. Drift is as bad as the newest window says, where `k` of the last `n` say at least that; else less. That the
       model's answers drift is minor.
    6. Nothing persists: ignore, with the reason; where a number was missing: notify.
    """
    ordered = sorted(windows, key=lambda window: (window.end, window.run))
    looks = [_look(rule, window) for window in ordered]
    fresh = [look for look in looks if answer is None or look.window.end > answer.at]
    evidence: dict[str, Any] = {
        "rule": {"persists": f"{rule.k} of {rule.n}", "min-samples": rule.min_samples, "season": rule.season},
        "windows": [look.as_dict() for look in looks[-max(rule.n, 3) :]],
        "answered": {"activity": answer.activity, "at": moment(answer.at)} if answer else None,
    }
    if not looks:
        return Triage("notify", "none", "a breach was told of, and there is no window to read", None, evidence)
    latest = looks[-1]
    if latest.unreadable:
        reason = f"the numbers of {latest.window.run} cannot be read: {latest.unreadable}"
        return Triage("notify", "none", reason, None, evidence)
    if answer and not fresh:
        reason = f"{latest.window.run} ended before {answer.activity} began at {moment(answer.at)}, which answers it"
        return Triage("ignore", "none", reason, None, evidence)
    worse = _worse(rule, fresh, answer.through if answer else "")
    if worse:
        severity: Severity = "performance"
        reason, counted = _told_performance(rule, worse), _seen_by(fresh, worse)
    elif latest.too_few:
        reason = f"{latest.window.samples} rows, at least {rule.min_samples} are needed"
        return Triage("ignore", "none", reason, None, evidence)
    else:
        severity, counted, reason = _persisting(rule, fresh)
    if severity == "none":
        if latest.missing:
            told = f"{reason}; not known: {', '.join(latest.missing)}"
            return Triage("notify", severity, told, None, evidence)
        return Triage("ignore", severity, reason, None, evidence)
    outcome = rule.then.get(severity, "notify")
    since = min(look.window.start for look in counted)
    return Triage(outcome, severity, f"{severity}: {reason}", since, evidence)


@dataclass(frozen=True, slots=True)
class _Look:
    """One window, weighed."""

    window: Window
    severity: Severity
    share: float
    drifted: tuple[str, ...]
    seasonal: tuple[str, ...]
    missing: tuple[str, ...]
    unreadable: str
    too_few: bool

    def as_dict(self) -> dict[str, Any]:
        """Give it as JSON takes it."""
        performance = [_plain(one) for one in self.window.performance]
        return {
            "run": self.window.run,
            "from": moment(self.window.start),
            "to": moment(self.window.end),
            "days": list(self.window.days),
            "samples": self.window.samples,
            "severity": self.severity,
            "share": self.share,
            "drifted": list(self.drifted),
            "seasonal": list(self.seasonal),
            "missing": list(self.missing),
            "unreadable": self.unreadable,
            "features": self._features(),
            "performance": performance[-1] if performance else None,
            "performances": performance[-_MOST_SHOWN:],
        }

    def _features(self) -> list[dict[str, Any]]:
        """Give the features that are farthest from their reference: how many times their threshold, and their share."""
        weights = _weights(self.window.features)
        found: list[tuple[float, str]] = []
        for one in self.window.features:
            score, threshold = _finite(one.score), _finite(one.threshold)
            times = _finite(score / threshold) if score is not None and threshold else None
            if times is not None:
                found.append((-times, one.name))
        return [{"name": name, "times": -times, "share": weights[name]} for times, name in sorted(found)[:_MOST_SHOWN]]


def _look(rule: Rule, window: Window) -> _Look:
    weights = _weights(window.features)
    drifted: list[str] = []
    seasonal: list[str] = []
    missing: list[str] = []
    for feature in (*window.features, *window.answers):
        score, threshold = _finite(feature.score), _finite(feature.threshold)
        if score is None or threshold is None:
            missing.append(feature.name)
        elif score > threshold:
            same_season = _finite(feature.seasonal)
            explained = rule.season and same_season is not None and same_season <= threshold
            (seasonal if explained else drifted).append(feature.name)
    unreadable = window.unreadable
    if not unreadable and window.samples is None:
        unreadable = "it does not say how many rows it saw"
    if not unreadable and not window.features and not window.performance:
        unreadable = "it holds no feature and no performance"
    if not unreadable and window.features and {one.name for one in window.features} <= set(missing):
        unreadable = f"no score or threshold of {', '.join(missing[:5])}"
    missing += window.unweighed
    share = sum(weights.get(name, 0.0) for name in drifted)
    major = any(name in weights for name in drifted) and share >= rule.major_share - 1e-9
    severity: Severity = "none" if not drifted else "major" if major else "minor"
    too_few = window.samples is not None and window.samples < rule.min_samples
    return _Look(window, severity, share, tuple(drifted), tuple(seasonal), tuple(missing), unreadable, too_few)


def _persisting(rule: Rule, looks: list[_Look]) -> tuple[Severity, list[_Look], str]:
    fit = [look for look in looks if not look.unreadable and not look.too_few][-rule.n :]
    newest = fit[-1]
    levels: tuple[Severity, ...] = ("major", "minor")
    for level in levels:
        counted = [look for look in fit if _RANK[look.severity] >= _RANK[level]]
        if _RANK[newest.severity] >= _RANK[level] and len(counted) >= rule.k:
            share = f" ({percent(newest.share)} of all importance)" if newest.share else ""
            told = f"{', '.join(newest.drifted[:5])} drift{share}"
            return level, counted, f"{told} in {len(counted)} of the last {len(fit)} windows"
    if newest.severity != "none":
        seen = sum(look.severity != "none" for look in fit)
        return "none", [], f"drift in {seen} of the last {len(fit)} windows; {rule.k} of {rule.n} are needed"
    if newest.seasonal:
        return "none", [], f"{', '.join(newest.seasonal[:5])} drift as in this season before: no drift"
    return "none", [], "no feature is beyond its threshold"


def _worse(rule: Rule, looks: list[_Look], through: str) -> list[tuple[_Look, Performance]]:
    """Give the windows that did worse where enough of the last ones with labels did, the newest of them included."""
    told = [
        (look, one)
        for look in looks
        if not look.unreadable
        for one in look.window.performance
        if one.rows >= max(1, rule.min_samples) and _finite(one.value) is not None
    ]
    labelled = newest(told, through)[-rule.n :]
    worse = [pair for pair in labelled if pair[1].is_worse]
    return worse if worse and worse[-1] is labelled[-1] and len(worse) >= rule.k else []


def _seen_by(looks: list[_Look], worse: list[tuple[_Look, Performance]]) -> list[_Look]:
    """Give the looks that first saw what did worse: its labels may have come with a later one."""
    found = []
    for teller, one in worse:
        saw = (look for look in looks if one.first and look.window.days[0] <= one.first <= look.window.days[1])
        found.append(next(saw, teller))
    return found


def _told_performance(rule: Rule, worse: list[tuple[_Look, Performance]]) -> str:
    last = worse[-1][1]
    value = number(last.value) if last.value is not None else "not known"
    told = f"{last.metric}{f' of {last.window}' if last.window else ''} is {value}, not {last.threshold}"
    return f"{told}, on {last.rows} rows; in {len(worse)} of the last {rule.n} windows with labels"


def _plain(one: Performance) -> dict[str, Any]:
    return {
        "metric": one.metric,
        "value": _finite(one.value),
        "threshold": str(one.threshold),
        "rows": one.rows,
        "window": one.window,
        "days": [one.first, one.last],
    }


def _weights(features: Sequence[Feature]) -> dict[str, float]:
    """Give each feature's share of all importance. One that is not known weighs as much as the known ones on average;
    where none is known, or all are 0, all weigh the same.
    """
    known = [value for feature in features if (value := _importance(feature)) is not None]
    mean = sum(known) / len(known) if known else 1.0
    raw = {feature.name: mean if (value := _importance(feature)) is None else value for feature in features}
    total = sum(raw.values())
    if not total or not math.isfinite(total):
        return {feature.name: 1 / len(features) for feature in features}
    return {name: value / total for name, value in raw.items()}


def _importance(feature: Feature) -> float | None:
    value = _finite(feature.importance)
    return None if value is None else abs(value)


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
