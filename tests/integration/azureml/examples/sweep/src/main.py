"""A trial: logs how bad its settings are."""

import argparse
from pathlib import Path

import mlflow

parser = argparse.ArgumentParser()
parser.add_argument("--C", type=float)
parser.add_argument("--kernel")
parser.add_argument("--flowers")
given = parser.parse_args()

assert Path(given.flowers).read_text().startswith("petal,sepal,kind")
mlflow.log_metric("loss", given.C + (0.1 if given.kernel == "rbf" else 0.0))
