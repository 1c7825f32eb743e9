"""The batch scoring script of an MLflow model that is deployed without one: a row, a prediction and a file a line."""

import importlib
import os
from pathlib import Path
from typing import Any

_model: Any = None


def init() -> None:
    """Load the model below AZUREML_MODEL_DIR."""
    global _model  # noqa: PLW0603 the script's protocol is module-level
    mlflow = importlib.import_module("mlflow")
    found = list(Path(os.environ["AZUREML_MODEL_DIR"]).rglob("MLmodel"))
    if not found:
        raise RuntimeError(f"there is no MLmodel file below {os.environ['AZUREML_MODEL_DIR']}")
    _model = mlflow.pyfunc.load_model(str(min(found).parent))


def run(mini_batch: list[str]) -> Any:
    """Predict every row of every file; CSV, Parquet and JSON lines are read."""
    pd = importlib.import_module("pandas")
    readers = {".csv": pd.read_csv, ".parquet": pd.read_parquet, ".pq": pd.read_parquet}
    tables = []
    for name in mini_batch:
        path = Path(name)
        reader = readers.get(path.suffix.lower())
        if reader is None and path.suffix.lower() not in {".json", ".jsonl"}:
            raise ValueError(f"{path.name} is of no type that can be read: .csv, .parquet, .json")
        rows = reader(path) if reader else pd.read_json(path, lines=True)
        schema = _model.metadata.get_input_schema()
        wanted = schema.input_names() if schema is not None and not schema.is_tensor_spec() else []
        if wanted and set(wanted) <= set(rows.columns):
            rows = rows[wanted].astype(dict(zip(wanted, schema.pandas_types(), strict=True)))
        found = _model.predict(rows)
        values = found.iloc[:, 0] if hasattr(found, "iloc") and getattr(found, "ndim", 1) > 1 else found
        tables.append(pd.DataFrame({"row": range(len(rows)), "prediction": list(values), "file": path.name}))
    return pd.concat(tables)
