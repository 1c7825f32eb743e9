"""How good predictions are: errors in minutes, their cost, the same by slices. Pure arithmetic on arrays."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Cost:
    """What a wrong minute costs, in units of money.

    A flight that comes later than told (`later_than_told`) keeps a gate, a crew and connecting passengers waiting: that
    minute is the unit. One that comes earlier than told only leaves a gate idle: half of it, unless a team says more.
    """

    later_than_told: float = 1.0
    earlier_than_told: float = 0.5

    def of(self, actual: np.ndarray, predicted: np.ndarray) -> np.ndarray:
        """Give the cost of each flight."""
        wrong = actual - predicted
        return np.where(wrong > 0, self.later_than_told * wrong, -self.earlier_than_told * wrong)

    def per_flight(self, actual: np.ndarray, predicted: np.ndarray) -> float:
        """Give the mean cost of a flight."""
        return float(np.mean(self.of(actual, predicted)))


def measures(actual: np.ndarray, predicted: np.ndarray, cost: Cost) -> dict[str, float | None]:
    """Give mae, mse, rmse, p50 and p90 of the absolute error (in minutes), r2 (None without spread), bias, cost."""
    wrong = predicted - actual
    spread = float(np.sum((actual - actual.mean()) ** 2))
    return {
        "mae": float(np.mean(np.abs(wrong))),
        "mse": float(np.mean(wrong**2)),
        "rmse": float(np.sqrt(np.mean(wrong**2))),
        "r2": 1.0 - float(np.sum(wrong**2)) / spread if spread > 0 else None,
        "p50_abs_error": float(np.quantile(np.abs(wrong), 0.5)),
        "p90_abs_error": float(np.quantile(np.abs(wrong), 0.9)),
        "bias": float(np.mean(wrong)),
        "cost_per_flight": cost.per_flight(actual, predicted),
    }


def by_slice(
    names: np.ndarray, actual: np.ndarray, predicted: np.ndarray, cost: Cost
) -> dict[str, dict[str, float | int | None]]:
    """Give the measures of every slice and its rows, by the slice's name."""
    found: dict[str, dict[str, float | int | None]] = {}
    for name in sorted(set(names.tolist())):
        chosen = names == name
        found[name] = {"rows": int(chosen.sum()), **measures(actual[chosen], predicted[chosen], cost)}
    return found


def slice_metrics(column: str, slices: dict[str, dict[str, float | int | None]], prefix: str = "") -> dict:
    """Give the metrics of slices under names such as mae.carrier.UA and rows.carrier.UA."""
    return {
        f"{prefix}{measure}.{column}.{name}": values[measure]
        for name, values in slices.items()
        for measure in ("mae", "cost_per_flight", "rows")
    }


def bootstrap(
    challenger: np.ndarray, champion: np.ndarray, groups: np.ndarray, *, seed: int, repeats: int = 500
) -> tuple[float, float, float]:
    """Give the mean of challenger - champion over rows, and the ends of its 95 % confidence interval.

    Whole groups (days) are drawn with replacement: flights of a day share its weather and are no independent rows.
    See Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapter 8.
    """
    difference = challenger - champion
    labels, index = np.unique(groups, return_inverse=True)
    sums = np.bincount(index, weights=difference, minlength=len(labels))
    rows = np.bincount(index, minlength=len(labels))
    drawn = np.random.default_rng(seed).integers(0, len(labels), size=(repeats, len(labels)))
    means = sums[drawn].sum(axis=1) / rows[drawn].sum(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(difference.mean()), float(low), float(high)
