"""Azure ML by the unmodified azure-ai-ml client: imported at its first use, called in threads, never left polling."""

import asyncio
import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, TypeVar

from shared.azureml.arm import Arm
from shared.azureml.delivery import delivery
from shared.azureml.protocol import HUB_TAG, JobRequest, JobView, ModelView, MonitorRun, Registered, lasting
from shared.azureml.redacting import redacted
from shared.engine.outcomes import PermanentError, TransientError

_TIMEOUT: Final = 60
_LOG_BYTES: Final = 4000
_LOG_LINES: Final = 6
_TRANSIENT: Final = frozenset({408, 409, 423, 429, 500, 502, 503, 504})
T = TypeVar("T")


class AzureMLClient:
    """Azure ML of one workspace."""

    def __init__(self, subscription: str, resource_group: str, workspace: str, mlflow_tracking_uri: str = "") -> None:
        self._names = (subscription, resource_group, workspace)
        self._tracking = mlflow_tracking_uri
        self._history = ""
        self._client: Any = None
        self._credential: Any = None
        self._lock = asyncio.Lock()
        self.arm = Arm(self)

    async def _connected(self) -> Any:
        async with self._lock:
            if self._client is None:
                self._client = await asyncio.to_thread(self._connect)
        return self._client

    def _connect(self) -> Any:
        for name in ("azure.ai.ml", "azure.identity", "azure.core"):
            logging.getLogger(name).setLevel(logging.ERROR)
        from azure.identity import DefaultAzureCredential

        self._credential = DefaultAzureCredential(
            managed_identity_client_id=os.environ.get("AZURE_CLIENT_ID") or None,
            exclude_interactive_browser_credential=True,
        )
        return self.connect()

    def connect(self, workspace: tuple[str, str, str] | None = None, registry: str = "") -> Any:
        """Make a further client: of this workspace, another (subscription, resource group, name), or a registry.

        It may be made in `call` only: the credential comes with the first client.
        """
        from azure.ai.ml import MLClient

        subscription, group, name = workspace or self._names
        names = {"subscription_id": subscription, "resource_group_name": group, "workspace_name": name}
        return MLClient(
            self._credential,
            **({"subscription_id": subscription, "registry_name": registry} if registry else names),
            enable_telemetry=False,
            show_progress=False,
            retry_total=2,
            connection_timeout=10,
            read_timeout=_TIMEOUT,
        )

    @property
    def workspace_id(self) -> str:
        """The ARM id of the workspace."""
        subscription, group, name = self._names
        return (
            f"/subscriptions/{subscription}/resourceGroups/{group}"
            f"/providers/Microsoft.MachineLearningServices/workspaces/{name}"
        )

    @property
    def subscription_id(self) -> str:
        """The ARM id of the workspace's subscription."""
        return f"/subscriptions/{self._names[0]}"

    async def token(self, resource: str) -> str:
        """Give a token for a resource such as https://management.azure.com."""
        await self._connected()
        return await asyncio.to_thread(lambda: str(self._credential.get_token(f"{resource}/.default").token))

    async def call(self, what: str, call: Callable[[Any], T]) -> T:
        """Call the SDK's client in a thread; raises TransientError or PermanentError with what was asked for."""
        client = await self._connected()
        return await asyncio.to_thread(_guarded, what, call, client)

    async def submit(self, request: JobRequest) -> JobView:
        """Create the job; where one of that name is there already, and is ours, give it as it is."""
        try:
            return await self.call(f"job {request.name}", lambda client: _view(_submit(client, request)))
        except PermanentError as error:
            # A lost answer comes back as a conflict or as JobPropertyImmutable: a look tells whether it was ours.
            existing = await self.job(request.name)
            if existing is not None and existing.tags.get(HUB_TAG) == request.tags.get(HUB_TAG):
                return existing
            raise PermanentError(str(error)) from None

    async def job(self, name: str) -> JobView | None:
        """Give the job, or None."""
        return await self.call(f"job {name}", lambda client: _found(lambda: _view(client.jobs.get(name))))

    async def datastore(self, name: str) -> tuple[str, str] | None:
        """Give account and container (of a data lake: filesystem) that a datastore stands for, None for none."""
        found = await self.call(f"datastore {name}", lambda client: _found(lambda: client.datastores.get(name)))
        if found is None:
            return None
        container = getattr(found, "container_name", "") or getattr(found, "filesystem", "")
        return str(getattr(found, "account_name", "")), str(container or "")

    async def cancel(self, name: str) -> None:
        """Ask for the end of a job; it ends later."""
        await self.call(f"job {name}", lambda client: client.jobs.begin_cancel(name))

    async def create_data(self, name: str, version: str, uri: str, tags: Mapping[str, str]) -> None:
        """Make a version of a data asset (a folder); the same again is no error."""

        def create(client: Any) -> None:
            from azure.ai.ml.entities import Data

            known = _found(lambda: client.data.get(name, version=version))
            if known is None:
                client.data.create_or_update(
                    Data(
                        name=name,
                        version=version,
                        path=uri,
                        type="uri_folder",
                        tags=dict(tags),
                        properties=lasting(tags),
                    )
                )
            elif dict(known.tags or {}).get(HUB_TAG) != tags.get(HUB_TAG):
                raise PermanentError(f"data {name}:{version} exists and was not made by this activity")

        await self.call(f"data {name}:{version}", create)

    async def create_table(
        self, name: str, version: str, uri: str, refers: Sequence[str], tags: Mapping[str, str]
    ) -> None:
        """Make a version of a data asset (an mltable); the same again is no error.

        By a plain request: the SDK would read the table back from storage, fetch its schema from the internet and send
        every path along with the request, which Azure Resource Manager takes up to 4 MB only.
        """
        path = f"data/{name}/versions/{version}"
        known = await self.arm.request("GET", path)
        if known is not None:
            if dict(known["properties"].get("tags") or {}).get(HUB_TAG) != tags.get(HUB_TAG):
                raise PermanentError(f"data {name}:{version} exists and was not made by this activity")
            return
        properties = {
            "dataType": "mltable",
            "dataUri": uri,
            "referencedUris": list(refers),
            "tags": dict(tags),
            "properties": lasting(tags),
            "isAnonymous": False,
            "isArchived": False,
        }
        await self.arm.request("PUT", path, {"properties": properties})

    async def create_model(
        self, name: str, version: str, uri: str, kind: str, tags: Mapping[str, str], properties: Mapping[str, str]
    ) -> ModelView:
        """Make a model version; the same again is no error."""

        def create(client: Any) -> ModelView:
            from azure.ai.ml.entities import Model

            known = _found(lambda: client.models.get(name, version=version))
            if known is None:
                known = client.models.create_or_update(
                    Model(name=name, version=version, path=uri, type=kind, tags=dict(tags), properties=dict(properties))
                )
            elif dict(known.tags or {}).get(HUB_TAG) != tags.get(HUB_TAG):
                raise PermanentError(f"model {name}:{version} exists and was not made by this activity")
            return _model(known)

        return await self.call(f"model {name}:{version}", create)

    async def model(self, name: str, version: str) -> ModelView | None:
        """Give a model version, or None."""
        what = f"model {name}:{version}"
        return await self.call(what, lambda client: _found(lambda: _model(client.models.get(name, version))))

    async def metrics(self, run: str) -> Mapping[str, float]:
        """Give the last value of each metric that a run logged, by the workspace's MLflow endpoint."""
        address = f"{await self._tracking_address()}/api/2.0/mlflow/runs/get"
        body = await self._get(f"metrics of run {run}", address, {"run_id": run})
        logged = (body or {}).get("run", {}).get("data", {}).get("metrics", [])
        return {str(metric["key"]): float(metric["value"]) for metric in logged}

    async def registered(self, since: datetime) -> Sequence[Registered]:
        """List the models, and of each its versions, newest first, until one is older."""

        def look(client: Any) -> list[Registered]:
            names = [str(model.name) for model in client.models.list()]
            return [one for name in names for one in _since(client.models.list(name=name), since)]

        return await self.call("the models", look)

    async def monitor_runs(self, run: str, count: int) -> Sequence[MonitorRun]:
        """Give the newest runs that have ended well of the experiment (and monitor) that a run belongs to."""
        base = f"{await self._tracking_address()}/api/2.0/mlflow/runs"
        found = await self._get(f"run {run}", f"{base}/get", {"run_id": run})
        if not found:
            return []
        tags = {tag["key"]: tag["value"] for tag in found["run"]["data"].get("tags", [])}
        body = {
            "experiment_ids": [found["run"]["info"]["experiment_id"]],
            "filter": "attributes.status = 'FINISHED'",
            "max_results": max(50, count),
            "order_by": ["attributes.end_time DESC"],
        }
        listed = await self._get(f"runs of {run}", f"{base}/search", {}, body) or {}
        runs = [_monitor_run(one) for one in listed.get("runs", []) if _same_monitor(one, tags.get("monitor", ""))]
        return sorted(runs, key=lambda one: one.ended)[-count:]

    async def artifacts(self, run: str) -> tuple[str, str, str]:
        """Give where a run's own files lie: below the workspace's artifact store, in a folder of the run's."""
        store = await self.call("the artifact store", lambda client: client.datastores.get("workspaceartifactstore"))
        return str(store.account_name), str(store.container_name), f"ExperimentRun/dcid.{run}/"

    async def failure(self, job: str) -> str:
        """Give why a job failed: the service's reason and the end of its log; "" where it says nothing."""
        address = f"{await self._history_address()}/runs/{job}/details"
        details = await self._get(f"job {job}", address, {}) or {}
        error = (details.get("error") or {}).get("error") or {}
        said = str(error.get("message") or "").strip()
        log = next((url for name, url in (details.get("logFiles") or {}).items() if name.endswith("std_log.txt")), "")
        tail = await asyncio.to_thread(_tail, str(log)) if log else ""
        return redacted(f"{said}{' | ' if said and tail else ''}{tail}")

    async def _get(self, what: str, address: str, parameters: Mapping[str, str], body: Any = None) -> Any:
        """Give the JSON at an address of the workspace's, None for 404; with a body it is posted."""
        await self._connected()

        def get() -> Any:
            import requests

            headers = {"Authorization": f"Bearer {self._token()}"}
            try:
                method = "GET" if body is None else "POST"
                answer = requests.request(
                    method, address, params=dict(parameters), json=body, headers=headers, timeout=_TIMEOUT
                )
                if answer.status_code == 404:
                    return None
                if answer.status_code != 200:
                    raise TransientError(f"{what}: the workspace answered {answer.status_code}")
                return answer.json()
            except (requests.RequestException, ValueError) as error:
                raise TransientError(f"{what}: the workspace did not answer: {type(error).__name__}") from None

        return await asyncio.to_thread(get)

    async def _tracking_address(self) -> str:
        if not self._tracking:
            workspace = await self.call("the workspace", lambda client: client.workspaces.get(self._names[2]))
            self._tracking = str(workspace.mlflow_tracking_uri)
        return self._tracking.replace("azureml://", "https://", 1).partition("?")[0].rstrip("/")

    async def _history_address(self) -> str:
        if not self._history:
            workspace = await self.call("the workspace", lambda client: client.workspaces.get(self._names[2]))
            services = await self._get("the workspace", str(workspace.discovery_url), {}) or {}
            if "api" not in services:
                raise TransientError("the workspace's discovery names no api")
            self._history = f"{str(services['api']).rstrip('/')}/history/v1.0{self.workspace_id}"
        return self._history

    def _token(self) -> str:
        return str(self._credential.get_token("https://management.azure.com/.default").token)


