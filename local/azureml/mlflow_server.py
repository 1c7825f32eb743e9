"""The MLflow server over its SQLite store, with one thing more: a run may be made with the id of its job.

Run as a script by the Python of the MLflow environment: `mlflow_server.py <port> <database>`. Azure ML's runs have the
job's name as their id; MLflow's own REST API gives every run a random one, so the emulator makes a job's run by
`POST /laptop/runs` first. Artifacts are not served here: the emulator keeps them in the workspace's storage.
"""

import importlib
import os
import sys
from typing import Any


def main(port: int, database: str) -> None:
    """Serve on the loopback interface, for ever."""
    os.environ["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] = "false"
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = os.environ["DO_NOT_TRACK"] = "true"
    os.environ["_MLFLOW_SERVER_FILE_STORE"] = f"sqlite:///{database}"
    os.environ["_MLFLOW_SERVER_ARTIFACT_ROOT"] = "mlflow-artifacts:/"
    os.environ["_MLFLOW_SERVER_SERVE_ARTIFACTS"] = "true"

    from mlflow.server import app, handlers

    # These live in the MLflow environment only: a type checker of the project cannot see them.
    flask, waitress = (importlib.import_module(name) for name in ("flask", "waitress"))

    store = handlers._get_tracking_store()  # noqa: SLF001 the server's own store; there is no public way to it

    def make_runs() -> Any:
        for run in flask.request.get_json()["runs"]:
            _make(store, run)
        return flask.jsonify({})

    app.add_url_rule("/laptop/runs", "laptop_runs", make_runs, methods=["POST"])
    waitress.serve(app, host="127.0.0.1", port=port, threads=8, ident="laptop")


def _make(store: Any, run: dict[str, Any]) -> None:
    """Make a run with its id, name, experiment, tags and start (ms since 1970), unless it is there."""
    from mlflow.entities import LifecycleStage, RunStatus, SourceType
    from mlflow.store.tracking.dbmodels.models import SqlRun, SqlTag

    experiment = store.get_experiment_by_name(run["experiment"])
    identity = experiment.experiment_id if experiment else store.create_experiment(run["experiment"])
    with store.ManagedSessionMaker(read_only=False) as session:
        if session.get(SqlRun, run["id"]) is not None:
            return
        row = SqlRun(
            run_uuid=run["id"],
            name=run["name"],
            artifact_uri=f"mlflow-artifacts:/ExperimentRun/dcid.{run['id']}",
            experiment_id=int(identity),
            source_type=SourceType.to_string(SourceType.UNKNOWN),
            source_name="",
            entry_point_name="",
            user_id=run["user"],
            status=RunStatus.to_string(RunStatus.RUNNING),
            start_time=run["start"],
            source_version="",
            lifecycle_stage=LifecycleStage.ACTIVE,
        )
        row.tags = [SqlTag(key=key, value=value) for key, value in run["tags"].items()]
        session.add(row)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
