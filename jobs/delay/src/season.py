"""Picks what the same season looked like before: drift that it shows too is the season's, and no drift."""

from typing import Any, Final

import frames
import pandas as pd

KINDS: Final = ("year", "rolling")


def reference(history: pd.DataFrame, rows: pd.DataFrame, kind: str, rolling_days: int) -> pd.DataFrame:
    """Give the rows of `history` that `rows` are compared with; none where the history does not reach there.

    `year`: the same months of the calendar in earlier years. `rolling`: the `rolling_days` before the first day.
    """
    days, now = _dates(history), _dates(rows)
    if kind == "year":
        chosen = days.dt.month.isin(now.dt.month.unique()) & (days.dt.year < now.dt.year.min())
    else:
        first = now.min()
        chosen = (days < first) & (days >= first - pd.Timedelta(days=rolling_days))
    return history[chosen].reset_index(drop=True)


def described(kind: str, rows: pd.DataFrame) -> dict[str, Any]:
    """Say what the seasonal reference was."""
    days = frames.days(rows) if len(rows) else pd.Series(dtype="object")
    return {"kind": kind, "rows": len(rows), "days": [days.min(), days.max()] if len(rows) else []}


def _dates(rows: pd.DataFrame) -> pd.Series:
    return pd.to_datetime(frames.days(rows))
