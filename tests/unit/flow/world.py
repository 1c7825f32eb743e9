"""A hub in memory for tests: the shipped code, with models of storage and Azure ML and a clock that is set by hand."""

import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from shared.azureml.batch import Invocation, Target
from shared.azureml.endpoints import DeploymentView, EndpointView
from shared.azureml.protocol import JobRequest, JobView, ModelView, MonitorRun, Registered
from shared.bootstrap import Hub, wire
from shared.data import Copied, Seen
from shared.deciding.analysis import Measured
from shared.deciding.traffic import Traffic
from shared.engine.outcomes import PermanentError
from shared.ledger.memory import MemoryStore
from shared.ledger.records import Activity, File
from shared.settings import Settings

START = datetime(2013, 2, 1, 6, 0, tzinfo=UTC)
ENVIRONMENT = {
    "HUB_STORAGE": "UseDevelopmentStorage=true",
    "AZURE_SUBSCRIPTION_ID": "s",
    "AZUREML_RESOURCE_GROUP": "rg",
    "AZUREML_WORKSPACE_NAME": "ws",
    "HUB_DATA_ACCOUNT": "landing",
}
AUTOMATION = """
name: delay-train
on:
  - blob-created:
      container: landing
      path: "flights/{month}/**/*.csv"
      collect: {by: [month], quiet: 2m, max-wait: 2h, until: {marker: "flights/{month}/_SUCCESS"}}
inputs: {note: {type: string, default: none}}
dataset: {name: flights, from: accepted, window: 90d}
check: {job: jobs/check.yml}
do:
  train: {job: jobs/train.yml, inputs: {data: "${{ dataset }}"}, register: {model: arrival-delay, from: model}}
"""
JOB = """
$schema: https://azuremlschemas.azureedge.net/latest/commandJob.schema.json
command: python main.py --data ${{inputs.data}}
code: ./src
environment: azureml:delay-jobs:1
compute: azureml:cpu-cluster
inputs: {data: {type: uri_folder}}
outputs: {model: {type: mlflow_model}}
"""


EVALUATE = """
command: python main.py
code: ./src
environment: azureml:delay-jobs:1
compute: azureml:cpu-cluster
inputs: {data: {type: uri_folder}, challenger: {type: mlflow_model}, champion: {type: mlflow_model}}
"""


SCORE_JOB = """
command: python main.py
code: ./src
environment: azureml:delay-jobs:1
compute: azureml:cpu-cluster
inputs: {data: {type: uri_folder}, model: {type: mlflow_model}}
outputs: {scored: {type: uri_folder}}
"""


class FakeData:
    """Data accounts in memory."""

    def __init__(self) -> None:
        self.copies: list[tuple[str, str]] = []
        self.written: list[str] = []
        self.contents: dict[str, bytes] = {}
        self.lying: list[File] = []
        self.looks: list[str] = []
        self.now: dict[str, str] = {}
        """The etags of files that were rewritten, "" for those that are gone; the others are as they were told of."""

    async def look(self, file: File) -> Seen | None:
        self.looks.append(file.path)
        etag = self.now.get(file.path, file.etag)
        return Seen(etag, file.size) if etag else None

    async def copy(self, source: File, account: str, container: str, path: str) -> Copied:
        seen = await self.look(source)
        if seen is None:
            raise PermanentError(f"{source.path} was deleted before it could be frozen")
        self.copies.append((source.path, f"{account}/{container}/{path}"))
        return Copied(seen.etag, seen.size, rewritten=seen.etag != source.etag)

    async def read(self, account: str, container: str, path: str, *, limit: int) -> bytes:
        if path not in self.contents:
            raise PermanentError(f"{account}/{container}/{path} is not there")
        return self.contents[path]

    async def write(self, account: str, container: str, path: str, content: bytes) -> None:
        self.written.append(f"{account}/{container}/{path}")
        self.contents[path] = content

    async def files(self, account: str, container: str, prefix: str) -> AsyncIterator[File]:
        for file in self.lying:
            if (file.account, file.container) == (account, container) and file.path.startswith(prefix):
                yield file
        for path in sorted(self.contents):
            if path.startswith(prefix):
                yield File(
                    account=account,
                    container=container,
                    path=path,
                    etag="0x1",
                    size=len(self.contents[path]),
                    time=START,
                )


