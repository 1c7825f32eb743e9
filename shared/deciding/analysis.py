"""Whether a deployment does well, by what was measured over a window: well, badly, or not to be told."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from shared.deciding.thresholds import Threshold
from shared.deciding.wording import moment, number, percent


@dataclass(frozen=True, slots=True)
class Analysis:
    """What a deployment must keep. `latency` is by percentile (p50, p90, p95, p99), in milliseconds.

    `settle`: metrics come late; a window counts once it ended so long ago.
    """

    error_rate: Threshold | None = None
    latency: Mapping[str, Threshold] = field(default_factory=dict)
    custom: Mapping[str, Threshold] = field(default_factory=dict)
    min_requests: int = 1
    settle: timedelta = timedelta(minutes=3)


@dataclass(frozen=True, slots=True)
class Measured:
    """What the service says of one deployment over [start, end), read at `read`.

    `latency` has, by percentile, one value in milliseconds for each interval that the service gives; percentiles are
    never averaged: the largest one counts. `smoke`: how many of the requests were the hub's own.
    """

    start: datetime
    end: datetime
    read: datetime
    requests: int
    error_rate: float | None = None
    latency: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    custom: Mapping[str, float] = field(default_factory=dict)
    smoke: int = 0
    source: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """`good`, `bad`, or `unknown`; the reason; and the evidence as JSON takes it."""

    verdict: Literal["good", "bad", "unknown"]
    reason: str
    evidence: dict[str, Any]


def analyse(rule: Analysis, measured: Measured) -> Finding:
    """Judge a window.

    1. Fewer requests than `min_requests`, or a window that has not settled when it was read: unknown.
    2. A value that breaks its threshold: bad.
    3. A value that is missing or no number: unknown.
    4. Else good.
    """
    checks = list(_checks(rule, measured))
    evidence: dict[str, Any] = {
        "from": moment(measured.start),
        "to": moment(measured.end),
        "read": moment(measured.read),
        "source": measured.source,
        "requests": measured.requests,
        "min-requests": rule.min_requests,
        "smoke": measured.smoke,
        "checks": [check.as_dict() for check in checks],
    }
    if measured.read < measured.end + rule.settle:
        return Finding("unknown", "the window was read before its metrics had settled", evidence)
    if measured.requests < rule.min_requests:
        reason = f"{measured.requests} requests, at least {rule.min_requests} are needed"
        return Finding("unknown", reason, evidence)
    broken = [check for check in checks if check.value is not None and not check.threshold.keeps(check.value)]
    if broken:
        return Finding(
            "bad", "; ".join(f"{check.name} is {check.shown}, not {check.threshold}" for check in broken), evidence
        )
    absent = [check.name for check in checks if check.value is None]
    if absent:
        return Finding("unknown", f"{', '.join(absent)}: no value was measured", evidence)
    told = ", ".join(f"{check.name} {check.shown}" for check in checks)
    return Finding("good", f"{measured.requests} requests{', ' if told else ''}{told}", evidence)


@dataclass(frozen=True, slots=True)
class _Check:
    name: str
    value: float | None
    threshold: Threshold
    shown: str

    def as_dict(self) -> dict[str, Any]:
        return {"name": self.name, "value": self.value, "threshold": str(self.threshold)}


def _checks(rule: Analysis, measured: Measured) -> Iterator[_Check]:
    if rule.error_rate:
        rate = _finite(measured.error_rate)
        yield _Check("error rate", rate, rule.error_rate, "" if rate is None else percent(rate))
    for name, threshold in sorted(rule.latency.items()):
        values = measured.latency.get(name, ())
        worst = max(values) if values and all(math.isfinite(value) for value in values) else None
        yield _Check(f"{name} latency", worst, threshold, "" if worst is None else f"{number(worst)}ms")
    for name, threshold in sorted(rule.custom.items()):
        value = _finite(measured.custom.get(name))
        yield _Check(name, value, threshold, "" if value is None else number(value))


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
