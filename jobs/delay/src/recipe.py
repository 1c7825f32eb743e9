"""The model: how it is built, saved with its signature and an example, and described for later comparison."""

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from columns import CATEGORIES, FEATURES, NUMBERS
from models import quiet
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OrdinalEncoder

REFERENCE: Final = "reference.json"
"""The file beside the model that describes the rows it learned from."""


PINNED: Final = ("mlflow-skinny", "numpy", "pandas", "scikit-learn", "scipy")
"""What a saved model needs where it is served."""


def build(*, iterations: int, learning_rate: float, unknown: str, seed: int) -> Pipeline:
    """Give an untrained pipeline. Few leaves and many rows in each: days differ more than flights of a day do.

    `unknown` is what becomes of a carrier or airport that training did not see: "missing" treats it as not known,
    "error" refuses the row.
    """
    encode = OrdinalEncoder(
        max_categories=250,
        encoded_missing_value=np.nan,
        **(
            {"handle_unknown": "use_encoded_value", "unknown_value": np.nan}
            if unknown == "missing"
            else {"handle_unknown": "error"}
        ),
    )
    trees = HistGradientBoostingRegressor(
        loss="squared_error",
        max_iter=iterations,
        learning_rate=learning_rate,
        max_leaf_nodes=8,
        min_samples_leaf=300,
        l2_regularization=50.0,
        early_stopping=False,
        categorical_features=list(range(len(CATEGORIES))),
        random_state=seed,
    )
    columns = ColumnTransformer([("categories", encode, list(CATEGORIES)), ("numbers", "passthrough", list(NUMBERS))])
    return Pipeline([("columns", columns), ("trees", trees)])


def save(model: Pipeline, folder: Path, example: pd.DataFrame, reference: dict[str, Any]) -> None:
    """Save an MLflow model with signature, input example and the description of its training rows."""
    with quiet():
        import mlflow.sklearn
        from mlflow.models import ModelSignature
        from mlflow.types import ColSpec, DataType, Schema

        inputs = [ColSpec(DataType.string if name in CATEGORIES else DataType.double, name) for name in FEATURES]
        mlflow.sklearn.save_model(
            model,
            folder,
            signature=ModelSignature(Schema(inputs), Schema([ColSpec(DataType.double)])),
            input_example=example,
            pip_requirements=[f"{name}=={version(name)}" for name in PINNED],
            serialization_format="cloudpickle",
        )
    (folder / REFERENCE).write_text(json.dumps(reference))


def predict(model: Any, rows: pd.DataFrame) -> np.ndarray:
    """Give minutes of delay at arrival for rows as `frames.features` gives them."""
    return np.asarray(model.predict(rows), dtype=float)
