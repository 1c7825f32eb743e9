"""How far rows have moved from a reference: distances between distributions. Pure arithmetic on descriptions.

Descriptions are those of `profiles`. Sources: population stability index: Siddiqi, Credit Risk Scorecards (2006);
Wasserstein distance and Jensen-Shannon distance by SciPy, as Azure ML's model monitoring uses them
(https://learn.microsoft.com/azure/machine-learning/concept-model-monitoring).
"""

from typing import Any, Final

import numpy as np
from scipy.spatial.distance import jensenshannon
from scipy.stats import chi2, wasserstein_distance

PSI: Final = "population_stability_index"
JS: Final = "jensen_shannon_distance"
WASSERSTEIN: Final = "normalized_wasserstein_distance"
MISSING: Final = "missing_share_change"
BINS: Final = 10
_LEAST: Final = 1e-4
"""What an empty bin counts as: the logarithm of the index needs something."""


def distances(reference: dict[str, Any], current: dict[str, Any]) -> dict[str, float]:
    """Give the distances between two descriptions of one feature, by name; larger is further.

    Numbers: PSI over the reference's deciles, and the Wasserstein distance in standard deviations of the reference.
    Categories: PSI and Jensen-Shannon distance (base 2, 0 to 1) over the values.
    Both: the change of the share of missing ones.
    """
    found = {MISSING: abs(current["missing"] - reference["missing"])}
    if reference["type"] == "category":
        before, now = shares(reference["counts"], current["counts"])
        if before.sum() and now.sum():
            found |= {PSI: psi(before, now), JS: float(np.nan_to_num(jensenshannon(before, now, base=2)))}
    elif reference["quantiles"] and current["quantiles"]:
        edges = np.unique(np.quantile(reference["quantiles"], np.linspace(0, 1, BINS + 1)[1:-1]))
        found |= {
            PSI: psi(histogram(reference, edges), histogram(current, edges)),
            WASSERSTEIN: normalised_wasserstein(reference, current),
        }
    return found


def chance(reference: dict[str, Any], current: dict[str, Any]) -> dict[str, float]:
    """Give by name how large a distance chance alone makes once in a thousand times, with so few rows.

    PSI / (1/n + 1/m) is chi-squared with bins - 1 degrees (Yurdakul, Statistical properties of PSI, 2018); for small
    distances JS squared is PSI / (8 ln 2). The Wasserstein distance shrinks as sqrt(1/n + 1/m); thrice is wide.
    """
    rows = [side["rows"] * (1 - side["missing"]) for side in (reference, current)]
    if min(rows) < 1:
        return {}
    scale = 1 / rows[0] + 1 / rows[1]
    bins = len(reference["counts"] | current["counts"]) if reference["type"] == "category" else BINS
    index = float(chi2.ppf(0.999, max(bins - 1, 1))) * scale
    return {PSI: index, JS: float(np.sqrt(index / (8 * np.log(2)))), WASSERSTEIN: 3 * float(np.sqrt(scale))}


def normalised_wasserstein(reference: dict[str, Any], current: dict[str, Any]) -> float:
    """Give the Wasserstein distance in standard deviations of the reference; of a constant reference, plainly."""
    distance = wasserstein_distance(reference["quantiles"], current["quantiles"])
    return float(distance / reference["std"]) if reference["std"] > 0 else float(distance)


def psi(before: np.ndarray, now: np.ndarray) -> float:
    """Give the population stability index of two arrays of shares over the same bins."""
    before, now = np.maximum(before, _LEAST), np.maximum(now, _LEAST)
    return float(np.sum((now - before) * np.log(now / before)))


def shares(before: dict[str, int], now: dict[str, int]) -> tuple[np.ndarray, np.ndarray]:
    """Give the shares of all values of either, in one order."""
    names = sorted(before | now)
    counts = [np.array([side.get(name, 0) for name in names], dtype=float) for side in (before, now)]
    first, second = (side / side.sum() if side.sum() else side for side in counts)
    return first, second


def histogram(described: dict[str, Any], edges: np.ndarray) -> np.ndarray:
    """Give the shares of values up to the first edge, between edges, and above the last, rebuilt from quantiles."""
    values = np.asarray(described["quantiles"])
    counts = np.bincount(np.searchsorted(edges, values, side="left"), minlength=len(edges) + 1)
    return counts / counts.sum()
