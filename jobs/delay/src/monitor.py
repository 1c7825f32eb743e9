"""Compares what a model sees and answers now with what it learned from; draws it, tags a breach as Azure ML does."""

import argparse
import json
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import collected
import frames
import pandas as pd
import profiles
import season
from collected import PREDICTION
from drift import JS, MISSING, PSI, WASSERSTEIN, chance, distances
from measures import Cost
from models import ModelError, find, load, predict
from outcomes import performance
from pictures import comparison
from reading import DataError
from recipe import REFERENCE
from tracking import Run, run

TAG: Final = "azureml_modelmonitor_threshold_breached"
"""Set on the run by Azure ML's own model monitors, with the sentence below; Event Grid filters match on it.
https://learn.microsoft.com/azure/machine-learning/how-to-monitor-model-performance"""
BREACH: Final = "has failed due to one or more features violating metric thresholds"


def feature_drift(
    reference: Mapping[str, Any], current: Mapping[str, Any], weights: Mapping[str, float], limits: Mapping[str, float]
) -> list[dict[str, Any]]:
    """Compare every feature; gives for each its type, weight (share of all importance), metrics and breaches.

    A threshold is never below what chance alone reaches with so few rows.
    """
    total = sum(max(weight, 0.0) for weight in weights.values())
    found = []
    for name, before in reference.items():
        by_chance, metrics = chance(before, current[name]), {}
        for metric, value in distances(before, current[name]).items():
            limit = max(limits[metric], by_chance.get(metric, 0.0))
            metrics[metric] = {"value": value, "threshold": limit, "breached": value > limit}
        weight = max(weights.get(name, 0.0), 0.0) / total if total else 1 / len(reference)
        found.append(
            {
                "name": name,
                "type": before["type"],
                "weight": weight,
                "breached": any(metric["breached"] for metric in metrics.values()),
                "metrics": metrics,
            }
        )
    return sorted(found, key=lambda feature: -feature["weight"])


def monitor(given: argparse.Namespace, tracked: Run) -> None:
    """Compare, write signals.json and the pictures, log, tag. Raises DataError or ModelError."""
    rows, files, outcomes, left_out = collected.read(given.data, unchecked=given.unchecked == "yes")
    learned = json.loads(_reference_file(given.model).read_text())
    reference, before, days = learned["features"], learned["prediction"], learned.get("days")
    if given.reference.lower() not in {"", "training"}:
        window = frames.read(Path(given.reference))[0]
        days = list(_window(window).values())
        reference = profiles.rows(frames.features(window))
        before = profiles.number(predict(load(given.model), frames.features(window)))
    current, now = profiles.rows(frames.features(rows)), profiles.number(rows[PREDICTION].to_numpy(dtype=float))
    limits = {
        PSI: given.largest_psi,
        JS: given.largest_js,
        WASSERSTEIN: given.largest_wasserstein,
        MISSING: given.largest_missing_change,
    }
    enough = len(rows) >= given.min_samples
    features = feature_drift(reference, current, learned["importances"], limits)
    answers = feature_drift({PREDICTION: before}, {PREDICTION: now}, {}, limits)
    signals: list[dict[str, Any]] = [
        _drift_signal("data-drift", features, len(rows), enough=enough),
        _drift_signal("prediction-drift", answers, len(rows), enough=enough),
    ]
    same_season = None
    if given.season.lower() not in {"", "none"}:
        history = frames.read(Path(given.season))[0]
        before_now = season.reference(history, rows, given.season_kind, given.rolling_days)
        same_season = season.described(given.season_kind, before_now)
        if len(before_now):
            signals.append(_seasonal(before_now, current, now, learned, limits, given))
    if given.labels.lower() not in {"", "none"}:
        outcomes += collected.outcomes(Path(given.labels))
    if outcomes and len(labelled := collected.labelled(rows, outcomes)):
        cost, expected = Cost(given.cost_later, given.cost_earlier), learned["metrics"].get("mae")
        fewest, rise = given.min_samples, given.largest_mae_rise
        signals.append(performance(rows, labelled, expected, cost=cost, fewest=fewest, largest_rise=rise))
    was, is_now = {**reference, PREDICTION: before}, {**current, PREDICTION: now}
    pictures = _draw(given.report / "pictures", [*features, *answers], was, is_now)
    report = {
        "monitor": given.name,
        "window": _window(rows),
        "reference": {"kind": "training" if days == learned.get("days") else "window", "days": days},
        "season": same_season,
        "rows": len(rows),
        "min_samples": given.min_samples,
        "left_out": left_out,
        "files": [{"path": file.path, "sha256": file.sha256} for file in files],
        "signals": signals,
        "pictures": pictures,
    }
    (given.report / "signals.json").write_text(json.dumps(report, indent=1))
    if given.report.resolve() != Path("outputs").resolve():
        shutil.copytree(given.report, "outputs", dirs_exist_ok=True)
    _tell(report, tracked)


def _reference_file(model: Path) -> Path:
    file = find(model) / REFERENCE
    if not file.is_file():
        raise ModelError(f"model in {model} has no {REFERENCE}: it was not trained by this folder's train.py")
    return file


def _drift_signal(name: str, features: list[dict[str, Any]], rows: int, *, enough: bool) -> dict[str, Any]:
    drifted = [feature["name"] for feature in features if feature["breached"]]
    return {
        "signal": name,
        "rows": rows,
        "enough": enough,
        "breached": bool(enough and drifted),
        "drifted": drifted,
        "weighted_share": sum(feature["weight"] for feature in features if feature["breached"]),
        "features": features,
    }