def _guarded(what: str, call: Callable[[Any], T], client: Any) -> T:
    """Call, with the errors of the SDK told apart: what passes by itself, and what does not."""
    try:
        return call(client)
    except (PermanentError, TransientError):
        raise
    except Exception as error:
        told = _told(what, error)
        if told is None:
            raise
        raise told from None


def _told(what: str, error: Exception) -> PermanentError | TransientError | None:
    """Tell an error of the SDK by what it means; None for one that is not the SDK's.

    The SDK wraps a request that failed in errors of its own (of code, of an asset): the request says whether it passes.
    """
    from azure.ai.ml.exceptions import MlException
    from azure.core.exceptions import (
        AzureError,
        ClientAuthenticationError,
        HttpResponseError,
        ServiceRequestError,
        ServiceResponseError,
    )

    if isinstance(error, HttpResponseError):
        text = redacted(f"{what}: Azure ML answered {error.status_code}: {error.message or error.reason}")
        if error.status_code in _TRANSIENT and not isinstance(error, ClientAuthenticationError):
            return TransientError(text, _retry_after(error))
        return PermanentError(text)
    if isinstance(error, (ServiceRequestError, ServiceResponseError)):
        return TransientError(redacted(f"{what}: Azure ML did not answer: {error}"))
    if isinstance(error, MlException) or type(error).__module__.startswith(("azure.ai.ml", "marshmallow")):
        within = error.__cause__ or error.__context__
        local = isinstance(within, (FileNotFoundError, NotADirectoryError, IsADirectoryError, PermissionError))
        told = _told(what, within) if isinstance(within, Exception) and not local else None
        if isinstance(told, TransientError):
            return told
        return PermanentError(redacted(f"{what}: {' '.join(str(error).split())[:1000]}"))
    if isinstance(error, (AzureError, OSError)):
        return TransientError(redacted(f"{what}: {type(error).__name__}: {error}"))
    return None


