"""The workspace's MLflow endpoint: a real server that starts at first use; artifacts lie in the workspace's storage.

A job's run has the job's name as its id, as in Azure ML; it is made in the store when it is first asked for.
"""

import asyncio
import contextlib
import json
import logging
import subprocess
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import aiohttp
from aiohttp import web

from local.azureml.artifacts import Artifacts
from local.azureml.assets import Assets
from local.azureml.runs import ENDED, Runs
from local.azureml.storage import Storage
from local.azureml.wire import PERSON, ArmError, Json, reply
from local.azureml.workspace import ARTIFACT_STORE, Workspace
from local.config import Cloud
from local.process import spawn, stop

_log = logging.getLogger("azureml.mlflow")
_START: Final = 60.0
_TIMEOUT: Final = aiohttp.ClientTimeout(total=120)
_DROPPED: Final = frozenset({"host", "content-length", "connection", "transfer-encoding", "authorization"})
_ENDINGS: Final = {"Completed": "FINISHED", "Failed": "FAILED", "Canceled": "KILLED", "NotResponding": "FAILED"}


class TrackingError(Exception):
    """The MLflow server is not installed or did not start."""


class Tracking:
    """The MLflow server, in front of it what Azure ML adds."""

    def __init__(self, cloud: Cloud, runs: Runs, storage: Storage, workspace: Workspace, assets: Assets) -> None:
        self._assets = assets
        self._cloud, self._runs = cloud, runs
        self._artifacts = Artifacts(storage, workspace)
        self._process: subprocess.Popen[bytes] | None = None
        self._session: aiohttp.ClientSession | None = None
        self._starting = asyncio.Lock()
        self._making = asyncio.Lock()
        self._known: set[str] = set()
        self._database = cloud.local_dir / "azureml" / "mlflow" / "mlflow.db"
        self._base = f"http://127.0.0.1:{cloud.mlflow_port}"

    async def stop(self) -> None:
        """End the server."""
        if self._session is not None:
            await self._session.close()
        if self._process is not None:
            await asyncio.to_thread(stop, self._process)

    async def serve(self, request: web.Request, path: str) -> web.StreamResponse:
        """Answer a request to the endpoint; `path` is what follows the workspace's id."""
        if self._artifacts.owns(path):
            return await self._artifacts.serve(request, path)
        if path.endswith("/server-info"):
            return reply({"error_code": "ENDPOINT_NOT_FOUND", "message": "no server information"}, 404)
        body = await request.read()
        try:
            await self._ready()
            await self._make_runs(_run_ids(request, body), everything="search" in path)
            if path == "/api/2.0/mlflow/artifacts/list":
                return await self._list_artifacts(request)
            answer = await self._passed(request, path, body)
            if answer.status == 200 and path.endswith(("/runs/set-tag", "/runs/log-batch")):
                self._tag_jobs(body)
            if answer.status == 200 and path.endswith("/model-versions/create") and answer.text:
                await self._register(json.loads(answer.text))
            return answer
        except TrackingError as error:
            _log.error("%s", error)
            # Not one of the statuses that MLflow's client tries again for minutes.
            return reply({"error_code": "NOT_IMPLEMENTED", "message": str(error)}, 501)

    async def _passed(self, request: web.Request, path: str, body: bytes) -> web.Response:
        assert self._session is not None
        headers = {key: value for key, value in request.headers.items() if key.lower() not in _DROPPED}
        url = f"{self._base}{path}"
        query = f"?{request.query_string}" if request.query_string else ""
        try:
            async with self._session.request(request.method, url + query, data=body, headers=headers) as answer:
                kept = {"Content-Type": answer.headers.get("Content-Type", "application/json")}
                return web.Response(status=answer.status, body=await answer.read(), headers=kept)
        except (aiohttp.ClientError, TimeoutError) as error:
            _log.warning("the MLflow server did not answer %s: %s", path, type(error).__name__)
            return reply({"error_code": "TEMPORARILY_UNAVAILABLE", "message": "MLflow did not answer"}, 503)

    def _tag_jobs(self, body: bytes) -> None:
        """Give a job the tags that its run is given: in Azure ML they are the same, and the run's events carry them."""
        with contextlib.suppress(ValueError):
            given: Any = json.loads(body or b"null")
            if not isinstance(given, dict):
                return
            single = [given] if "key" in given else []
            name = str(given.get("run_id") or given.get("run_uuid") or "")
            pairs = {str(tag["key"]): tag["value"] for tag in [*single, *(given.get("tags") or [])]}
            tags = {key: value for key, value in pairs.items() if not key.startswith("mlflow.")}
            if tags and self._runs.find(name) is not None:
                self._runs.add_tags(name, tags)

    async def _register(self, answer: Json) -> None:
        """Make a model version of the workspace of one that MLflow registered: in Azure ML both are one registry."""
        found = answer.get("model_version", {})
        source = str(found.get("source", ""))
        if source.startswith("models:/"):
            logged = await self._get(f"/api/2.0/mlflow/logged-models/{source.removeprefix('models:/')}")
            source = str(logged.get("model", {}).get("info", {}).get("artifact_uri", ""))
        if not source.startswith("mlflow-artifacts:/"):
            _log.warning("the model %s:%s is not registered: %s", found.get("name"), found.get("version"), source)
            return
        uri = f"azureml://datastores/{ARTIFACT_STORE}/paths/{source.removeprefix('mlflow-artifacts:').strip('/')}"
        tags = {str(tag["key"]): tag["value"] for tag in found.get("tags", [])}
        shape = {"modelUri": uri, "modelType": "mlflow_model", "jobName": found.get("run_id") or None, "tags": tags}
        try:
            self._assets.create("models", str(found["name"]), str(found["version"]), shape)
        except ArmError as error:
            _log.warning("the model that MLflow registered is not the workspace's: %s", error.message)

    async def _list_artifacts(self, request: web.Request) -> web.Response:
        run = request.query.get("run_id") or request.query.get("run_uuid") or ""
        found = await self._get(f"/api/2.0/mlflow/runs/get?run_id={run}")
        if "run" not in found:
            return reply(found, 404)
        root = str(found["run"]["info"]["artifact_uri"])
        return reply({"root_uri": root, "files": await self._artifacts.listed(root, request.query.get("path", ""))})

    async def logged(self, run: str, metric: str) -> list[float]:
        """Give what the run of a job logged of a metric, in order; nothing where the store was never used."""
        if not self._database.exists():
            return []
        try:
            await self._ready()
            found = await self._get(f"/api/2.0/mlflow/metrics/get-history?run_id={run}&metric_key={metric}")
        except (aiohttp.ClientError, TimeoutError, TrackingError, ValueError):
            return []
        entries = sorted(found.get("metrics", []), key=lambda item: (int(item.get("step", 0)), int(item["timestamp"])))
        return [float(item["value"]) for item in entries]

    async def ended(self, name: str) -> None:
        """End the run of a job that has ended, where the job has one; never fails."""
        if name not in self._known:
            return
        status = _ENDINGS.get(self._runs.status(name))
        ended = int(datetime.now().timestamp() * 1000)
        with contextlib.suppress(aiohttp.ClientError, TimeoutError, TrackingError):
            await self._ready()
            body = {"run_id": name, "status": status, "end_time": ended}
            await self._post("/api/2.0/mlflow/runs/update", body)

    async def _make_runs(self, names: set[str], *, everything: bool) -> None:
        """Make the runs of jobs that the store does not have yet; one request at a time, as they share experiments."""
        async with self._making:
            await self._make_missing(names, everything=everything)

    async def _make_missing(self, names: set[str], *, everything: bool) -> None:
        wanted = {job["name"] for job in self._runs.everything()} if everything else names
        missing = [document for name in sorted(wanted - self._known) if (document := self._runs.find(name))]
        if not missing:
            return
        await self._post("/laptop/runs", {"runs": [_run(document) for document in missing]})
        for document in missing:
            self._known.add(document["job"]["name"])
            if document["job"]["properties"]["status"] in ENDED:
                await self.ended(document["job"]["name"])

    async def _post(self, path: str, body: Json) -> None:
        assert self._session is not None
        async with self._session.post(f"{self._base}{path}", json=body) as answer:
            if answer.status != 200:
                raise TrackingError(f"MLflow answered {answer.status} to {path}: {(await answer.text())[:300]}")

    async def _get(self, path: str) -> Json:
        assert self._session is not None
        async with self._session.get(f"{self._base}{path}") as answer:
            found: Json = await answer.json(content_type=None)
            return found

    async def _ready(self) -> None:
        """Start the server where it does not run, and wait for it."""
        async with self._starting:
            if self._process is not None and self._process.poll() is None:
                return
            python = self._cloud.interpreter("mlflow")
            if not python.exists():
                raise TrackingError(f"MLflow is not installed: {python} does not exist. Run `make setup`.")
            folder = self._database.parent
            folder.mkdir(parents=True, exist_ok=True)
            script = Path(__file__).with_name("mlflow_server.py")
            self._process = spawn(
                [str(python), "-P", str(script), str(self._cloud.mlflow_port), str(self._database)],
                log=self._cloud.logs / "mlflow.log",
                environ={
                    "PATH": f"{python.parent}:/usr/local/bin:/usr/bin:/bin",
                    "HOME": str(folder),
                    "LANG": "C.UTF-8",
                },
                folder=folder,
            )
            self._session = self._session or aiohttp.ClientSession(timeout=_TIMEOUT)
            await self._answering(self._process)

    async def _answering(self, process: "subprocess.Popen[bytes]") -> None:
        assert self._session is not None
        end = asyncio.get_running_loop().time() + _START
        while asyncio.get_running_loop().time() < end and process.poll() is None:
            with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                async with self._session.get(f"{self._base}/health") as answer:
                    if answer.status == 200:
                        return
            await asyncio.sleep(0.05)
        raise TrackingError(
            f"MLflow did not start on port {self._cloud.mlflow_port}; see {self._cloud.logs}/mlflow.log"
        )


def _run(document: Json) -> Json:
    """Give the run of a job as the store takes it."""
    name, properties = document["job"]["name"], document["job"]["properties"]
    tags = {
        "mlflow.user": PERSON,
        "mlflow.runName": properties["displayName"],
        "mlflow.rootRunId": name,
        "mlflow.source.type": "JOB",
        **properties["tags"],
    }
    parent = document["run"]["parent"]
    if parent:
        tags |= {"mlflow.parentRunId": parent, "mlflow.rootRunId": parent}
    return {
        "id": name,
        "name": properties["displayName"],
        "experiment": properties["experimentName"],
        "user": PERSON,
        "tags": tags,
        "start": int(datetime.fromisoformat(document["run"]["created"]).timestamp() * 1000),
    }


def _run_ids(request: web.Request, body: bytes) -> set[str]:
    """Give every run that a request names, in its query or body."""
    found = {request.query[key] for key in ("run_id", "run_uuid") if key in request.query}
    if body and request.content_type.endswith("json"):
        with contextlib.suppress(ValueError):
            given: Any = json.loads(body)
            if isinstance(given, dict):
                found |= {str(given[key]) for key in ("run_id", "run_uuid", "source_run_id") if given.get(key)}
    return found
