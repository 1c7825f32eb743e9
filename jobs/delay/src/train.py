"""Trains the model of arrival delay: measured on the last days by what earlier ones taught, then taught all days."""

import argparse
import json
import shutil
import sys
import time
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import profiles
import recipe
from columns import FEATURES, KEY, LABEL, SLICE
from frames import days, features, labelled, read
from measures import Cost, by_slice, measures, slice_metrics
from models import one_thread
from reading import DataError
from sklearn.inspection import permutation_importance
from tracking import Run, run

MANY: Final = 200_000
"""Rows from which more than one thread pays."""


def split(frame: pd.DataFrame, share: float) -> tuple[pd.DataFrame, pd.DataFrame, str]:
    """Give rows of the earlier days, those of the last days (`share` of all days), and the first day held out."""
    day = days(frame)
    known = sorted(day.unique())
    if len(known) < 2:
        raise DataError(f"all {len(frame)} rows are of {known[0]}: two days are needed to hold the later one out")
    held = min(max(1, round(len(known) * share)), len(known) - 1)
    cut = known[-held]
    return frame[day < cut], frame[day >= cut], cut


def importances(model: Any, given: pd.DataFrame, actual: np.ndarray, seed: int) -> dict[str, dict[str, float]]:
    """Give by how many minutes the MAE rises when a feature's values are shuffled: mean and deviation of three."""
    chosen = np.random.default_rng(seed).permutation(len(given))[:2000]
    found = permutation_importance(
        model, given.iloc[chosen], actual[chosen], n_repeats=3, random_state=seed, scoring="neg_mean_absolute_error"
    )
    pairs = zip(FEATURES, found.importances_mean, found.importances_std, strict=True)
    return {name: {"mean": float(mean), "std": float(std)} for name, mean, std in sorted(pairs, key=lambda p: -p[1])}


def train(given: argparse.Namespace, tracked: Run) -> None:
    """Train, measure, save model and report. Raises DataError where the data does not allow it."""
    began = time.monotonic()
    if given.model.is_dir() and any(given.model.iterdir()):
        raise DataError(f"{given.model} is not empty: a model is written into a folder of its own")
    everything, files = read(given.data, required=(*FEATURES, *KEY))
    frame = labelled(everything, LABEL)
    earlier, later, cut = split(frame, given.holdout_share)
    actual = later[LABEL].to_numpy(dtype=float)
    cost = Cost(given.cost_later, given.cost_earlier)

    if len(frame) < MANY:
        one_thread()

    def fit(rows: pd.DataFrame, unknown: str) -> Any:
        model = recipe.build(
            iterations=given.iterations, learning_rate=given.learning_rate, unknown=unknown, seed=given.seed
        )
        # Delays past the cap have causes that no feature shows; uncapped, a few of them would bend every prediction.
        return model.fit(features(rows), rows[LABEL].clip(upper=given.label_cap).to_numpy(dtype=float))

    # Measured without refusing: the later days may hold an airport that the earlier ones lack.
    model, held = fit(earlier, "missing"), features(later)
    predicted = recipe.predict(model, held)
    found = measures(actual, predicted, cost)
    baseline = np.full(len(actual), float(earlier[LABEL].median()))
    metrics = {
        **found,
        "baseline_mae": float(np.mean(np.abs(actual - baseline))),
        "baseline_cost_per_flight": cost.per_flight(actual, baseline),
        "rows": len(frame),
        "rows_holdout": len(later),
        "rows_without_outcome": len(everything) - len(frame),
        "files": len(files),
    }
    slices = by_slice(later[SLICE].astype(str).to_numpy(), actual, predicted, cost)
    weights = importances(model, held, actual, given.seed)
    learned = frame if given.refit == "yes" else earlier
    final = model if (given.refit, given.unknown) == ("no", "missing") else fit(learned, given.unknown)
    reference = {
        "features": profiles.rows(features(learned)),
        "prediction": profiles.number(recipe.predict(final, features(learned))),
        "label": profiles.number(learned[LABEL].to_numpy(dtype=float)),
        "importances": {name: value["mean"] for name, value in weights.items()},
        "metrics": metrics,
        "days": [days(learned).min(), days(learned).max()],
    }
    recipe.save(final, given.model, features(learned).dropna().head(3).reset_index(drop=True), reference)
    given.report.mkdir(parents=True, exist_ok=True)
    for name, content in {
        "metrics.json": metrics,
        "slices.json": {"column": SLICE, "measures": slices},
        "importances.json": weights,
        "reference.json": reference,
        "files.json": [{"path": file.path, "sha256": file.sha256} for file in files],
        "holdout.json": {"first_day": cut, "days": sorted(days(later).unique()), "rows": len(later)},
    }.items():
        (given.report / name).write_text(json.dumps(content, indent=1))
    _keep_with_run(given.model, given.report)
    tracked.params({name: value for name, value in vars(given).items() if name not in {"data", "model", "report"}})
    tracked.metrics(
        {
            **metrics,
            **slice_metrics(SLICE, slices),
            **{f"importance.{name}": value["mean"] for name, value in weights.items()},
            "seconds": time.monotonic() - began,
        }
    )
    print(f"held out from {cut}: mae {metrics['mae']:.2f}, cost per flight {metrics['cost_per_flight']:.2f}")
    print(
        f"by the median of earlier days: mae {metrics['baseline_mae']:.2f}, "
        f"cost per flight {metrics['baseline_cost_per_flight']:.2f}"
    )


def _keep_with_run(model: Path, report: Path) -> None:
    """Keep copies below outputs/: Azure ML shows that folder with the run, and a model may be registered from it."""
    for name, folder in (("model", model), ("report", report)):
        kept = Path("outputs") / name
        if folder.resolve() != kept.resolve():
            shutil.copytree(folder, kept, dirs_exist_ok=True)


def main() -> int:
    """Run the training; 0 done, 2 where the data does not allow it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", type=Path, default=Path("outputs/model"))
    parser.add_argument("--report", type=Path, default=Path("outputs/report"))
    parser.add_argument("--holdout-share", type=float, default=0.2, help="share of all days, the last ones")
    parser.add_argument(
        "--label-cap", type=float, default=90.0, help="minutes; longer delays count as this when learning"
    )
    parser.add_argument("--iterations", type=int, default=80)
    parser.add_argument("--learning-rate", type=float, default=0.05)
    parser.add_argument(
        "--unknown", choices=("missing", "error"), default="missing", help="carriers, airports never seen"
    )
    parser.add_argument("--refit", choices=("yes", "no"), default="yes", help="learn from all days after measuring")
    parser.add_argument("--cost-later", type=float, default=1.0, help="of a minute later than told")
    parser.add_argument("--cost-earlier", type=float, default=0.5, help="of a minute earlier than told")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    with run("train") as tracked:
        try:
            train(given, tracked)
        except DataError as error:
            print(f"training failed: {error}", file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
