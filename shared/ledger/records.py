"""What the ledger remembers: activities, collections and intake batches, and their text form.

Records are msgspec structs: unknown fields of a later version are ignored and missing ones take their default, so that
yesterday's rows are read by today's code. `SCHEMA` stands in every row.
"""

import hashlib
from datetime import UTC, datetime
from typing import Any, Final, Literal, TypeVar

import msgspec

T = TypeVar("T")

SCHEMA: Final = 1
"""Version of the records below; raised when an old row needs a conversion to be read."""

ActivityStatus = Literal[
    "collecting",
    "held",
    "queued",
    "running",
    "waiting-approval",
    "succeeded",
    "failed",
    "refused",
    "cancelled",
    "superseded",
]
FINISHED: Final = frozenset({"succeeded", "failed", "refused", "cancelled", "superseded"})

StepState = Literal["pending", "running", "waiting", "done", "failed", "skipped"]


class File(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One content of one blob. `size` in bytes; `time` is the service's; `claim` names the event that told of it.

    `origin` is set for a frozen copy: account/container/path of what it was copied from. `traceparent` is the trace
    that its event brought along (of publishers that send one; storage itself does not).
    """

    account: str
    container: str
    path: str
    etag: str
    size: int
    time: datetime
    sequencer: str = ""
    claim: str = ""
    origin: str = ""
    traceparent: str = ""

    @property
    def place(self) -> tuple[str, str, str]:
        """Account, container and path under which the file landed, of a frozen copy too."""
        if not self.origin:
            return self.account, self.container, self.path
        account, container, path = self.origin.split("/", 2)
        return account, container, path


class Files(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A frozen list of files: how many, how many bytes, and the blob of the ledger that holds the list."""

    count: int = 0
    size: int = 0
    blob: str = ""


class Cause(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Why an activity exists: the events (`claims`, the first 20 of `count`), a person, or a schedule."""

    kind: Literal["events", "manual", "schedule", "missing"]
    claims: tuple[str, ...] = ()
    count: int = 0
    who: str = ""
    event: dict[str, Any] = {}
    collection: str = ""
    generation: int = 0
    closed_by: str = ""


class Step(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One step of an activity. `attempt` names what it makes outside; `tries` counts calls of the present attempt."""

    name: str
    kind: str
    state: StepState = "pending"
    attempt: int = 1
    tries: int = 0
    started: datetime | None = None
    ended: datetime | None = None
    detail: dict[str, Any] = {}
    reason: str = ""


class Act(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What somebody asked of an activity. `person` is false for a key, which is no person for a quorum."""

    kind: Literal["cancel", "release", "approve", "reject", "retry", "acknowledge"]
    who: str
    at: datetime
    reason: str = ""
    person: bool = False
    roles: tuple[str, ...] = ()
    attempt: int = 1


class Activity(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One execution of an automation. `due` is when it wants to be looked at next; None once it is finished."""

    id: str
    automation: str
    content: str
    action: str
    cause: Cause
    created: datetime
    updated: datetime
    status: ActivityStatus = "queued"
    attempt: int = 1
    trigger: int = -1
    """Which of the automation's triggers opened it; -1 where that is of no importance."""
    files: Files = Files()
    captures: dict[str, str] = {}
    inputs: dict[str, Any] = {}
    events: list[dict[str, Any]] = []
    """All events of an all-of, the first 50 of them; elsewhere the cause holds the one event."""
    steps: list[Step] = []
    due: datetime | None = None
    reason: str = ""
    acts: list[Act] = []
    merged: list[str] = []
    """Activities whose files and causes it took over while it was held."""
    traceparent: str = ""
    """The place in a trace that it was opened at (W3C)."""

    @property
    def finished(self) -> bool:
        """Whether nothing more will happen to it by itself."""
        return self.status in FINISHED

    def step(self, name: str) -> Step | None:
        """Give the step of that name, or None."""
        return next((step for step in self.steps if step.name == name), None)

    def asked(self, kind: str) -> Act | None:
        """Give the last act of that kind in the present attempt, or None."""
        return next((act for act in reversed(self.acts) if act.kind == kind and act.attempt == self.attempt), None)


class Head(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The head of a collection: its present generation and, while that is open, since when."""

    automation: str
    content: str
    trigger: int
    by: dict[str, str] = {}
    captures: dict[str, str] = {}
    generation: int = 1
    state: Literal["idle", "open", "closing"] = "idle"
    opened: datetime | None = None
    closed: datetime | None = None
    closed_by: str = ""
    close_asked: str = ""


class Outcome(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of an event at one automation: collected, opened, woke, marked, folded, ignored; and why."""

    what: str
    automation: str = ""
    target: str = ""
    generation: int = 0
    reason: str = ""


class Taken(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One event as the ledger keeps it: its claim, itself, and what became of it."""

    claim: str
    event: dict[str, Any]
    via: str = ""
    outcomes: tuple[Outcome, ...] = ()


class FileList(msgspec.Struct, frozen=True, kw_only=True):
    """The content of a frozen list's blob."""

    files: tuple[File, ...]


def activity_id(created: datetime, *identity: str) -> str:
    """Name an activity by the time of its cause (UTC, to the second) and a digest of what makes it unique.

    The same identity and time always give the same name: opening it twice is one activity.
    Example: `20130201t093000-3f9a1c7b2e`. It is safe in job names, asset versions, table keys and paths.
    """
    digest = hashlib.sha256("\x00".join(identity).encode()).hexdigest()[:10]
    return f"{created.astimezone(UTC):%Y%m%dt%H%M%S}-{digest}"


def encode(record: msgspec.Struct) -> bytes:
    """Give the JSON of a record."""
    return msgspec.json.encode(record)


def decode(kind: type[T], text: bytes) -> T:
    """Read a record of that kind from JSON; raises msgspec.ValidationError where it does not fit."""
    return msgspec.json.decode(text, type=kind)
