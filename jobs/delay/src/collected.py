"""Reads what a model saw and answered: scored CSV files of batch runs, and JSON lines that endpoints collected."""

import json
import re
from pathlib import Path
from typing import Any, Final

import pandas as pd
from columns import CATEGORIES, FEATURES, KEY, LABEL
from frames import parse
from reading import DataError, DataFile, files

PREDICTION: Final = "prediction"
CHECKED: Final = "hub-manifest.json"
"""What the hub leaves beside the results of a batch run once it has checked them: rows without it are no results."""
_ATTEMPT: Final = re.compile(r"(?:.*/)?\d{8}t\d{6}-[0-9a-f]{10}/\d+(?=/)")
"""Where the hub has the results of an attempt written: activity/attempt."""


def read(
    folder: Path, *, unchecked: bool = False
) -> tuple[pd.DataFrame, list[DataFile], list[pd.DataFrame], list[str]]:
    """Give all rows with the features and PREDICTION, the files, outcomes beside them, and folders that were left out.

    A run's results that were not checked (it failed, or is under way) are left out, unless `unchecked` asks for those
    that a job wrote without a hub; an attempt of the hub's own never counts without its CHECKED.

    A CSV file without PREDICTION that has LABEL is outcomes. A row that is collected twice counts twice: an endpoint
    that is asked twice has seen two requests. Raises DataError naming a file that is none of these.
    """
    frames, found, outcomes = [], [], []
    left_out: set[str] = set()
    for file in files(folder, (".csv", ".jsonl")):
        if (unknown := _not_checked(folder, file.path, unchecked=unchecked)) is not None:
            left_out.add(unknown)
            continue
        found.append(file)
        frame = _lines(file) if file.path.endswith(".jsonl") else parse(file, required=KEY)
        if PREDICTION in frame.columns:
            if missing := [name for name in FEATURES if name not in frame.columns]:
                raise DataError(f"{file.path} lacks {', '.join(missing)}")
            frames.append(frame)
        elif LABEL in frame.columns:
            outcomes.append(frame[[*KEY, LABEL]])
        else:
            raise DataError(f"{file.path} has no column {PREDICTION} and no {LABEL}: neither scored rows nor outcomes")
    for one in sorted(left_out):
        print(f"left out {one}: no {CHECKED} says that these are results")
    if left_out and not frames:
        raise DataError(
            f"no {CHECKED} lies in {', '.join(sorted(left_out)[:5])}: rows of a run that failed count nothing"
        )
    if not frames:
        raise DataError(f"none of {len(found)} files below {folder} has a column {PREDICTION}: nothing was scored")
    frame = pd.concat(frames, ignore_index=True)
    frame[PREDICTION] = pd.to_numeric(frame[PREDICTION], errors="coerce")
    return frame[frame[PREDICTION].notna()].reset_index(drop=True), found, outcomes, sorted(left_out)


def _not_checked(folder: Path, path: str, *, unchecked: bool) -> str | None:
    """Give the folder of the run that left a file where nobody has checked that run; None where it may be read."""
    if folder.is_file():
        return None
    if attempt := _ATTEMPT.match(path):
        return None if (folder / attempt[0] / CHECKED).is_file() else attempt[0]
    for place in Path(path).parents:
        if (folder / place / CHECKED).is_file():
            return None
        if not unchecked and next((folder / place).glob("manifest*.json"), None) is not None:
            return place.as_posix()
    return None


def _lines(file: DataFile) -> pd.DataFrame:
    """Read CloudEvents as Azure ML's data collector writes them: one a line, `data` a list of rows."""
    rows: list[dict[str, Any]] = []
    for number, line in enumerate(file.content.splitlines(), 1):
        if not line.strip():
            continue
        try:
            rows.extend(json.loads(line)["data"])
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(f"{file.path} line {number} is no collected event with `data`: {error}") from error
    frame = pd.DataFrame(rows)
    for name in set(CATEGORIES) & set(frame.columns):
        frame[name] = frame[name].astype("object").where(frame[name].notna(), None)
    return frame


def outcomes(folder: Path) -> list[pd.DataFrame]:
    """Give the outcomes below a folder, a frame a file, in order of the files' paths."""
    return [parse(file, required=(*KEY, LABEL))[[*KEY, LABEL]] for file in files(folder)]


def labelled(frame: pd.DataFrame, given: list[pd.DataFrame]) -> pd.DataFrame:
    """Give the scored rows whose outcome is known by now, with LABEL; of several outcomes the last counts."""
    labels = pd.concat(given, ignore_index=True).dropna(subset=[LABEL]).drop_duplicates(list(KEY), keep="last")
    if missing := [name for name in KEY if name not in frame.columns]:
        raise DataError(f"the scored rows lack {', '.join(missing)}: labels cannot be put to them")
    scored = frame.drop(columns=[LABEL], errors="ignore")
    for name in KEY:
        for side in (scored, labels):
            side[name] = side[name].astype("object") if name in CATEGORIES else pd.to_numeric(side[name])
    return scored.merge(labels, on=list(KEY), how="inner")
