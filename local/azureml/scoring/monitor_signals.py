"""Computes the signals of a model monitor: drift and quality by feature, against thresholds; a breach tags the run.

Run as a script in a job. Metrics and their names:
https://learn.microsoft.com/azure/machine-learning/concept-model-monitoring#supported-metrics
"""

import argparse
import importlib
import json
import os
import sys
import urllib.request
from pathlib import Path
from typing import Any

_TAG = "azureml_modelmonitor_threshold_breached"
_BINS = 10
_SMALL = 1e-6


def main() -> int:
    """Compute; the job completes where a threshold is violated too: the tag tells it, as the run's event does."""
    parser = argparse.ArgumentParser()
    for name in ("--monitor", "--plan", "--output"):
        parser.add_argument(name, required=True)
    given, rest = parser.parse_known_args()
    places = dict(zip((word.removeprefix("--") for word in rest[::2]), rest[1::2], strict=True))
    breached = []
    for signal in json.loads(given.plan):
        current = _table(places[f"production-{signal['index']}"])
        reference = _table(places[f"reference-{signal['index']}"])
        report = _signal(signal, reference, current)
        path = Path(given.output) / f"{signal['name']}.json"
        path.write_text(json.dumps(report, indent=2))
        print(json.dumps(report))
        if report["violations"] and signal["alert"]:
            breached.append(
                f"{given.monitor}_{signal['name']} has failed due to one or more features violating metric thresholds: "
                + ", ".join(f"{item['feature']} {item['metric']}={item['value']:.4g}" for item in report["violations"])
            )
    if breached:
        _tag("; ".join(breached))
    return 0


def _table(place: str) -> Any:
    pd = importlib.import_module("pandas")
    path = Path(place)
    files = [path] if path.is_file() else sorted(item for item in path.rglob("*") if item.is_file())
    readers = {
        ".csv": pd.read_csv,
        ".parquet": pd.read_parquet,
        ".jsonl": lambda file: pd.read_json(file, lines=True),
        ".json": lambda file: pd.read_json(file, lines=True),
    }
    tables = [readers[file.suffix](file) for file in files if file.suffix in readers]
    if not tables:
        sys.exit(f"There is no .csv, .parquet or .jsonl file in {place}")
    return pd.concat(tables, ignore_index=True)


def _signal(signal: dict[str, Any], reference: Any, current: Any) -> dict[str, Any]:
    """Give every metric of every feature that the signal names, and those over their thresholds."""
    pd = importlib.import_module("pandas")
    shared = [name for name in reference.columns if name in current.columns and name != signal["target"]]
    features = _chosen(signal.get("features"), shared)
    found, violations = [], []
    for name in features:
        numeric = pd.api.types.is_numeric_dtype(reference[name]) and pd.api.types.is_numeric_dtype(current[name])
        for threshold in signal["thresholds"]:
            kind = str(threshold.get("dataType") or "").lower()
            if kind in {"numerical", "categorical"} and (kind == "numerical") != numeric:
                continue
            value, worse_below = _metric(threshold["metric"].lower(), reference[name], current[name], numeric=numeric)
            limit = threshold["value"]
            over = limit is not None and (value < limit if worse_below else value > limit)
            entry = {"feature": name, "metric": threshold["metric"], "value": value, "threshold": limit}
            found.append(entry)
            if over:
                violations.append(entry)
    return {
        "signal": signal["name"],
        "type": signal["kind"],
        "rows": len(current),
        "referenceRows": len(reference),
        "metrics": found,
        "violations": violations,
    }


def _chosen(features: dict[str, Any] | None, shared: list[str]) -> list[str]:
    kind = str((features or {}).get("filterType") or "AllFeatures").lower()
    if kind == "featuresubset":
        return [name for name in (features or {}).get("features", []) if name in shared]
    if kind == "topnbyattribution":
        # Attributions are the service's own; without them the first columns are taken, and the report says which.
        return shared[: int((features or {}).get("top", 10))]
    return shared


def _metric(name: str, before: Any, now: Any, *, numeric: bool) -> tuple[float, bool]:
    """Give a metric's value, and whether it is bad below its threshold (p-values) instead of above."""
    np = importlib.import_module("numpy")
    if name == "nullvaluerate":
        return float(now.isna().mean()), False
    if name == "datatypeerrorrate":
        return (0.0 if now.dtype.kind == before.dtype.kind else 1.0), False
    before, now = before.dropna(), now.dropna()
    if not len(before) or not len(now):
        return 1.0, False
    if name == "outofboundsrate":
        if numeric:
            return float(((now < before.min()) | (now > before.max())).mean()), False
        return float((~now.isin(before.unique())).mean()), False
    if name == "normalizedwassersteindistance":
        stats = importlib.import_module("scipy.stats")
        return float(stats.wasserstein_distance(before, now) / max(float(np.std(before)), 0.001)), False
    if name == "twosamplekolmogorovsmirnovtest":
        return float(importlib.import_module("scipy.stats").ks_2samp(before, now).pvalue), True
    p, q = _shares(before, now, numeric=numeric)
    if name == "pearsonschisquaredtest":
        stats = importlib.import_module("scipy.stats")
        expected = np.maximum(p, _SMALL)
        return float(stats.chisquare(q * len(now), expected / expected.sum() * q.sum() * len(now)).pvalue), True
    p, q = np.maximum(p, _SMALL), np.maximum(q, _SMALL)
    if name == "populationstabilityindex":
        return float(np.sum((q - p) * np.log(q / p))), False
    return float(importlib.import_module("scipy.spatial.distance").jensenshannon(p, q, base=2)), False


def _shares(before: Any, now: Any, *, numeric: bool) -> tuple[Any, Any]:
    """Give the shares of values in the same bins (of the reference's range) or categories."""
    np = importlib.import_module("numpy")
    if numeric:
        low, high = float(min(before.min(), now.min())), float(max(before.max(), now.max()))
        edges = np.linspace(low, high if high > low else low + 1, _BINS + 1)
        counts = [np.histogram(values, edges)[0] for values in (before, now)]
    else:
        names = sorted({str(value) for value in before} | {str(value) for value in now})
        counts = [np.array([(values.astype(str) == name).sum() for name in names]) for values in (before, now)]
    return counts[0] / counts[0].sum(), counts[1] / counts[1].sum()


def _tag(message: str) -> None:
    """Set the tag on this job's run, by the workspace's MLflow endpoint."""
    body = {"run_id": os.environ["MLFLOW_RUN_ID"], "key": _TAG, "value": message}
    request = urllib.request.Request(  # noqa: S310 the workspace's own address
        f"{os.environ['MLFLOW_TRACKING_URI']}/api/2.0/mlflow/runs/set-tag",
        json.dumps(body).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60):  # noqa: S310
        print(message)


if __name__ == "__main__":
    sys.exit(main())
