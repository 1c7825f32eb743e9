"""Multiplies by what the model says."""

import json
import os
from pathlib import Path

FACTOR = 0


def init():
    global FACTOR  # noqa: PLW0603 the protocol of scoring scripts
    FACTOR = json.loads((Path(os.environ["AZUREML_MODEL_DIR"]) / "model" / "factors.json").read_text())["factor"]


def run(raw):
    return [FACTOR * value for value in json.loads(raw)["data"]]