class FakeAzureML:
    """An Azure ML whose jobs end when the test says so."""

    def __init__(self) -> None:
        self.jobs: dict[str, JobView] = {}
        self.requests: list[JobRequest] = []
        self.data: dict[tuple[str, str], str] = {}
        self.tables: dict[tuple[str, str], tuple[str, tuple[str, ...]]] = {}
        self.models: dict[tuple[str, str], ModelView] = {}
        self.fate = "Completed"
        self.monitors: list[MonitorRun] = []
        self.listed: list[Registered] = []
        self.datastores: dict[str, str] = {"hub_data": "hub-data", "landing": "landing"}
        self.logged: dict[str, float] = {"mae": 17.5}

    async def submit(self, request: JobRequest) -> JobView:
        self.requests.append(request)
        if request.name not in self.jobs:
            self.jobs[request.name] = JobView(request.name, "Running", tags=request.tags)
        return self.jobs[request.name]

    async def job(self, name: str) -> JobView | None:
        return self.jobs.get(name)

    async def datastore(self, name: str) -> tuple[str, str] | None:
        account, _, container = f"landing/{self.datastores.get(name, '')}".rpartition("/")
        return (account.rpartition("/")[2], container) if container else None

    async def cancel(self, name: str) -> None:
        self.jobs[name] = JobView(name, "Canceled", tags=self.jobs[name].tags)

    async def failure(self, job: str) -> str:
        return ""

    async def metrics(self, run: str) -> Mapping[str, float]:
        return self.logged

    async def monitor_runs(self, run: str, count: int) -> list[MonitorRun]:
        return self.monitors[-count:]

    async def artifacts(self, run: str) -> tuple[str, str, str]:
        return "mlworkspace", "azureml", f"ExperimentRun/dcid.{run}/"

    async def create_data(self, name: str, version: str, uri: str, tags: Mapping[str, str]) -> None:
        self.data[name, version] = uri

    async def create_table(
        self, name: str, version: str, uri: str, refers: Sequence[str], tags: Mapping[str, str]
    ) -> None:
        self.tables[name, version] = uri, tuple(refers)

    async def create_model(
        self, name: str, version: str, uri: str, kind: str, tags: Mapping[str, str], properties: Mapping[str, str]
    ) -> ModelView:
        self.models[name, version] = ModelView(name, version, uri, kind, tags, properties)
        return self.models[name, version]

    async def registered(self, since: datetime) -> list[Registered]:
        return [one for one in self.listed if one.created >= since]

    async def model(self, name: str, version: str) -> ModelView | None:
        return self.models.get((name, version))

    def end_jobs(self) -> None:
        for name, job in self.jobs.items():
            if not job.ended:
                self.jobs[name] = JobView(
                    name, self.fate, error="it broke" if self.fate == "Failed" else "", tags=job.tags
                )


