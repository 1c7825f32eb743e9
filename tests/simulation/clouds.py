"""Models of the clouds around the hub, on a virtual clock: jobs that end by themselves, endpoints, batch runs."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from shared.azureml.batch import Invocation, Target
from shared.azureml.protocol import HUB_TAG, JobRequest, JobView, ModelView
from shared.engine.outcomes import PermanentError, TransientError
from tests.unit.flow.world import FakeAzureML, FakeData, FakeEndpoints

Fault = Callable[[str], bool]
"""Tells whether the answer to this request is lost: what was asked for is done, and nobody hears of it."""
AUTOMATION: Final = "hub.automation"
_WORKSPACE = "/subscriptions/s/resourceGroups/rg/providers/Microsoft.MachineLearningServices/workspaces/ws"


def never(_: str) -> bool:
    return False


class Workspace(FakeAzureML):
    """Jobs that end when their time is over; a second request of the same name is the first one's job."""

    def __init__(self, clock: Callable[[], datetime], data: FakeData) -> None:
        super().__init__()
        self.clock = clock
        self.store = data
        self.length = timedelta(seconds=40)
        self.fates: dict[str, str] = {}
        """How the jobs of a step end (`train`), or those of one attempt of it (`train-2`); the others complete."""
        self.ends: dict[str, datetime] = {}
        """The jobs that run, and when they end."""
        self.submitted: list[str] = []
        """Each job once, in the order in which they were made."""
        self.at_once: dict[str, int] = {}
        """The most activities of one automation that had a job running at the same moment."""
        self.groups: dict[str, int] = {}
        """The most jobs of one step that ran at the same moment."""
        self.lost: Fault = never
        self.told: list[dict[str, object]] = []
        """Events that the service tells of itself: models registered, runs completed."""

    def fate_of(self, step: str, attempt: str) -> str:
        """Give how a job ends."""
        return self.fates.get(f"{step}-{attempt}", self.fates.get(step, "Completed"))

    def _began(self, name: str, tags: Mapping[str, str]) -> None:
        self.jobs[name] = JobView(name, "Running", tags=tags)
        self.ends[name] = self.clock() + self.length
        self.submitted.append(name)
        self.tick()
        step = name.split("-")[3]
        same = sum(one.split("-")[3] == step for one in self.ends)
        self.groups[step] = max(self.groups.get(step, 0), same)
        automation = tags.get(AUTOMATION, "")
        activities = {
            self.jobs[one].tags.get(HUB_TAG) for one in self.ends if self.jobs[one].tags.get(AUTOMATION) == automation
        }
        self.at_once[automation] = max(self.at_once.get(automation, 0), len(activities))

    def _state(self, name: str) -> JobView:
        job = self.jobs[name]
        if job.ended or self.clock() < self.ends[name]:
            return job
        del self.ends[name]
        step, attempt = name.split("-")[3:5]
        fate = self.fate_of(step, attempt)
        self.jobs[name] = replace(job, status=fate, error="it broke" if fate == "Failed" else "")
        if fate == "Completed":
            self._leave_results(name)
            data: dict[str, object] = {
                "runId": name,
                "experimentId": "e",
                "RunTags": dict(job.tags),
                "runStatus": "Completed",
            }
            self._tell(f"experiments/e/runs/{name}", "RunCompleted", name, data)
        return self.jobs[name]

    def _tell(self, subject: str, kind: str, identifier: str, data: dict[str, object]) -> None:
        self.told.append(
            {
                "topic": _WORKSPACE,
                "subject": subject,
                "eventType": f"Microsoft.MachineLearningServices.{kind}",
                "id": f"service-{identifier}",
                "eventTime": self.clock().isoformat(),
                "data": data,
                "dataVersion": "",
                "metadataVersion": "1",
            }
        )

    def _leave_results(self, name: str) -> None:
        folder, count = self.outputs.pop(name, ("", 0))
        if not folder:
            return
        entries = []
        for number in range(count):
            path = f"flights/{number}.csv"
            self.store.contents[f"{folder}{path}"] = b"prediction\n1\n"
            entries.append({"path": path, "rows_in": 10, "rows_out": 10, "errors": 0, "nulls": 0})
        self.store.contents[f"{folder}manifest-1.json"] = json.dumps({"files": entries}).encode()

    outputs: dict[str, tuple[str, int]]

    def tick(self) -> None:
        """Let those jobs end whose time is over."""
        for name in list(self.ends):
            self._state(name)

    def end_all(self) -> None:
        """Let all jobs that run end now."""
        self.ends = dict.fromkeys(self.ends, self.clock())

    def _answer(self, what: str) -> None:
        if self.lost(what):
            raise TransientError(f"no answer to {what}")

    async def submit(self, request: JobRequest) -> JobView:
        self.requests.append(request)
        if request.name not in self.jobs:
            self._began(request.name, request.tags)
        self._answer(f"submit {request.name}")
        return self._state(request.name)

    async def job(self, name: str) -> JobView | None:
        return self._state(name) if name in self.jobs else None

    async def cancel(self, name: str) -> None:
        if not self._state(name).ended:
            self.jobs[name] = replace(self.jobs[name], status="Canceled")
            del self.ends[name]
        self._answer(f"cancel {name}")

    async def create_data(self, name: str, version: str, uri: str, tags: Mapping[str, str]) -> None:
        await super().create_data(name, version, uri, tags)
        self._answer(f"data {name}")

    async def create_table(
        self, name: str, version: str, uri: str, refers: Sequence[str], tags: Mapping[str, str]
    ) -> None:
        await super().create_table(name, version, uri, refers, tags)
        self._answer(f"data {name}")

    async def create_model(
        self, name: str, version: str, uri: str, kind: str, tags: Mapping[str, str], properties: Mapping[str, str]
    ) -> ModelView:
        new = (name, version) not in self.models
        view = await super().create_model(name, version, uri, kind, tags, properties)
        if new:
            data: dict[str, object] = {"ModelName": name, "ModelVersion": version, "ModelTags": dict(tags)}
            self._tell(f"models/{name}:{version}", "ModelRegistered", f"{name}-{version}", data)
        self._answer(f"model {name}")
        return view


