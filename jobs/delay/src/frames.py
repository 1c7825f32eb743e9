"""Flights as a table: files become one pandas frame with the types that the model expects."""

import io
from pathlib import Path

import pandas as pd
from columns import CATEGORIES, FEATURES, KEY, NUMBERS
from reading import DataError, DataFile, files


def read(folder: Path, *, required: tuple[str, ...] = FEATURES) -> tuple[pd.DataFrame, list[DataFile]]:
    """Give all rows below `folder`, whole duplicates dropped, and the files; raises DataError naming the file."""
    frames, found = [], []
    for file in files(folder):
        frames.append(parse(file, required=required))
        found.append(file)
    return pd.concat(frames, ignore_index=True).drop_duplicates(ignore_index=True), found


def parse(file: DataFile, *, required: tuple[str, ...] = FEATURES) -> pd.DataFrame:
    """Give the rows of a file; raises DataError where it is no CSV or lacks a column that is required."""
    texts = dict.fromkeys((*CATEGORIES, "tailnum", "time_hour"), "str")
    try:
        frame = pd.read_csv(io.BytesIO(file.content), dtype=texts, keep_default_na=False, na_values=["", "NA"])
    except (ValueError, pd.errors.ParserError) as error:
        raise DataError(f"{file.path} cannot be read as CSV: {' '.join(str(error).split())[:300]}") from error
    if missing := [name for name in required if name not in frame.columns]:
        raise DataError(f"{file.path} lacks {', '.join(missing)}; its columns are {', '.join(map(str, frame.columns))}")
    return frame


def features(frame: pd.DataFrame) -> pd.DataFrame:
    """Give the columns that the model sees: texts, and numbers as floats (so that a missing one is no special case).

    Raises DataError naming the column that holds something else.
    """
    given = pd.DataFrame(index=frame.index)
    for name in FEATURES:
        if name in NUMBERS:
            try:
                given[name] = pd.to_numeric(frame[name]).astype("float64")
            except (ValueError, TypeError) as error:
                raise DataError(f"column {name} holds no number: {' '.join(str(error).split())[:200]}") from error
        else:
            given[name] = frame[name].astype("object").where(frame[name].notna(), None)
    return given


def days(frame: pd.DataFrame) -> pd.Series:
    """Give the day of each row as year-month-day text; raises DataError where one is no date."""
    try:
        dates = pd.to_datetime(frame[["year", "month", "day"]])
    except (ValueError, KeyError) as error:
        raise DataError(f"year, month, day do not all make dates: {' '.join(str(error).split())[:200]}") from error
    return dates.dt.strftime("%Y-%m-%d")


def labelled(frame: pd.DataFrame, label: str) -> pd.DataFrame:
    """Give the rows that have a label, a flight once: the last row of a flight that occurs twice is the newest word."""
    if label not in frame.columns:
        raise DataError(f"no column {label}: these flights have no outcome yet, so there is nothing to learn from them")
    rows = frame[frame[label].notna()].drop_duplicates(list(KEY), keep="last", ignore_index=True)
    if rows.empty:
        raise DataError(f"none of {len(frame)} rows has a value in {label}")
    return rows
