"""Tells the usual delay."""

import json
import os
from pathlib import Path
from typing import Any

_state: dict[str, Any] = {}


def init() -> None:
    path = next(Path(os.environ["AZUREML_MODEL_DIR"]).rglob("model.json"))
    _state["delay"] = json.loads(path.read_text())["delay"]


def run(raw: str) -> Any:
    return {"minutes": _state["delay"]}
