"""What drift deserves: nothing, a word to people, a trial training or a retraining; and why."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from shared.deciding.thresholds import Threshold
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
class Performance:
    """How well the model did in a window, on the `rows` whose labels have come since."""

    metric: str
    value: float | None
    threshold: Threshold
    rows: int


@dataclass(frozen=True, slots=True)
class Window:
    """What one run of the monitor says. `unreadable`: why its numbers could not be read, "" where they could."""

    run: str
    start: datetime
    end: datetime
    samples: int | None = None
    features: tuple[Feature, ...] = ()
    performance: Performance | None = None
    unreadable: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """The last training that drift of this model led to, which has not failed, and when it began."""

    activity: str
    at: datetime


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
    3. Performance, where labels have come, goes before drift: it is worse in `k` of the last `n` windows with labels.
    4. The newest window has too few rows: ignore.
    5. Drift is as bad as the newest window says, where `k` of the last `n` say at least that; else less.
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
    newest = looks[-1]
    if newest.unreadable:
        reason = f"the numbers of {newest.window.run} cannot be read: {newest.unreadable}"
        return Triage("notify", "none", reason, None, evidence)
    if answer and not fresh:
        reason = f"{newest.window.run} ended before {answer.activity} began at {moment(answer.at)}, which answers it"
        return Triage("ignore", "none", reason, None, evidence)
    worse = _performance(rule, fresh)
    if worse:
        severity: Severity = "performance"
        reason, counted = _told_performance(rule, worse), worse
    elif newest.too_few:
        reason = f"{newest.window.samples} rows, at least {rule.min_samples} are needed"
        return Triage("ignore", "none", reason, None, evidence)
    else:
        severity, counted, reason = _persisting(rule, fresh)
    if severity == "none":
        if newest.missing:
            told = f"{reason}; not known: {', '.join(newest.missing)}"
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
        performance = self.window.performance
        return {
            "run": self.window.run,
            "from": moment(self.window.start),
            "to": moment(self.window.end),
            "samples": self.window.samples,
            "severity": self.severity,
            "share": self.share,
            "drifted": list(self.drifted),
            "seasonal": list(self.seasonal),
            "missing": list(self.missing),
            "unreadable": self.unreadable,
            "features": self._features(),
            "performance": {
                "metric": performance.metric,
                "value": _finite(performance.value),
                "threshold": str(performance.threshold),
                "rows": performance.rows,
            }
            if performance
            else None,
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
    for feature in window.features:
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
    if not unreadable and not window.features and window.performance is None:
        unreadable = "it holds no feature and no performance"
    if not unreadable and window.features and len(missing) == len(window.features):
        unreadable = f"no score or threshold of {', '.join(missing[:5])}"
    share = sum(weights[name] for name in drifted)
    severity: Severity = "none" if not drifted else "major" if share >= rule.major_share - 1e-9 else "minor"
    too_few = window.samples is not None and window.samples < rule.min_samples
    return _Look(window, severity, share, tuple(drifted), tuple(seasonal), tuple(missing), unreadable, too_few)


def _persisting(rule: Rule, looks: list[_Look]) -> tuple[Severity, list[_Look], str]:
    fit = [look for look in looks if not look.unreadable and not look.too_few][-rule.n :]
    newest = fit[-1]
    levels: tuple[Severity, ...] = ("major", "minor")
    for level in levels:
        counted = [look for look in fit if _RANK[look.severity] >= _RANK[level]]
        if _RANK[newest.severity] >= _RANK[level] and len(counted) >= rule.k:
            told = f"{', '.join(newest.drifted[:5])} drift ({percent(newest.share)} of all importance)"
            return level, counted, f"{told} in {len(counted)} of the last {len(fit)} windows"
    if newest.severity != "none":
        seen = sum(look.severity != "none" for look in fit)
        return "none", [], f"drift in {seen} of the last {len(fit)} windows; {rule.k} of {rule.n} are needed"
    if newest.seasonal:
        return "none", [], f"{', '.join(newest.seasonal[:5])} drift as in this season before: no drift"
    return "none", [], "no feature is beyond its threshold"


def _performance(rule: Rule, looks: list[_Look]) -> list[_Look]:
    """Give the windows that did worse where enough of the last ones with labels did, the newest of them included."""
    labelled = [look for look in looks if _labelled(rule, look)][-rule.n :]
    worse = [look for look in labelled if _is_worse(look)]
    return worse if worse and worse[-1] is labelled[-1] and len(worse) >= rule.k else []


def _labelled(rule: Rule, look: _Look) -> bool:
    performance = look.window.performance
    if look.window.unreadable or performance is None or performance.rows < max(1, rule.min_samples):
        return False
    return _finite(performance.value) is not None


def _is_worse(look: _Look) -> bool:
    performance = look.window.performance
    return (
        performance is not None and performance.value is not None and not performance.threshold.keeps(performance.value)
    )


def _told_performance(rule: Rule, worse: list[_Look]) -> str:
    last = worse[-1].window.performance
    if last is None or last.value is None:
        return "performance is worse"
    told = f"{last.metric} is {number(last.value)}, not {last.threshold}, on {last.rows} rows"
    return f"{told}; in {len(worse)} of the last {rule.n} windows with labels"


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
