"""What a receipt is made of: links from the events to where a model version is live and what it scored."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class Part(BaseModel):
    """A part of a receipt."""

    model_config = ConfigDict(frozen=True, defer_build=True)


class FileLink(Part):
    """A file that was frozen for it: the copy, or the file itself where a list froze it; its content by etag, the event
    that told of it, and where it landed.
    """

    account: str
    container: str
    path: str
    etag: str
    size: int
    time: datetime
    claim: str
    origin: str = Field(default="", description="account/container/path of what it was copied from; empty: no copy.")


class DataLink(Part):
    """A frozen version of data that a job read."""

    asset: str
    version: str
    uri: str
    files: int
    size: int
    listed: list[FileLink]
    frozen_as: Literal["copies", "list"] = Field(
        default="copies", description="list: paths with etags, checked before and after each job; no copies were made."
    )


class StepLink(Part):
    """A step as it ended: `detail` holds job, environment, code, metrics or evidence."""

    name: str
    kind: str
    state: str
    started: datetime | None
    ended: datetime | None
    reason: str
    detail: dict[str, Any]


class ActLink(Part):
    """What somebody asked."""

    kind: str
    who: str
    at: datetime
    reason: str
    person: bool


class ActivityLink(Part):
    """An activity: its rules by content, its cause, its steps, and what people asked of it."""

    id: str
    automation: str
    content: str
    status: str
    reason: str
    attempt: int
    created: datetime
    ended: datetime
    cause: dict[str, Any]
    rules: str = Field(default="", description="The automation as it was, in YAML.")
    steps: list[StepLink]
    acts: list[ActLink]


class EventLink(Part):
    """An event that caused it."""

    id: str
    received: datetime
    type: str
    subject: str
    via: str


class CheckLink(Part):
    """The check of the files before anything learned from them."""

    job: str
    state: str
    reason: str


class RunLink(Part):
    """The run that trained it. `commit`: where the rules and the code, whose digest is `content`, come from."""

    job: str
    experiment: str
    studio: str
    environment: str
    code: str
    commit: str
    content: str
    started: datetime | None
    ended: datetime | None


class SliceLink(Part):
    """How well it does on a part of the rows, such as carrier UA."""

    column: str
    value: str
    rows: int
    measures: dict[str, float]


class GateLink(Part):
    """A gate of a release, and the evidence that it judged by."""

    release: str
    gate: str
    result: str
    reason: str
    evidence: dict[str, Any]


class ApprovalLink(Part):
    """What a person said to a release."""

    release: str
    said: str
    who: str
    at: datetime
    reason: str
    person: bool


class TrafficLink(Part):
    """One act of a rollout: the traffic when it was decided, why, and what was measured."""

    at: datetime
    act: str
    traffic: str
    reason: str
    finding: dict[str, Any]


class RolloutLink(Part):
    """A rollout. `champion` is what it was compared with, "" where nothing was live."""

    release: str
    status: str
    reason: str
    endpoint: str
    deployment: str
    evaluation: str
    champion: str
    began: datetime
    ended: datetime
    traffic: list[TrafficLink]


class LiveLink(Part):
    """Where it is deployed at this moment, by Azure ML's own word. Shares are percent; `price` is an hour's."""

    endpoint: str
    deployment: str
    traffic: int
    mirror: int
    state: str
    instances: str
    price: str


class ScoredLink(Part):
    """A batch run by it whose results were checked."""

    activity: str
    attempt: int
    automation: str
    at: datetime
    run: str
    endpoint: str
    deployment: str
    files: int
    rows: int
    output: str


class CostLink(Part):
    """What a job cost: its time by the price of a compute hour; `amount` is None where the settings have no price."""

    activity: str
    step: str
    compute: str
    nodes: int
    seconds: float
    amount: float | None
    currency: str


class Receipt(Part):
    """What led to a model version, and what it led to. `digest` is the SHA-256 over the rest of it in canonical JSON,
    without `live` and `missing`, which are true at one moment only.
    """

    model: str
    version: str
    registered: datetime
    uri: str
    tags: dict[str, str]
    lineage: dict[str, Any]
    made_by: ActivityLink | None
    events: list[EventLink]
    new_files: DataLink | None
    dataset: DataLink | None
    check: CheckLink | None = None
    run: RunLink | None = None
    metrics: dict[str, float] = Field(default={}, description="Of the training run, but for slices and importances.")
    importances: dict[str, float] = Field(default={}, description="By feature, as the training run logged them.")
    slices: list[SliceLink] = []
    releases: list[ActivityLink]
    gates: list[GateLink] = []
    approvals: list[ApprovalLink] = []
    rollouts: list[RolloutLink] = []
    live: list[LiveLink] = []
    scored: list[ScoredLink] = []
    cost: list[CostLink] = []
    missing: list[str] = Field(description="What the ledger does not hold (any more), in words.")
    digest: str = ""