def _seasonal(
    before: pd.DataFrame,
    current: Mapping[str, Any],
    now: Mapping[str, Any],
    learned: Mapping[str, Any],
    limits: Mapping[str, float],
    given: argparse.Namespace,
) -> dict[str, Any]:
    """Compare with the same season before: features and answers alike, under the names they have elsewhere."""
    seen = frames.features(before)
    features = feature_drift(profiles.rows(seen), current, learned["importances"], limits)
    answered = profiles.number(predict(load(given.model), seen))
    features += feature_drift({PREDICTION: answered}, {PREDICTION: now}, {}, limits)
    enough = len(before) >= given.min_samples and int(now["rows"]) >= given.min_samples
    return {
        **_drift_signal("seasonal-drift", features, len(before), enough=enough),
        "kind": given.season_kind,
        "breached": False,  # it explains drift; by itself it is none
    }


def _window(rows: pd.DataFrame) -> dict[str, str | None]:
    if not {"year", "month", "day"} <= set(rows.columns) or rows.empty:
        return {"first_day": None, "last_day": None}
    days = frames.days(rows)
    return {"first_day": days.min(), "last_day": days.max()}


def _draw(
    folder: Path,
    features: list[dict[str, Any]],
    reference: Mapping[str, Any],
    current: Mapping[str, Any],
) -> dict[str, str]:
    folder.mkdir(parents=True, exist_ok=True)
    drawn = {}
    for feature in features:
        name = feature["name"]
        values = ", ".join(f"{metric.replace('_', ' ')} {m['value']:.3f}" for metric, m in feature["metrics"].items())
        picture = comparison(
            f"{name}{' has drifted' if feature['breached'] else ''}",
            values,
            reference[name],
            current[name],
        )
        (folder / f"{name}.svg").write_text(picture)
        drawn[name] = f"pictures/{name}.svg"
    return drawn


def _tell(report: dict[str, Any], tracked: Run) -> None:
    """Log the numbers; tag the run where a signal is breached, each signal with a sentence of its own."""
    metrics: dict[str, Any] = {"rows": report["rows"]}
    sentences = []
    for signal in report["signals"]:
        name = signal["signal"]
        metrics[f"{name}.breached"] = int(signal["breached"])
        if "features" in signal:
            metrics[f"{name}.weighted_share"] = signal["weighted_share"]
            prefix = "seasonal." if name == "seasonal-drift" else ""
            for feature in signal["features"]:
                values = {f"{feature['name']}.{metric}": m["value"] for metric, m in feature["metrics"].items()}
                metrics |= {f"{prefix}{metric}": value for metric, value in values.items()}
        for window in (one for one in signal.get("windows", []) if one["rows"]):
            metrics |= {
                f"{name}.mae.{window['window']}": window["mae"],
                f"{name}.rows.{window['window']}": window["rows"],
            }
        if name == "seasonal-drift":
            told = f"{len(signal['drifted'])} of {len(signal['features'])} are not as in this season before"
            print(f"{name}: {told}{'' if signal['enough'] else '; too few rows'}")
        elif not signal["enough"]:
            print(f"{name}: {signal['rows']} rows, fewer than {report['min_samples']}: nothing is concluded")
        elif signal["breached"]:
            sentences.append(f"{report['monitor']}_{name} {BREACH}.")
            print(f"{name}: breached: {', '.join(signal.get('drifted', [])) or 'mae'}")
        else:
            print(f"{name}: within its thresholds")
    tracked.metrics(metrics)
    tracked.tags({"monitor": report["monitor"], **({TAG: " ".join(sentences)} if sentences else {})})


def main() -> int:
    """Run the monitor; 0 done, breached or not; 2 where data or model do not allow it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--name", default="delay-monitor", help="of the monitor, as automations name it")
    parser.add_argument("--data", type=Path, required=True, help="what batch runs and endpoints saw and answered")
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--reference", default="training", help="a folder of flights to compare with instead")
    parser.add_argument("--season", default="none", help="a folder of earlier flights: what they show too is no drift")
    parser.add_argument("--season-kind", choices=season.KINDS, default="year", help="same months, or the days before")
    parser.add_argument("--rolling-days", type=int, default=28)
    parser.add_argument(
        "--unchecked", choices=("yes", "no"), default="no", help="take results that no hub has checked too"
    )
    parser.add_argument("--labels", default="none", help="a folder of outcomes that came by now")
    parser.add_argument("--report", type=Path, default=Path("outputs"))
    parser.add_argument("--min-samples", type=int, default=200)
    parser.add_argument("--largest-psi", type=float, default=0.2)
    parser.add_argument("--largest-js", type=float, default=0.1)
    parser.add_argument(
        "--largest-wasserstein", type=float, default=0.25, help="in standard deviations of the reference"
    )
    parser.add_argument("--largest-missing-change", type=float, default=0.1, help="of the share of missing values")
    parser.add_argument(
        "--largest-mae-rise", type=float, default=0.15, help="against the mae of the training's holdout"
    )
    parser.add_argument("--cost-later", type=float, default=1.0)
    parser.add_argument("--cost-earlier", type=float, default=0.5)
    given = parser.parse_args()
    with run("monitor") as tracked:
        try:
            monitor(given, tracked)
        except (DataError, ModelError) as error:
            print(f"monitoring failed: {error}", file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