def _tail(address: str) -> str:
    """Give the last lines of a log at a signed address; "" where it cannot be read."""
    import requests

    try:
        answer = requests.get(address, headers={"Range": f"bytes=-{_LOG_BYTES}"}, timeout=_TIMEOUT)
        if answer.status_code == 416 or (answer.status_code == 200 and len(answer.content) > 4 * _LOG_BYTES):
            return ""
        lines = answer.content[-_LOG_BYTES:].decode(errors="replace").splitlines() if answer.ok else []
    except requests.RequestException:
        return ""
    return " / ".join(line.strip() for line in lines[-_LOG_LINES:] if line.strip())


def _same_monitor(run: Mapping[str, Any], monitor: str) -> bool:
    tags = {tag["key"]: tag["value"] for tag in run["data"].get("tags", [])}
    return not monitor or tags.get("monitor") == monitor


def _monitor_run(run: Mapping[str, Any]) -> MonitorRun:
    info = run["info"]
    times = [int(info.get(name) or 0) / 1000 for name in ("start_time", "end_time")]
    started, ended = (datetime.fromtimestamp(value, UTC) for value in times)
    return MonitorRun(str(info["run_id"]), started, ended)


def _retry_after(error: Any) -> timedelta | None:
    text = (error.response.headers.get("Retry-After") if error.response is not None else None) or ""
    return timedelta(seconds=float(text)) if text.replace(".", "", 1).isdigit() else None


