"""Multiplies the number of each file."""

import os
from pathlib import Path

FACTOR = 0


def init():
    global FACTOR  # noqa: PLW0603 the protocol of scoring scripts
    FACTOR = int(next(Path(os.environ["AZUREML_MODEL_DIR"]).rglob("factor.txt")).read_text())


def run(mini_batch):
    return [f"{Path(path).name},{FACTOR * int(Path(path).read_text())}" for path in mini_batch]