class OnlineEndpoints(FakeEndpoints):
    """Endpoints that keep every deployment that was ever made, and whose answers can be lost."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        super().__init__(clock)
        self.made: list[str] = []
        self.lost_answer: Fault = never
        self.wrong: list[str] = []

    async def create_deployment(self, folder: Path, file: str, name: str, model: str, tags: Mapping[str, str]) -> str:
        if name not in self.found["delay"]:
            self.made.append(name)
            await super().create_deployment(folder, file, name, model, tags)
        if self.lost_answer(f"deployment {name}"):
            raise TransientError(f"no answer to deployment {name}")
        return ""

    async def set_traffic(self, endpoint: str, traffic: object, expected: object) -> bool:
        done = await super().set_traffic(endpoint, traffic, expected)  # type: ignore[arg-type]
        total = sum(self.traffic[endpoint].live.values())
        if total not in {0, 100}:
            self.wrong.append(f"traffic is {self.traffic[endpoint]}")
        if self.lost_answer("traffic"):
            raise TransientError("no answer to traffic")
        return done

    async def logs(self, endpoint: str, deployment: str) -> str:
        if deployment not in self.found[endpoint]:
            raise PermanentError(f"{endpoint}/{deployment} is not there")
        return await super().logs(endpoint, deployment)


class BatchEndpoints:
    """Batch endpoints whose runs are jobs of the workspace, and leave a result a file with its manifest."""

    def __init__(self, azureml: Workspace) -> None:
        self.azureml = azureml
        self.azureml.outputs = {}
        self.invocations: list[Invocation] = []
        self.lost: Fault = never

    async def target(self, endpoint: str, deployment: str) -> Target:
        return Target(deployment or "blue", "arrival-delay:1")

    async def invoke(self, invocation: Invocation) -> None:
        if invocation.name not in self.azureml.jobs:
            self.invocations.append(invocation)
            folder = invocation.data.partition("/paths/")[2]
            count = len({target for _, target in self.azureml.store.copies if folder in target})
            self.azureml.outputs[invocation.name] = (invocation.output.partition("/paths/")[2], count)
            self.azureml._began(invocation.name, invocation.tags)
        if self.lost(f"invoke {invocation.name}"):
            raise TransientError("no answer to the invocation")
