"""Loads saved MLflow models and asks them, whatever they were made with; says which model could not answer."""

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits


class ModelError(RuntimeError):
    """A model cannot be loaded or cannot answer; the message says where it lies and why."""


def find(folder: Path) -> Path:
    """Give the folder of the MLflow model in a folder, or below it; raises ModelError where there is none."""
    found = sorted(folder.rglob("MLmodel"), key=lambda path: len(path.parts)) if folder.is_dir() else []
    if not found:
        inside = ", ".join(sorted(path.name for path in folder.iterdir())) if folder.is_dir() else "no folder"
        raise ModelError(f"model in {folder} cannot be loaded: no file MLmodel below it ({inside or 'empty'})")
    return found[0].parent


def same(one: Path, other: Path) -> bool:
    """Tell whether two folders hold the same saved model: MLmodel has an id of its own for each."""
    return (find(one) / "MLmodel").read_bytes() == (find(other) / "MLmodel").read_bytes()


def load(folder: Path) -> Any:
    """Load the MLflow model in a folder, or below it; raises ModelError where there is none."""
    found = find(folder)
    with quiet():
        import mlflow.pyfunc

        try:
            model = mlflow.pyfunc.load_model(str(found))
        except Exception as error:
            raise ModelError(f"model in {folder} cannot be loaded: {type(error).__name__}: {error}") from error
    one_thread()
    return model


def one_thread() -> None:
    """Have the trees use one thread, once they are imported.

    For some thousand rows at a time, threads that wait for each other cost several times what they save.
    """
    threadpool_limits(1, user_api="openmp")


def predict(model: Any, rows: pd.DataFrame) -> np.ndarray:
    """Give a number for every row; raises ModelError with the model's own reason."""
    try:
        found = np.asarray(model.predict(rows), dtype=float).reshape(-1)
    except Exception as error:
        raise ModelError(
            f"model cannot answer: {type(error).__name__}: {' '.join(str(error).split())[:300]}"
        ) from error
    if len(found) != len(rows):
        raise ModelError(f"model gives {len(found)} answers for {len(rows)} rows")
    return found


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Hold back MLflow's advice on pickles, types and versions, which is no news in a job's log."""
    logging.getLogger("mlflow").setLevel(logging.ERROR)
    with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        yield
