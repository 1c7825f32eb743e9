"""Scores a challenger, and the champion where there is one, on the same rows that neither learned from."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from columns import FEATURES, KEY, LABEL, SLICE
from frames import days, features, labelled, read
from measures import Cost, bootstrap, by_slice, measures, slice_metrics
from models import ModelError, load, predict, same
from reading import DataError
from tracking import Run, run


def predictions(name: str, folder: Path, given: pd.DataFrame) -> np.ndarray:
    """Give a model's minutes for all rows; raises ModelError naming it where it cannot answer for one of them."""
    try:
        found = predict(load(folder), given)
    except ModelError as error:
        raise ModelError(f"the {name} {error}") from error
    if not np.isfinite(found).all():
        raise ModelError(f"the {name} answers {int((~np.isfinite(found)).sum())} of {len(given)} rows without a number")
    return found


def evaluate(given: argparse.Namespace, tracked: Run) -> None:
    """Write evaluation.json, log the metrics. Raises DataError or ModelError."""
    everything, files = read(given.data, required=(*FEATURES, *KEY))
    frame = labelled(everything, LABEL)
    actual, inputs = frame[LABEL].to_numpy(dtype=float), features(frame)
    names, day = frame[SLICE].astype(str).to_numpy(), days(frame).to_numpy()
    cost = Cost(given.cost_later, given.cost_earlier)

    def scored(predicted: np.ndarray) -> dict[str, Any]:
        slices = by_slice(names, actual, predicted, cost)
        return {"measures": measures(actual, predicted, cost), "slices": {"column": SLICE, "measures": slices}}

    challenger = predictions("challenger", given.challenger, inputs)
    compared = given.champion is not None and not same(given.challenger, given.champion)
    champion = predictions("champion", given.champion, inputs) if compared else None
    if champion is None:
        print("no champion: none was given, or it is the challenger itself; its measures stand alone")
    evaluation: dict[str, Any] = {
        "data": {
            "rows": len(frame),
            "days": len(set(day.tolist())),
            "files": [{"path": file.path, "sha256": file.sha256} for file in files],
        },
        "cost": {"later_than_told": cost.later_than_told, "earlier_than_told": cost.earlier_than_told},
        "challenger": scored(challenger),
        "champion": scored(champion) if champion is not None else None,
        "differences": {},
    }
    metrics = {"rows": len(frame), **_named(evaluation["challenger"], "")}
    if champion is not None:
        evaluation["differences"] = _differences(actual, challenger, champion, day, cost, given.seed)
        metrics |= _named(evaluation["champion"], "champion.")
        for name, difference in evaluation["differences"].items():
            metrics |= {f"difference.{name}": difference["mean"]}
            metrics |= {f"difference.{name}.{end}": difference[end] for end in ("low", "high", "relative")}
    given.report.mkdir(parents=True, exist_ok=True)
    (given.report / "evaluation.json").write_text(json.dumps(evaluation, indent=1))
    tracked.params({"has_champion": champion is not None, "cost_later": given.cost_later, "seed": given.seed})
    tracked.metrics(metrics)
    for name, difference in evaluation["differences"].items():
        print(
            f"{name}: challenger - champion = {difference['mean']:+.3f} ({difference['relative']:+.1%}), "
            f"95 % between {difference['low']:+.3f} and {difference['high']:+.3f}"
        )


def _named(scored: dict[str, Any], prefix: str) -> dict[str, Any]:
    """Give metrics of one model: the challenger's are unprefixed, so that a gate names them as training does."""
    slices = scored["slices"]
    measured = {f"{prefix}{name}": value for name, value in scored["measures"].items()}
    return {**measured, **slice_metrics(slices["column"], slices["measures"], prefix)}


def _differences(
    actual: np.ndarray, challenger: np.ndarray, champion: np.ndarray, day: np.ndarray, cost: Cost, seed: int
) -> dict[str, dict[str, float]]:
    """Give challenger - champion with its 95 % interval: negative is better for every measure here."""
    ways = {
        "mae": lambda predicted: np.abs(actual - predicted),
        "mse": lambda predicted: (actual - predicted) ** 2,
        "cost_per_flight": lambda predicted: cost.of(actual, predicted),
    }
    found = {}
    for name, way in ways.items():
        before = way(champion)
        mean, low, high = bootstrap(way(challenger), before, day, seed=seed)
        found[name] = {"mean": mean, "low": low, "high": high, "relative": mean / float(before.mean())}
    return found


def main() -> int:
    """Run the evaluation; 0 done (whatever came out), 2 where a model or the data does not allow it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--challenger", type=Path, required=True)
    parser.add_argument("--champion", type=Path)
    parser.add_argument("--report", type=Path, default=Path("outputs"))
    parser.add_argument("--cost-later", type=float, default=1.0, help="of a minute later than told")
    parser.add_argument("--cost-earlier", type=float, default=0.5, help="of a minute earlier than told")
    parser.add_argument("--seed", type=int, default=0, help="of the confidence interval")
    given = parser.parse_args()
    with run("evaluate") as tracked:
        try:
            evaluate(given, tracked)
        except (DataError, ModelError) as error:
            print(f"evaluation failed: {error}", file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
