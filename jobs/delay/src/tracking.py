"""The MLflow run of a job: the environment names it; where no tracking server is named, nothing is sent."""

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

SMALLER_TIMEOUTS: Final = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "30", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "4"}
"""MLflow's own (120 s, 7 tries) let a job whose tracking is gone sit for a quarter of an hour."""


class Run:
    """What a job tells its run. Every method is one request."""

    def __init__(self, mlflow: Any) -> None:
        self._mlflow = mlflow

    def params(self, values: Mapping[str, Any]) -> None:
        """Keep what the job was given."""
        if self._mlflow:
            self._mlflow.log_params({name: str(value)[:500] for name, value in values.items()})

    def metrics(self, values: Mapping[str, float | int | None]) -> None:
        """Keep numbers; one that does not exist (None, or not finite) is left out, so that a gate finds it missing."""
        known = {
            name: float(value)
            for name, value in values.items()
            if value is not None and float("-inf") < float(value) < float("inf")
        }
        for name, value in known.items():
            print(f"metric {name} {value:.6g}")
        if self._mlflow and known:
            self._mlflow.log_metrics(known)

    def tags(self, values: Mapping[str, str]) -> None:
        """Set tags of the run."""
        if self._mlflow:
            self._mlflow.set_tags(dict(values))


@contextmanager
def run(name: str) -> Iterator[Run]:
    """Give the run of this job, ended with the block: as failed where it raises.

    Azure ML sets MLFLOW_TRACKING_URI and MLFLOW_RUN_ID; without the first nothing is sent, and a line says so.
    """
    if not os.environ.get("MLFLOW_TRACKING_URI"):
        print("MLFLOW_TRACKING_URI is not set: metrics go into the job's output only")
        yield Run(None)
        return
    for variable, value in SMALLER_TIMEOUTS.items():
        os.environ.setdefault(variable, value)
    import mlflow

    logging.getLogger("mlflow").setLevel(logging.ERROR)
    resumed = os.environ.get("MLFLOW_RUN_ID")
    with mlflow.start_run(run_id=resumed) if resumed else mlflow.start_run(run_name=name):
        yield Run(mlflow)
