"""What an explanation says: models that the API and the command line show as they are."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

About = Literal["event", "blob", "model", "run", "activity", "collection", "subject"]


class Said(BaseModel):
    """A part of an explanation."""

    model_config = ConfigDict(frozen=True, defer_build=True)


class Condition(Said):
    """One condition: what was expected, what was seen. `holds` is null where it was not reached."""

    what: str
    holds: bool | None
    expected: str = ""
    seen: Any = None
    reason: str = ""


class TriggerSaid(Said):
    """What a trigger of an automation, as it is now, says to an event."""

    automation: str
    trigger: int
    kind: str
    fires: bool
    role: str = ""
    conditions: list[Condition] = []
    guard: str = Field(default="", description="What holds back what would begin: a pause.")


class CollectionSaid(Said):
    """The collection that an event joined."""

    id: str
    generation: int
    state: str
    opened: datetime | None = None
    files: int = 0
    waits_for: str = ""
    closed_by: str = ""


class ActivitySaid(Said):
    """An activity that something became, or that was asked about."""

    id: str
    automation: str
    status: str
    reason: str
    created: datetime
    attempt: int
    cause: str
    claims: list[str] = []
    closed_by: str = ""
    conditions: list[Condition] = []
    steps: list[str] = []


class Became(Said):
    """What became of an event at one automation, as it was decided then."""

    what: str
    automation: str = ""
    target: str = ""
    reason: str = ""
    collection: CollectionSaid | None = None
    activity: ActivitySaid | None = None


class EventSaid(Said):
    """An event: when it came, what became of it, and what each trigger says to it."""

    id: str
    received: datetime
    via: str
    type: str
    subject: str
    decided: bool
    became: list[Became]
    triggers: list[TriggerSaid] = []


class BlobSaid(Said):
    """A look at the blob itself."""

    account: str
    container: str
    path: str
    exists: bool | None = Field(description="Null where storage did not answer.")
    written: datetime | None = None
    size: int | None = None
    etag: str = ""
    reason: str = ""


class Why(Said):
    """An explanation. `said` are its sentences, the answer first."""

    asked: str
    about: About
    said: list[str]
    events: list[EventSaid] = []
    activity: ActivitySaid | None = None
    collection: CollectionSaid | None = None
    blobs: list[BlobSaid] = []
    triggers: list[TriggerSaid] = Field(default=[], description="What each says, had its event come.")
