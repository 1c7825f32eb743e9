"""Learns the mean of all numbers, logs it to the run's MLflow, and leaves it as the model."""

import json
import os
import sys
import time
import urllib.request
from pathlib import Path

from reading import lines


def log(name: str, value: float) -> None:
    body = {"run_id": os.environ["MLFLOW_RUN_ID"], "key": name, "value": value, "timestamp": int(time.time() * 1000)}
    request = urllib.request.Request(
        f"{os.environ['MLFLOW_TRACKING_URI']}/api/2.0/mlflow/runs/log-metric",
        json.dumps(body).encode(),
        {"Content-Type": "application/json", "Authorization": f"Bearer {os.environ['AZUREML_RUN_TOKEN']}"},
    )
    urllib.request.urlopen(request, timeout=120).close()


values = [float(line) for _, _, line in lines(Path(sys.argv[1]))]
if min(values) < 0:
    raise SystemExit(f"cannot learn from numbers below 0: the least is {min(values)}")
log("mean", sum(values) / len(values))
folder = Path(sys.argv[2])
folder.mkdir(parents=True, exist_ok=True)
(folder / "model.json").write_text(json.dumps({"mean": sum(values) / len(values), "numbers": len(values)}))
