"""The scoring script of the online deployment: Azure ML calls init() once a worker, then run() with each request.

https://learn.microsoft.com/azure/machine-learning/how-to-deploy-online-endpoints#understand-the-scoring-script
"""

import json
import math
import os
import sys
from pathlib import Path
from typing import Any, Final

import mlflow.pyfunc
import numpy as np
import pandas as pd
from azureml_inference_server_http.api.aml_response import AMLResponse
from threadpoolctl import threadpool_limits

sys.path.insert(0, str(Path(__file__).parent))

from collect import Collector

MOST_ROWS: Final = 5_000
"""Of one request; more belong into a batch run."""

_state: dict[str, Any] = {}


class BadRequestError(ValueError):
    """What was sent cannot be scored; the message says what is wrong and what is expected."""


def init() -> None:
    """Load the model below AZUREML_MODEL_DIR and read from its signature what it expects."""
    folder = Path(os.environ["AZUREML_MODEL_DIR"])
    found = sorted(folder.rglob("MLmodel"), key=lambda path: len(path.parts))
    if not found:
        raise RuntimeError(f"no MLflow model below {folder}: a file MLmodel is expected")
    model = mlflow.pyfunc.load_model(str(found[0].parent))
    schema = model.metadata.get_input_schema()
    if schema is None:
        raise RuntimeError(f"the model in {found[0].parent} has no signature: save it with one")
    # One thread for a request: the few rows of one are scored faster than threads are woken.
    threadpool_limits(1, user_api="openmp")
    _state["model"] = model
    _state["columns"] = {column.name: column.type.name == "string" for column in schema.inputs}
    _state["collector"] = Collector.from_environ(os.environ)


def run(raw: str) -> Any:
    """Answer {"predictions": [minutes, ...]}; 400 with a reason for what cannot be scored, 500 where the model fails.

    Takes {"input_data": rows} with rows as [{column: value}, ...] or {"columns": [...], "data": [[...], ...]}.
    """
    try:
        given = records(raw)
        rows = typed(given)
    except BadRequestError as error:
        return AMLResponse({"error": str(error)}, 400, json_str=True)
    answers = [float(answer) for answer in _state["model"].predict(rows)]
    predictions = [answer if math.isfinite(answer) else None for answer in answers]
    collector = _state["collector"]
    if collector is not None:
        collector.add([{**row, "prediction": answer} for row, answer in zip(given, predictions, strict=True)])
    return {"predictions": predictions}


def records(raw: str) -> list[dict[str, Any]]:
    """Read the rows of a request; raises BadRequestError."""
    try:
        body = json.loads(raw)
    except ValueError as error:
        raise BadRequestError(f"the body is no JSON: {error}") from error
    rows = body.get("input_data") if isinstance(body, dict) else None
    if isinstance(rows, dict):
        try:
            rows = [dict(zip(rows["columns"], cells, strict=True)) for cells in rows["data"]]
        except (KeyError, ValueError, TypeError) as error:
            raise BadRequestError(f"input_data cannot be read as rows: {error}") from error
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise BadRequestError('{"input_data": [{column: value}, ...]} is expected, or columns and data in it')
    if not 0 < len(rows) <= MOST_ROWS:
        raise BadRequestError(f"{len(rows)} rows: 1 to {MOST_ROWS} are expected in a request")
    for row in rows:
        if missing := [name for name in _state["columns"] if name not in row]:
            raise BadRequestError(f"no {', '.join(missing)}: the model needs {', '.join(_state['columns'])}")
    return rows


def typed(given: list[dict[str, Any]]) -> pd.DataFrame:
    """Give the model's columns with its types; empty texts and nulls are missing values. Raises BadRequestError.

    Built from lists: working on columns of pandas would take longer than the model takes for a few rows.
    """
    columns: dict[str, np.ndarray] = {}
    for name, is_text in _state["columns"].items():
        cells = [None if row[name] == "" else row[name] for row in given]
        if is_text:
            columns[name] = np.array([None if cell is None else str(cell) for cell in cells], dtype=object)
            continue
        try:
            columns[name] = np.array([math.nan if cell is None else float(cell) for cell in cells], dtype=float)
        except (ValueError, TypeError) as error:
            raise BadRequestError(f"{name} holds no number: {error}") from error
    return pd.DataFrame({name: pd.Series(cells, dtype=cells.dtype) for name, cells in columns.items()})
