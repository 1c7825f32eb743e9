"""Measures predictions against outcomes that came by now, by month of the flight: late ones change their own month."""

from typing import Any

import frames
import pandas as pd
from collected import PREDICTION
from columns import LABEL
from measures import Cost, measures


def performance(
    scored: pd.DataFrame,
    labelled: pd.DataFrame,
    expected: float | None,
    *,
    cost: Cost,
    fewest: int,
    largest_rise: float,
) -> dict[str, Any]:
    """Give the signal: of every month that was scored, how many rows, how many of them have an outcome, how well.

    `expected` is the mae of the model's training; a month with `fewest` outcomes is breached where its mae is above
    that by more than `largest_rise`. `first_day` and `last_day` are those of what was scored: by them a later report
    on the same flights is known from one on others of the same month.
    """
    days, windows = frames.days(scored), []
    months = frames.days(labelled).str[:7]
    for name, of_month in days.groupby(days.str[:7]):
        part = labelled[months == name]
        told: dict[str, Any] = {
            "window": name,
            "first_day": of_month.min(),
            "last_day": of_month.max(),
            "scored": len(of_month),
            "rows": len(part),
            "enough": len(part) >= fewest,
        }
        if len(part):
            told |= measures(part[LABEL].to_numpy(dtype=float), part[PREDICTION].to_numpy(dtype=float), cost)
        rise = float(told["mae"]) / expected - 1 if expected and len(part) else None
        breached = told["enough"] and rise is not None and rise > largest_rise
        windows.append({**told, "mae_rise": rise, "breached": bool(breached)})
    return {
        "signal": "performance",
        "rows": len(labelled),
        "reference_mae": expected,
        "threshold": largest_rise,
        "breached": any(window["breached"] for window in windows),
        "enough": any(window["enough"] for window in windows),
        "windows": windows,
    }