class FakeEndpoints:
    """Online endpoints whose deployments are ready at the second look, and whose metrics the test sets."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self.clock = clock
        self.traffic: dict[str, Traffic] = {}
        self.found: dict[str, dict[str, DeploymentView]] = {}
        self.changes: list[tuple[str, str]] = []
        self.lost = 0
        self.short = ""
        self.sent: list[tuple[str, bytes]] = []
        self.fate = "Succeeded"
        self.requests, self.errors, self.latency = 1000, 0.0, 20.0

    async def endpoint(self, name: str) -> EndpointView | None:
        if name not in self.traffic:
            return None
        return EndpointView(name, "Succeeded", self.traffic[name], "http://127.0.0.1/score")

    async def deployments(self, endpoint: str) -> list[DeploymentView]:
        seen = list(self.found.get(endpoint, {}).values())
        for one in seen:
            if one.state == "Creating":
                self.found[endpoint][one.name] = replace(one, state=self.fate)
        return seen

    async def create_endpoint(self, folder: Path, file: str, tags: Mapping[str, str]) -> None:
        self.traffic["delay"], self.found["delay"] = Traffic(), {}

    async def create_deployment(self, folder: Path, file: str, name: str, model: str, tags: Mapping[str, str]) -> str:
        self.found["delay"][name] = DeploymentView(name, "Creating", model, instance_type="Standard_DS2_v2")
        return f"operation of {name}"

    async def failure(self, operation: str) -> str:
        return f"the {operation} failed: ResourceNotReady" if operation else ""

    async def shortage(self, instance_type: str, instances: int) -> str:
        return self.short

    async def set_traffic(self, endpoint: str, traffic: Traffic, expected: Traffic) -> bool:
        if self.traffic[endpoint] == traffic:
            return True
        if self.traffic[endpoint] != expected:
            return False
        if self.lost:
            self.lost -= 1
            return True
        self.traffic[endpoint] = traffic
        self.changes.append((endpoint, str(traffic)))
        return True

    async def delete_deployment(self, endpoint: str, name: str) -> None:
        if self.traffic[endpoint].live.get(name) or self.traffic[endpoint].mirror.get(name):
            raise PermanentError(f"{name} has traffic")
        self.found[endpoint].pop(name, None)

    async def logs(self, endpoint: str, deployment: str) -> str:
        return "starting\nValueError: it broke"

    async def measured(self, endpoint: str, deployment: str, start: datetime, end: datetime, grain: int) -> Measured:
        latency = dict.fromkeys(("p50", "p90", "p95", "p99"), (self.latency,))
        return Measured(start, end, self.clock(), self.requests, self.errors, latency)

    async def call(self, endpoint: EndpointView, deployment: str, body: bytes) -> int:
        self.sent.append((deployment, body))
        return 200


class FakeBatch:
    """Batch endpoints whose runs are jobs of the fake Azure ML."""

    def __init__(self, azureml: FakeAzureML) -> None:
        self.azureml = azureml
        self.invocations: list[Invocation] = []
        self.live = Target("blue", "arrival-delay:7")

    async def target(self, endpoint: str, deployment: str) -> Target:
        return replace(self.live, deployment=deployment) if deployment else self.live

    async def invoke(self, invocation: Invocation) -> None:
        if invocation.name not in self.azureml.jobs:
            self.invocations.append(invocation)
            self.azureml.jobs[invocation.name] = JobView(invocation.name, "Running", tags=invocation.tags)


class World:
    """A hub, its models, and the host that brings messages to it."""

    def __init__(self, root: Path, automation: str = AUTOMATION, environment: Mapping[str, str] | None = None) -> None:
        self.now = START
        self.given = {**ENVIRONMENT, **(environment or {})}
        (root / "automations").mkdir(parents=True, exist_ok=True)
        (root / "jobs" / "src").mkdir(parents=True, exist_ok=True)
        (root / "automations" / "train.yml").write_text(automation)
        (root / "jobs" / "src" / "main.py").write_text("print('hello')\n")
        for name in ("check", "train"):
            (root / "jobs" / f"{name}.yml").write_text(JOB)
        (root / "jobs" / "evaluate.yml").write_text(EVALUATE)
        (root / "jobs" / "score.yml").write_text(SCORE_JOB)
        (root / "endpoints").mkdir(exist_ok=True)
        (root / "endpoints" / "endpoint.yml").write_text("name: delay\nauth_mode: key\n")
        (root / "endpoints" / "deployment.yml").write_text("name: delay\nendpoint_name: delay\n")
        self.store = MemoryStore(lambda: self.now)
        self.data, self.azureml = FakeData(), FakeAzureML()
        self.endpoints = FakeEndpoints(lambda: self.now)
        self.batch = FakeBatch(self.azureml)
        self.root = root
        self.hub = self.start()

    def start(self) -> Hub:
        """Start a (further) instance on the same store."""
        settings = Settings.read(self.given, self.root)
        return wire(
            settings, self.store, self.data, self.azureml, lambda: self.now, endpoints=self.endpoints, batch=self.batch
        )

    def blob_event(self, path: str, etag: str, *, number: int = 1, container: str = "landing") -> dict[str, object]:
        return {
            "topic": "/subscriptions/s/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/landing",
            "subject": f"/blobServices/default/containers/{container}/blobs/{path}",
            "eventType": "Microsoft.Storage.BlobCreated",
            "id": f"{path}-{etag}",
            "eventTime": self.now.isoformat(),
            "data": {
                "api": "PutBlob",
                "eTag": f'"{etag}"',
                "contentLength": 10,
                "blobType": "BlockBlob",
                "sequencer": f"{number:040x}",
            },
            "dataVersion": "",
            "metadataVersion": "1",
        }

    async def send(self, *events: dict[str, object]) -> None:
        await self.hub.intake.accept(json.dumps(list(events)), self.now, "queue")

    async def run(self, seconds: float = 0.0) -> None:
        """Let time pass, and bring every message that becomes visible meanwhile."""
        end = self.now + timedelta(seconds=seconds)
        queue = self.store.queue("hub-work")
        for _ in range(100_000):
            received = queue.receive(60)
            if received is not None:
                await self.hub.work(received[0].text)
                queue.delete(*received)
                continue
            following = queue.next_visible()
            if following is None or following > end:
                break
            self.now = max(self.now, following)
        self.now = max(self.now, end)

    async def finish(self) -> None:
        """Let every job end as `azureml.fate` says, until nothing runs any more."""
        for _ in range(6):
            self.azureml.end_jobs()
            await self.run(70)

    def model_event(self, name: str, version: str) -> dict[str, object]:
        return {
            "topic": "/subscriptions/s/resourceGroups/rg/providers/Microsoft.MachineLearningServices/workspaces/ws",
            "subject": f"models/{name}:{version}",
            "eventType": "Microsoft.MachineLearningServices.ModelRegistered",
            "id": f"{name}-{version}",
            "eventTime": self.now.isoformat(),
            "data": {"ModelName": name, "ModelVersion": version, "ModelTags": {}, "ModelProperties": {}},
            "dataVersion": "",
            "metadataVersion": "1",
        }

    async def activities(self) -> list[Activity]:
        until = self.now - timedelta(days=40)
        return [activity async for activity in self.hub.activities.newest(self.now, until=until)]
