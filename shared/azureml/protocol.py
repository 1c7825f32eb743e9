"""What the hub asks of Azure ML, without its SDK: jobs, data versions, model versions, metrics."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final, Literal, Protocol

JobInputKind = Literal["uri_file", "uri_folder", "mltable", "mlflow_model", "custom_model", "literal"]
ENDED: Final = frozenset({"Completed", "Failed", "Canceled", "NotResponding"})
HUB_TAG: Final = "hub.activity"
"""Tag of everything the hub makes: which activity made it."""


def lasting(tags: Mapping[str, str]) -> dict[str, str]:
    """Give the hub's own tags as properties: people change tags, and nobody changes properties."""
    return {name: value for name, value in tags.items() if name.startswith("hub.")}


@dataclass(frozen=True, slots=True)
class JobInput:
    """An input of a job: a path or asset for data and models, else a literal."""

    kind: JobInputKind
    value: str | int | float | bool
    frozen: str = ""
    """The freezing step whose list of files it is, "" where no list is read by it."""


@dataclass(frozen=True, slots=True)
class JobRequest:
    """A job to submit: a plain Azure ML YAML file in a folder, and what the hub sets in it."""

    name: str
    folder: Path
    file: str
    inputs: Mapping[str, JobInput]
    tags: Mapping[str, str]
    properties: Mapping[str, str]
    display_name: str
    experiment: str
    outputs: Mapping[str, str] = field(default_factory=dict)
    """Where outputs go, by name, as addresses of folders; those not named go where the service puts them."""


@dataclass(frozen=True, slots=True)
class JobView:
    """A job as the service has it. `status` in the service's spelling, such as Running."""

    name: str
    status: str
    error: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    experiment: str = ""
    environment: str = ""
    code: str = ""
    compute: str = ""
    studio_url: str = ""
    created: datetime | None = None

    @property
    def ended(self) -> bool:
        """Whether it will not change by itself any more."""
        return self.status in ENDED


@dataclass(frozen=True, slots=True)
class ModelView:
    """A model version."""

    name: str
    version: str
    uri: str
    kind: str
    tags: Mapping[str, str] = field(default_factory=dict)
    properties: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Registered:
    """A model version as it is listed, and when it was registered."""

    name: str
    version: str
    created: datetime
    tags: Mapping[str, str] = field(default_factory=dict)
    properties: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class MonitorRun:
    """A run of a monitor that has ended."""

    name: str
    started: datetime
    ended: datetime


class AzureML(Protocol):
    """Azure ML as the hub uses it. Raises TransientError and PermanentError of shared.engine.outcomes."""

    async def submit(self, request: JobRequest) -> JobView:
        """Create the job; where one of that name is there already, and is ours, give it as it is."""

    async def job(self, name: str) -> JobView | None:
        """Give the job, or None."""

    async def datastore(self, name: str) -> tuple[str, str] | None:
        """Give account and container that a datastore of the workspace stands for, None where there is no such one."""

    async def cancel(self, name: str) -> None:
        """Ask for the end of a job; it ends later."""

    async def failure(self, job: str) -> str:
        """Give why a job failed, "" where the service does not say."""

    async def metrics(self, run: str) -> Mapping[str, float]:
        """Give the last value of each metric that a run logged to MLflow."""

    async def create_data(self, name: str, version: str, uri: str, tags: Mapping[str, str]) -> None:
        """Make a version of a data asset (a folder); the same again is no error."""

    async def create_table(
        self, name: str, version: str, uri: str, refers: Sequence[str], tags: Mapping[str, str]
    ) -> None:
        """Make a version of a data asset (an mltable, its file lies in the folder `uri`); the same again is no error.

        `refers` are the addresses of the folders that its files lie in.
        """

    async def create_model(
        self, name: str, version: str, uri: str, kind: str, tags: Mapping[str, str], properties: Mapping[str, str]
    ) -> ModelView:
        """Make a model version; the same again is no error."""

    async def model(self, name: str, version: str) -> ModelView | None:
        """Give a model version, or None."""

    async def registered(self, since: datetime) -> Sequence[Registered]:
        """Give the model versions that were registered since then, in any order."""

    async def monitor_runs(self, run: str, count: int) -> Sequence[MonitorRun]:
        """Give the newest runs that have ended well of the experiment (and monitor) that a run belongs to."""

    async def artifacts(self, run: str) -> tuple[str, str, str]:
        """Give account, container and prefix under which a run's own files (outputs, logs) lie."""