def _found(get: Callable[[], T]) -> T | None:
    from azure.core.exceptions import ResourceNotFoundError

    try:
        return get()
    except ResourceNotFoundError:
        return None


def _submit(client: Any, request: JobRequest) -> Any:
    from azure.ai.ml import load_job

    file = request.folder / request.file
    job = load_job(file, params_override=_overrides(request, _written(file)))
    job.tags = {**(job.tags or {}), **request.tags}
    job.properties = {**(job.properties or {}), **request.properties}
    return client.jobs.create_or_update(job)


def _written(file: Path) -> Mapping[str, Any]:
    """Give the inputs of a job file as it writes them."""
    from ruamel.yaml import YAML

    document = YAML(typ="safe", pure=True).load(file.read_text("utf-8"))
    return dict(document.get("inputs") or {})


def _overrides(request: JobRequest, written: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Give what the hub sets in the file before the SDK loads it: the same way for every type of job."""
    overrides: list[dict[str, Any]] = [
        {"name": request.name},
        {"display_name": request.display_name},
        {"experiment_name": request.experiment},
    ]
    for name, value in request.inputs.items():
        if name not in written:
            raise PermanentError(f"{request.file} has no input {name!r}; it has {', '.join(written) or 'none'}")
        if value.kind == "literal":
            overrides.append({f"inputs.{name}": value.value})
        else:
            kept = dict(written[name]) if isinstance(written[name], dict) else {}
            kept.pop("default", None)
            mode = delivery(name, value.kind, str(kept.get("type", "")), str(kept.pop("mode", None) or ""))
            said = {"type": value.kind, "path": str(value.value), **({"mode": mode} if mode else {})}
            overrides.append({f"inputs.{name}": {**kept, **said}})
    overrides += [{f"outputs.{name}.path": address} for name, address in request.outputs.items()]
    return overrides


def _view(job: Any) -> JobView:
    studio = getattr((job.services or {}).get("Studio"), "endpoint", "") or ""
    return JobView(
        name=str(job.name),
        status=str(getattr(job.status, "value", job.status)),
        error=redacted(str(getattr(job, "error", "") or "")),
        tags=dict(job.tags or {}),
        experiment=str(job.experiment_name or ""),
        environment=_reference(getattr(job, "environment", "")),
        code=_reference(getattr(job, "code", "")),
        compute=str(getattr(job, "compute", "") or ""),
        studio_url=str(studio),
    )


def _since(versions: Iterable[Any], since: datetime) -> Iterator[Registered]:
    for model in versions:
        made = model.creation_context.created_at if model.creation_context else None
        if made is None:
            continue
        created = made if made.tzinfo else made.replace(tzinfo=UTC)
        if created < since:
            return
        yield Registered(
            str(model.name), str(model.version), created, dict(model.tags or {}), dict(model.properties or {})
        )


def _model(model: Any) -> ModelView:
    return ModelView(
        str(model.name),
        str(model.version),
        str(model.path),
        str(model.type),
        dict(model.tags or {}),
        dict(model.properties or {}),
    )


def _reference(value: Any) -> str:
    text = getattr(value, "id", None) or value or ""
    return str(text)
