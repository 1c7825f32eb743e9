"""The scoring script of an MLflow model that is deployed without one: loads the model, reads Azure ML's input format.

Formats: https://learn.microsoft.com/azure/machine-learning/how-to-deploy-mlflow-models (input_data with columns and
data, a list, named tensors; params).
"""

import importlib
import json
import os
from pathlib import Path
from typing import Any

_model: Any = None


def init() -> None:
    """Load the model below AZUREML_MODEL_DIR."""
    global _model  # noqa: PLW0603 the server's protocol is module-level
    import mlflow

    found = sorted(Path(os.environ["AZUREML_MODEL_DIR"]).rglob("MLmodel"))
    if not found:
        raise RuntimeError(f"there is no MLmodel file below {os.environ['AZUREML_MODEL_DIR']}")
    _model = mlflow.pyfunc.load_model(str(found[0].parent))


def run(raw: str) -> Any:
    """Predict; the request names its rows in `input_data`."""
    np, pd = (importlib.import_module(name) for name in ("numpy", "pandas"))
    given = json.loads(raw)
    if not isinstance(given, dict) or "input_data" not in given:
        raise ValueError('The request must be a JSON object with the key "input_data".')
    data = given["input_data"]
    if isinstance(data, dict) and "columns" in data and "data" in data:
        index = data.get("index")
        rows: Any = pd.DataFrame(data["data"], columns=data["columns"], index=index or None)
    elif isinstance(data, dict):
        rows = {key: np.asarray(value) for key, value in data.items()}
    elif data and isinstance(data[0], dict):
        rows = pd.DataFrame(data)
    else:
        rows = np.asarray(data)
    schema = _model.metadata.get_input_schema()
    if isinstance(rows, pd.DataFrame) and schema is not None and not schema.is_tensor_spec():
        rows = _typed(rows, schema)
    answer = _model.predict(rows, params=given.get("params"))
    if isinstance(answer, pd.DataFrame):
        return json.loads(answer.to_json(orient="records"))
    return answer.tolist() if hasattr(answer, "tolist") else answer


def _typed(rows: Any, schema: Any) -> Any:
    """Give the columns the types of the signature: JSON tells whole numbers and others not apart."""
    for column, kind in zip(schema.input_names(), schema.pandas_types(), strict=True):
        if column in rows.columns:
            rows[column] = rows[column].astype(kind)
    return rows
