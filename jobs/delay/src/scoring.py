"""Scores flights file by file: every row in gives one row out, with a prediction or the reason why there is none."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from columns import FEATURES, NUMBERS
from frames import features, parse
from models import ModelError, predict
from reading import DataError, DataFile

PREDICTION: Final = "prediction"
ERROR: Final = "error"


@dataclass
class Scored:
    """What came of one file.

    `errors` counts rows that could not be scored, `nulls` rows that came out without a prediction, `empty_cells` those
    of features that were empty, which the model takes.
    """

    path: str
    sha256: str
    rows_in: int = 0
    rows_out: int = 0
    errors: int = 0
    nulls: int = 0
    empty_cells: int = 0
    reasons: dict[str, int] = field(default_factory=dict)
    output: str = ""
    output_sha256: str = ""


def score_file(model: Any, file: DataFile, folder: Path) -> Scored:
    """Score a file into `folder`, under its own path; one that is no flights file is all errors and no output."""
    found = Scored(file.path, file.sha256)
    try:
        frame = parse(file)
    except DataError as error:
        lines = [line for line in file.content.splitlines()[1:] if line.strip()]
        found.rows_in = found.errors = max(len(lines), 1)
        found.reasons = {str(error): found.errors}
        return found
    found.rows_in, found.empty_cells = len(frame), int(frame[list(FEATURES)].isna().sum().sum())
    predictions, reasons = score_rows(model, frame)
    scored = frame.assign(**{PREDICTION: predictions, ERROR: reasons})
    content = scored.to_csv(index=False, lineterminator="\n", float_format="%.10g").encode()
    target = folder / file.path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content)
    found.rows_out, found.errors = len(scored), sum(1 for reason in reasons if reason)
    found.nulls = int(np.isnan(predictions).sum())
    for reason in reasons:
        if reason:
            found.reasons[reason] = found.reasons.get(reason, 0) + 1
    found.output, found.output_sha256 = file.path, hashlib.sha256(content).hexdigest()
    return found


def score_rows(model: Any, frame: pd.DataFrame) -> tuple[np.ndarray, list[str]]:
    """Give a prediction (NaN without one) and a reason (empty with a prediction) for every row."""
    reasons = [""] * len(frame)
    clean = frame.copy()
    for name in NUMBERS:
        numbers = pd.to_numeric(frame[name], errors="coerce").astype("float64")
        for place in np.flatnonzero((numbers.isna() & frame[name].notna()).to_numpy()):
            reasons[place] = f"{name} is no number"
        clean[name] = numbers
    predictions = np.full(len(frame), np.nan)
    usable = np.array([place for place, reason in enumerate(reasons) if not reason], dtype=int)
    _score(model, features(clean), usable, predictions, reasons)
    return predictions, reasons


def _score(model: Any, rows: pd.DataFrame, places: np.ndarray, predictions: np.ndarray, reasons: list[str]) -> None:
    """Score rows at once; where the model refuses, halve them until the rows that it refuses are alone."""
    if not len(places):
        return
    try:
        found = predict(model, rows.iloc[places])
    except ModelError as error:
        if len(places) == 1:
            reasons[places[0]] = str(error)
            return
        middle = len(places) // 2
        _score(model, rows, places[:middle], predictions, reasons)
        _score(model, rows, places[middle:], predictions, reasons)
        return
    predictions[places] = found
    for place in places[~np.isfinite(found)]:
        reasons[place] = "the model gave no number"
        predictions[place] = np.nan


def manifest(files: Sequence[Scored]) -> dict[str, Any]:
    """Sum up what came of files."""
    return {
        "files": [asdict(file) for file in files],
        "rows_in": sum(file.rows_in for file in files),
        "rows_out": sum(file.rows_out for file in files),
        "errors": sum(file.errors for file in files),
        "nulls": sum(file.nulls for file in files),
    }


def write_manifest(path: Path, files: Sequence[Scored]) -> dict[str, Any]:
    """Write the manifest in one write: outputs are mounted storage, which may not rename; it is read after the run."""
    content = manifest(files)
    path.write_text(json.dumps(content, indent=1))
    return content
