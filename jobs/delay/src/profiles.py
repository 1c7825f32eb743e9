"""Describes rows so that later rows can be compared with them: numbers by quantiles, categories by shares."""

from typing import Any, Final

import numpy as np
import pandas as pd
from columns import CATEGORIES, NUMBERS

QUANTILES: Final = 100
"""Steps of the quantiles that are kept: enough to rebuild a distribution for a Wasserstein distance."""


def number(values: np.ndarray) -> dict[str, Any]:
    """Describe numbers: rows, share of missing ones, mean, standard deviation, 101 quantiles (empty without values)."""
    known = values[np.isfinite(values)]
    if not len(known):
        return {"type": "number", "rows": len(values), "missing": 1.0, "mean": None, "std": None, "quantiles": []}
    return {
        "type": "number",
        "rows": len(values),
        "missing": 1.0 - len(known) / len(values),
        "mean": float(known.mean()),
        "std": float(known.std()),
        "quantiles": [float(value) for value in np.quantile(known, np.linspace(0, 1, QUANTILES + 1))],
    }


def category(values: pd.Series) -> dict[str, Any]:
    """Describe texts: rows, share of missing ones, the rows of every value."""
    counts = values.dropna().value_counts()
    return {
        "type": "category",
        "rows": len(values),
        "missing": float(values.isna().mean()) if len(values) else 1.0,
        "counts": {str(name): int(count) for name, count in sorted(counts.items())},
    }


def rows(given: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """Describe every feature of rows as `frames.features` gives them."""
    return {
        **{name: category(given[name]) for name in CATEGORIES},
        **{name: number(given[name].to_numpy(dtype=float)) for name in NUMBERS},
    }
