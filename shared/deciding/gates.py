"""Whether a model may be released: each gate with its evidence; what cannot be known refuses, never passes."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from shared.deciding.approval import Approval, Asked, weigh
from shared.deciding.thresholds import Threshold
from shared.deciding.verdicts import Passed, Refused, Verdict, Waiting
from shared.deciding.wording import number, percent

Better = Literal["lower", "higher"]


@dataclass(frozen=True, slots=True)
class Metrics:
    """Every metric keeps its threshold."""

    thresholds: Mapping[str, Threshold]


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How much worse than the champion is as good: a fraction of the champion's value, or an absolute amount."""

    amount: float = 0.0
    relative: bool = True

    def of(self, champion: float) -> float:
        """Give it in the metric's own unit."""
        return abs(champion) * self.amount if self.relative else self.amount

    def __str__(self) -> str:
        return percent(self.amount) if self.relative else number(self.amount)


@dataclass(frozen=True, slots=True)
class Champion:
    """The challenger is as good as the champion on the same rows. `kind` is its name in evidence."""

    metric: str
    better: Better
    tolerance: Tolerance = Tolerance()
    when_none: Literal["pass-with-note", "refuse"] = "pass-with-note"
    when_unsure: Literal["pass-with-note", "refuse"] = "pass-with-note"
    threshold: Threshold | None = None
    kind: Literal["champion", "business"] = "champion"


@dataclass(frozen=True, slots=True)
class Fairness:
    """No slice of the rows is treated much worse than the others.

    `to-overall`: no slice is farther from the value over all rows than `max_gap`; `between-slices`: no two slices are
    farther apart. `relative`: the gap is a fraction of the value over all rows. Slices with fewer than `min_rows` rows
    are left out and named.
    """

    metric: str
    slices: tuple[str, ...]
    max_gap: float
    relative: bool = True
    min_rows: int = 1
    method: Literal["to-overall", "between-slices"] = "to-overall"


Gate = Metrics | Champion | Fairness | Approval


@dataclass(frozen=True, slots=True)
class Slice:
    """One slice of the rows, such as carrier UA: its rows and the metric over them."""

    value: str
    rows: int
    metric: float | None


