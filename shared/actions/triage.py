"""The steps that weigh drift: read the monitor's numbers, decide what they deserve, and answer a breach only once."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from shared.actions.context import Context
from shared.automations.language_triggers import Drift, triage_of
from shared.azureml.protocol import MonitorRun
from shared.data import Data
from shared.deciding import breaches, drift
from shared.deciding.performance import Performance
from shared.deciding.thresholds import Threshold
from shared.engine.outcomes import Answer, Done, Enough, PermanentError, Refused, TransientError
from shared.engine.run import Work
from shared.ledger.protocol import AlreadyExistsError, ChangedError, Insert, NotFoundError, Replace, Row, Value
from shared.ledger.records import SCHEMA, Activity

REPORT: Final = "outputs/signals.json"
"""Where a monitor leaves its numbers: an artifact of its run."""
WEIGHED: Final = frozenset({"data-drift", "seasonal-drift", "prediction-drift", "performance"})
"""Signals of a report that are weighed; another one that breaks its threshold is told to people."""
_MOST: Final = 8 * 1024 * 1024


class Triage:
    """Weighs drift."""

    def __init__(self, context: Context, data: Data) -> None:
        self._context = context
        self._data = data
        self._table = context.store.table("answers")

    async def triage(self, work: Work) -> Answer:
        """Map the breach to its model, read the numbers of the last windows, and decide what they deserve."""
        rule, breach = await self._asked(work.activity)
        windows = await self._windows(breach, rule, work.now)
        decided = drift.decide(triage_of(rule), windows, await self._answer(work.activity, rule))
        detail = {
            "monitor": list(breach.monitors),
            "run": breach.run,
            "signal": breach.signal,
            "model": rule.model,
            "outcome": decided.outcome,
            "severity": decided.severity,
            "since": decided.since.isoformat() if decided.since else "",
            "evidence": decided.evidence,
        }
        told = f"{decided.outcome}: {decided.reason}"
        if decided.outcome == "ignore":
            return Refused(told, detail)
        if decided.outcome == "notify":
            return Enough(told, detail)
        return Done({**detail, "reason": decided.reason})

    async def answer(self, work: Work) -> Answer:
        """Take the answer to this drift for this activity; where another has taken it since, that one stands."""
        activity = work.activity
        step = activity.step("triage")
        detail = step.detail if step else {}
        key = str(detail.get("model", ""))
        row = await self._table.get(activity.automation, key)
        if row is not None and row.cells["activity"] != activity.id:
            taken = datetime.fromisoformat(str(row.cells["at"]))
            ended = [datetime.fromisoformat(one["to"]) for one in detail.get("evidence", {}).get("windows", [])]
            if not ended or max(ended) <= taken:
                other = str(row.cells["activity"])
                return Refused(f"ignore: {other}, which began at {taken.isoformat()}, answers it")
        seen = [one.get("days", ("", ""))[1] for one in detail.get("evidence", {}).get("windows", [])]
        cells: dict[str, Value] = {
            "schema": SCHEMA,
            "activity": activity.id,
            "at": work.now.isoformat(),
            "through": max(seen, default=""),
        }
        if row is not None and row.cells["activity"] == activity.id:
            cells["at"] = str(row.cells["at"])
        fresh = Row(activity.automation, key, cells, row.etag if row else "")
        try:
            await self._table.apply([Replace(fresh) if row else Insert(fresh)])
        except (ChangedError, AlreadyExistsError, NotFoundError):
            raise TransientError("another activity takes the answer at this moment") from None
        return Done({"model": key, "outcome": str(detail.get("outcome", ""))})

    async def _answer(self, activity: Activity, rule: Drift) -> drift.Answer | None:
        row = await self._table.get(activity.automation, rule.model)
        if row is None or row.cells["activity"] == activity.id:
            return None
        try:
            other, _ = await self._context.activity(str(row.cells["activity"]))
        except NotFoundError:
            return None
        if other.status in {"failed", "cancelled"}:
            return None
        through = str(row.cells.get("through") or "")
        return drift.Answer(other.id, datetime.fromisoformat(str(row.cells["at"])), through)

    async def _asked(self, activity: Activity) -> tuple[Drift, breaches.Breach]:
        loaded, _ = await self._context.automation(activity)
        rule = loaded.automation.on[activity.trigger].drift if activity.trigger >= 0 else None
        told = activity.cause.event.get("breach")
        if rule is None or not isinstance(told, dict):
            raise PermanentError("the event of this activity tells of no drift that the automation waits for")
        breach = breaches.Breach(tuple(told["monitors"]), told["run"], told["signal"], told["feature"])
        return rule, breach

    async def _windows(self, breach: breaches.Breach, rule: Drift, now: datetime) -> list[drift.Window]:
        """Read the run that told of the breach and the ones before it; what cannot be read says why."""
        runs = await self._context.azureml.monitor_runs(breach.run, max(rule.persists.n, 3) + 1)
        if not any(run.name == breach.run for run in runs):
            runs = [MonitorRun(breach.run, now, now), *runs]
        ordered = sorted(runs, key=lambda run: run.ended)
        windows = []
        for index, run in enumerate(ordered):
            if run.ended > next(one.ended for one in ordered if one.name == breach.run):
                continue
            start = ordered[index - 1].ended if index else run.started
            windows.append(await self._window(run, start, rule))
        return windows

    async def _window(self, run: MonitorRun, start: datetime, rule: Drift) -> drift.Window:
        try:
            account, container, prefix = await self._context.azureml.artifacts(run.name)
            text = await self._data.read(account, container, f"{prefix}{REPORT}", limit=_MOST)
            return read_report(json.loads(text), run, start, rule.season)
        except (PermanentError, ValueError, LookupError, TypeError, AttributeError) as error:
            reason = str(error) if isinstance(error, PermanentError) else f"{REPORT}: {type(error).__name__}: {error}"
            return drift.Window(run.name, start, run.ended, unreadable=reason[:500])


def read_report(report: Mapping[str, Any], run: MonitorRun, start: datetime, season: str | None = None) -> drift.Window:
    """Read a monitor's report: the signals of WEIGHED. Raises where it is no report.

    A feature's score is its worst metric as a multiple of that metric's threshold, so that metrics can be compared.
    `season` is the seasonal reference that is asked for: one of another kind, or of too few rows, explains nothing.
    """
    signals = {str(signal["signal"]): signal for signal in report["signals"]}
    told = signals.get("seasonal-drift", {})
    fits = told.get("enough", True) and told.get("kind", season) == season
    seasonal = {str(one["name"]): _score(one) for one in told.get("features", [])} if fits else {}
    window = report.get("window") or {}
    return drift.Window(
        run=run.name,
        start=start,
        end=run.ended,
        samples=int(report["rows"]),
        features=_features(signals.get("data-drift", {}), seasonal),
        answers=_features(signals.get("prediction-drift", {}), seasonal),
        performance=_performance(signals.get("performance")),
        days=(str(window.get("first_day") or ""), str(window.get("last_day") or "")),
        unweighed=tuple(name for name, one in signals.items() if name not in WEIGHED and one.get("breached")),
    )


def _features(signal: Mapping[str, Any], seasonal: Mapping[str, float | None]) -> tuple[drift.Feature, ...]:
    return tuple(
        drift.Feature(str(one["name"]), _score(one), 1.0, one.get("weight"), seasonal.get(str(one["name"])))
        for one in signal.get("features", [])
    )


def _score(feature: Mapping[str, Any]) -> float | None:
    ratios = [
        float(metric["value"]) / float(metric["threshold"])
        for metric in feature["metrics"].values()
        if metric.get("value") is not None and metric.get("threshold")
    ]
    return max(ratios, default=None)


def _performance(signal: Mapping[str, Any] | None) -> tuple[Performance, ...]:
    """Give every window with enough outcomes, the earlier ones too: labels that came later have changed them."""
    reference = (signal or {}).get("reference_mae")
    if signal is None or reference is None:
        return ()
    limit = Threshold.parse(f"<= {float(reference) * (1 + float(signal['threshold'])):.6g}")
    return tuple(
        Performance(
            metric="mae",
            value=float(one["mae"]),
            threshold=limit,
            rows=int(one["rows"]),
            window=str(one["window"]),
            first=str(one.get("first_day") or ""),
            last=str(one.get("last_day") or ""),
        )
        for one in sorted(signal.get("windows", []), key=lambda one: str(one["window"]))
        if one.get("enough")
    )
