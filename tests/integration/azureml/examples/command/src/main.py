"""Trains a classifier of flowers, and leaves it as an MLflow model."""

import argparse

import mlflow
import pandas as pd
from sklearn.linear_model import LogisticRegression

parser = argparse.ArgumentParser()
parser.add_argument("--flowers")
parser.add_argument("--C", type=float)
parser.add_argument("--model")
given = parser.parse_args()

data = pd.read_csv(given.flowers)
features = data[["petal", "sepal"]]
model = LogisticRegression(C=given.C).fit(features, data["kind"])
mlflow.log_param("C", given.C)
mlflow.log_metric("accuracy", model.score(features, data["kind"]))
mlflow.sklearn.save_model(model, given.model, serialization_format="cloudpickle", pip_requirements=["scikit-learn"])
