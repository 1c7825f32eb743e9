"""What the API takes: the strict models that validate requests, and from which the OpenAPI document is made."""

from datetime import datetime
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from shared.api.models import AUTOMATION, CLAIM, LETTER, Text
from shared.ledger.records import ActivityStatus

_GO_ON: Final = r"^[A-Za-z0-9:_-]{0,200}$"


class Asked(BaseModel):
    """What a caller sends: unknown keys and other types are refused."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, defer_build=True)


class NoQuery(Asked):
    """No query parameters."""


class PageQuery(Asked):
    """Which page of a list."""

    limit: int = Field(default=50, ge=1, le=200, description="Items of a page.")
    token: str = Field(default="", pattern=_GO_ON, description="`next` of the page before.")


class ActivitiesQuery(PageQuery):
    """Which activities."""

    automation: str = Field(default="", pattern=r"^[a-z0-9-]{0,63}$", description="Only of this automation.")
    status: ActivityStatus | None = Field(default=None, description="Only in this status.")
    since: datetime | None = Field(default=None, description="Not older than that; 30 days if left out, 400 at most.")


class EventsQuery(PageQuery):
    """Which events."""

    outcome: Literal["", "collected", "opened", "woke", "marked", "folded", "ignored", "quarantined"] = Field(
        default="", description="Only with an outcome of this kind."
    )


class WhyQuery(Asked):
    """What is to be explained."""

    subject: str = Field(
        min_length=1,
        max_length=2048,
        description="An event's subject or id, a blob's address or container/path, models/name:version, a run, "
        "an activity, a collection.",
    )


class Span(Asked):
    """What was received from a moment to before another."""

    since: datetime
    until: datetime
    outcome: Literal["", "ignored", "quarantined", "collected", "opened"] = Field(
        default="", description="Only with an outcome of this kind."
    )


class Refused(Asked):
    """What an automation refused."""

    automation: str = Field(pattern=AUTOMATION)
    since: datetime


Rules = Annotated[
    dict[str, str],
    Field(
        max_length=500,
        description="Other rules than those in force: texts by path. Those under automations/ are then all there are; "
        "files under jobs/ and endpoints/ take the place of the app's.",
    ),
]


class SimulateRequest(Asked):
    """Events that are to be decided without acting."""

    events: list[dict[str, Any]] = Field(max_length=5000, description="Of either schema; each comes at its own time.")
    rules: Rules | None = None
    hours: float = Field(default=24.0, gt=0, le=24 * 60, description="Time that passes after the last event.")


class BacktestRequest(Asked):
    """Rules to compare with those in force, over a span of history."""

    since: datetime
    until: datetime | None = Field(default=None, description="Up to before that; now if left out.")
    rules: Rules | None = Field(default=None, description="Those in force if left out: then nothing differs.")


class ReplayRequest(Asked):
    """What to send again: exactly one of event, dead_letter, span, refused_by."""

    event: str | None = Field(default=None, pattern=CLAIM, description="An event's id.")
    dead_letter: str | None = Field(default=None, pattern=LETTER, description="A dead letter's id.")
    span: Span | None = None
    refused_by: Refused | None = None
    again: bool = Field(default=False, description="Decide once more what was decided before, under a mark.")
    send: bool = Field(default=False, description="Send; without it, what the duplicate check says is told.")

    @model_validator(mode="after")
    def _one(self) -> Self:
        given = (self.event, self.dead_letter, self.span, self.refused_by)
        if sum(one is not None for one in given) != 1:
            raise ValueError("exactly one of event, dead_letter, span, refused_by is expected")
        return self


class BackfillRequest(Asked):
    """Which older files to bring in."""

    automation: str = Field(pattern=AUTOMATION)
    since: datetime | None = Field(default=None, description="Not older than that.")
    until: datetime | None = Field(default=None, description="Older than that.")
    send: bool = Field(default=False, description="Bring them in; without it, what they would begin is told.")


class UsedByQuery(Asked):
    """Which file."""

    url: str = Field(min_length=1, max_length=2048, description="A blob's address, or container/path.")


class PauseRequest(Asked):
    """Why it is paused."""

    reason: Text = ""


class RunRequest(Asked):
    """The inputs of a start by hand, as the automation declares them."""

    inputs: dict[str, str | int | float | bool] = Field(default_factory=dict)


class ActRequest(Asked):
    """Why it is asked."""

    reason: Text = ""


class AuditQuery(Asked):
    """Which page of the audit trail."""

    limit: int = Field(default=50, ge=1, le=200, description="Items of a page.")
    token: str = Field(default="", pattern=r"^([0-9]{1,14}-[0-9]{1,6})?$", description="`next` of the page before.")
