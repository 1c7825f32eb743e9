"""What a simulation says."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field


class Told(BaseModel):
    """A part of what a simulation says."""

    model_config = ConfigDict(frozen=True, defer_build=True)


class OutcomeTold(Told):
    """What an event would mean to an automation; `activity` is what it would become."""

    what: str
    automation: str = ""
    target: str = ""
    reason: str = ""
    activity: str = ""


class EventTold(Told):
    """What an event would do."""

    id: str
    time: datetime
    type: str
    subject: str
    outcomes: list[OutcomeTold]


class ActivityTold(Told):
    """An activity that would begin. `held` are the reasons for which it would wait, in their order."""

    id: str
    automation: str
    action: str
    status: str
    reason: str
    created: datetime
    ended: datetime | None
    held: list[str] = []
    cause: str
    closed_by: str = ""
    files: int = 0
    paths: list[str] = Field(default=[], description="The first of its files.")
    steps: list[str] = []


class CollectionTold(Told):
    """A collection that would still be open at the end."""

    id: str
    automation: str
    by: dict[str, str]
    files: int
    waits_for: str


class Simulation(Told):
    """What would happen, and why; nothing was done."""

    began: datetime
    ended: datetime
    events: list[EventTold]
    activities: list[ActivityTold]
    open: list[CollectionTold]
    invalid: dict[str, list[str]] = Field(default={}, description="Problems of automations that are no part of it.")
