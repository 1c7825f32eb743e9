"""What a backtest says."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Kind = Literal["begins", "does not begin", "other files", "other outcome", "other time"]


class Told(BaseModel):
    """A part of what a backtest says."""

    model_config = ConfigDict(frozen=True, defer_build=True)


class Fired(Told):
    """An activity as a set of rules would have had it. `hours` are node hours of compute, `cost` by the prices."""

    id: str
    created: datetime
    status: str
    reason: str
    cause: str
    files: int
    held: list[str] = []
    held_seconds: float = 0.0
    closed_by: str = ""
    hours: float = 0.0
    cost: float | None = None
    currency: str = ""


class Difference(Told):
    """What the asked rules change. `happened` are the activities of the ledger that it is about."""

    kind: Kind
    automation: str
    before: Fired | None
    after: Fired | None
    happened: list[str] = []
    reason: str = ""


class Totals(Told):
    """All activities of one side: how many began, were held, merged or refused, with hours and money."""

    activities: int = 0
    held: int = 0
    merged: int = 0
    refused: int = 0
    hours: float = 0.0
    cost: dict[str, float] = Field(default={}, description="By currency; computes without a price are not in it.")


class Backtest(Told):
    """A comparison. `before` are the rules in force, replayed; `after` the asked ones; `happened` is the ledger."""

    since: datetime
    until: datetime
    events: int
    differences: list[Difference]
    before: Totals
    after: Totals
    happened: Totals
    by_hand: int = Field(description="Activities that people started: they are no part of the comparison.")
    unexplained: list[str] = Field(
        description="Where the rules in force, replayed, differ from what happened: rules that have changed since, "
        "pauses, failures, or moments that a clock decided otherwise. They are in no difference."
    )
    invalid: dict[str, list[str]] = {}
    assumed: dict[str, float] = Field(default={}, description="Seconds that jobs are taken to last, by automation.")