@dataclass(frozen=True, slots=True)
class Scores:
    """What an evaluation says of one model. `source` names it: the run, the data version, the model version.

    `slices` are by metric and column, such as ("mae", "carrier").
    """

    source: str
    metrics: Mapping[str, float] = field(default_factory=dict)
    slices: Mapping[tuple[str, str], tuple[Slice, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known. `champion`: None where nothing is live. `intervals`: by metric, the confidence interval of
    challenger minus champion, on the same rows. `asked`: what people say, None while nobody was asked.
    """

    challenger: Scores
    champion: Scores | None = None
    intervals: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    asked: Asked | None = None


def judge(gate: Gate, facts: Facts, now: datetime) -> Verdict:
    """Judge one gate."""
    if isinstance(gate, Metrics):
        return _metrics(gate, facts.challenger)
    if isinstance(gate, Champion):
        return _champion(gate, facts)
    if isinstance(gate, Fairness):
        return _fairness(gate, facts.challenger)
    return weigh(gate, facts.asked, now)


def judge_all(gates: tuple[Gate, ...], facts: Facts, now: datetime) -> tuple[Verdict, tuple[Verdict, ...]]:
    """Judge all gates; give the verdict over all of them, and each one's own.

    One that refuses refuses all; else one that waits makes all wait. Nobody is asked to approve what another gate
    refuses: an approval that was not asked for waits, and loses to the refusal.
    """
    verdicts = tuple(judge(gate, facts, now) for gate in gates)
    refused = [verdict for verdict in verdicts if isinstance(verdict, Refused)]
    waiting = [verdict for verdict in verdicts if isinstance(verdict, Waiting)]
    evidence = {"gates": [verdict.as_dict() for verdict in verdicts]}
    if refused:
        return Refused("gates", "; ".join(verdict.reason for verdict in refused), evidence), verdicts
    if waiting:
        ends = [verdict.until for verdict in waiting if verdict.until]
        reason = "; ".join(verdict.reason for verdict in waiting)
        return Waiting("gates", reason, evidence, min(ends) if ends else None), verdicts
    return Passed("gates", f"{len(verdicts)} of {len(verdicts)} gates passed", evidence), verdicts


def _metrics(gate: Metrics, scores: Scores) -> Verdict:
    rows, failed = [], []
    for name, threshold in gate.thresholds.items():
        value, why = _value(scores, name)
        keeps = value is not None and threshold.keeps(value)
        rows.append({"metric": name, "value": value, "threshold": str(threshold), "passed": keeps})
        if value is None:
            failed.append(why)
        elif not keeps:
            failed.append(f"{name} is {number(value)}, not {threshold}")
    evidence = {"metrics": rows, "source": scores.source}
    if not rows:
        return Refused("metrics", "no metric is named", evidence)
    if failed:
        return Refused("metrics", "; ".join(failed), evidence)
    return Passed("metrics", ", ".join(f"{row['metric']} {row['threshold']}" for row in rows), evidence)


def _champion(gate: Champion, facts: Facts) -> Verdict:
    """Compare with the champion.

    1. A value of the challenger that is missing refuses; so does one that breaks the gate's own threshold.
    2. No champion: as `when-none` says. A champion without a value refuses.
    3. Worse by more than the tolerance: refused.
    4. A confidence interval is given, and its worse end is beyond the tolerance: as `when-unsure` says.
    5. Else passed.
    """
    value, why = _value(facts.challenger, gate.metric)
    evidence: dict[str, Any] = {
        "metric": gate.metric,
        "better": gate.better,
        "challenger": {"value": value, "source": facts.challenger.source},
        "champion": None,
        "tolerance": str(gate.tolerance),
        "threshold": str(gate.threshold) if gate.threshold else None,
    }
    if value is None:
        return Refused(gate.kind, why, evidence)
    if gate.threshold and not gate.threshold.keeps(value):
        return Refused(gate.kind, f"{gate.metric} is {number(value)}, not {gate.threshold}", evidence)
    if facts.champion is None:
        if gate.when_none == "refuse":
            return Refused(gate.kind, "there is no champion to compare with, and when-none says refuse", evidence)
        return Passed(
            gate.kind, f"{gate.metric} is {number(value)}; nothing is live to compare with", evidence, note=True
        )
    standard, missing = _value(facts.champion, gate.metric)
    evidence["champion"] = {"value": standard, "source": facts.champion.source}
    if standard is None:
        return Refused(gate.kind, f"the champion: {missing}", evidence)
    sign = 1 if gate.better == "lower" else -1
    worse, allowed = sign * (value - standard), gate.tolerance.of(standard)
    told = f"{gate.metric} {number(value)} against {number(standard)} (tolerance {gate.tolerance})"
    evidence |= {"worse-by": _finite(worse), "allowed": _finite(allowed)}
    if worse > allowed:
        return Refused(gate.kind, f"worse than the champion: {told}", evidence)
    interval = facts.intervals.get(gate.metric)
    if interval is not None:
        evidence["interval"] = [_finite(end) for end in interval]
        ends = [sign * end for end in interval]
        if not all(math.isfinite(end) and end <= allowed for end in ends):
            told += f", but it may be worse by {number(max(ends))}"
            if gate.when_unsure == "refuse":
                return Refused(gate.kind, f"not shown to be as good: {told}", evidence)
            return Passed(gate.kind, told, evidence, note=True)
    return Passed(gate.kind, told, evidence)


def _fairness(gate: Fairness, scores: Scores) -> Verdict:
    overall, why = _value(scores, gate.metric)
    limit = percent(gate.max_gap) if gate.relative else number(gate.max_gap)
    evidence: dict[str, Any] = {
        "metric": gate.metric,
        "overall": overall,
        "method": gate.method,
        "max-gap": limit,
        "min-rows": gate.min_rows,
        "source": scores.source,
        "slices": [],
    }
    if overall is None:
        return Refused("fairness", why, evidence)
    if gate.relative and overall == 0:
        return Refused("fairness", f"{gate.metric} over all rows is 0: a relative gap to it has no meaning", evidence)
    reasons: list[str] = []
    passed = True
    for column in gate.slices:
        ok, reason, found = _column(gate, column, overall, scores)
        passed = passed and ok
        reasons.append(reason)
        evidence["slices"].append(found)
    verdict = Passed if passed and reasons else Refused
    return verdict("fairness", "; ".join(reasons) or "no column of slices is named", evidence)


def _column(gate: Fairness, column: str, overall: float, scores: Scores) -> tuple[bool, str, dict[str, Any]]:
    slices = scores.slices.get((gate.metric, column), ())
    small = [one for one in slices if one.rows < gate.min_rows]
    large = [one for one in slices if one.rows >= gate.min_rows]
    found: dict[str, Any] = {
        "column": column,
        "values": {one.value: {"rows": one.rows, "metric": _finite(one.metric)} for one in large},
        "excluded": {one.value: one.rows for one in small},
    }
    if not slices:
        return False, f"the evaluation has no {gate.metric} by {column}", found
    if not large:
        return False, f"no slice by {column} has {gate.min_rows} rows: nothing can be said of fairness", found
    values = {one.value: _finite(one.metric) for one in large}
    if unknown := sorted(name for name, value in values.items() if value is None):
        return False, f"{gate.metric} is missing for {column} {', '.join(unknown)}", found
    known = {name: value for name, value in values.items() if value is not None}
    worst, gap = _gap(gate, known, overall)
    share = gap / abs(overall) if gate.relative else gap
    shown = percent(share) if gate.relative else number(share)
    limit = percent(gate.max_gap) if gate.relative else number(gate.max_gap)
    found |= {"gap": share, "worst": worst}
    left_out = f" ({len(small)} slices under {gate.min_rows} rows left out)" if small else ""
    ok = share <= gate.max_gap
    return (
        ok,
        f"gap of {gate.metric} by {column} is {shown} at {worst}, {'within' if ok else 'over'} {limit}{left_out}",
        found,
    )


def _gap(gate: Fairness, values: Mapping[str, float], overall: float) -> tuple[str, float]:
    if gate.method == "between-slices":
        high, low = max(values, key=lambda name: values[name]), min(values, key=lambda name: values[name])
        return f"{low} to {high}", values[high] - values[low]
    worst = max(values, key=lambda name: abs(values[name] - overall))
    return worst, abs(values[worst] - overall)


def _value(scores: Scores, name: str) -> tuple[float | None, str]:
    """Give a metric's value and, where it has none, why not."""
    value = scores.metrics.get(name)
    if value is None:
        known = ", ".join(sorted(scores.metrics)) or "none"
        return None, f"{name} is missing in {scores.source} (it has {known})"
    if not math.isfinite(value):
        return None, f"{name} is {value}, no number, in {scores.source}"
    return value, ""


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
