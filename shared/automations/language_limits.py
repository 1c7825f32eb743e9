"""The `limits` block of the language, and what it means to the decisions."""

from decimal import Decimal
from typing import Literal, Self

from pydantic import Field, model_validator

from shared.automations.base import Model, Name
from shared.automations.language_values import RateText, Zone
from shared.automations.values import Duration
from shared.deciding import limits as deciding
from shared.deciding.windows import Window


class Concurrency(Model):
    """How many activities of a group may run at a time; automations that name the same group share it."""

    group: Name = Field(description="Any name; the hub counts by it, across automations.")
    max: int = Field(default=1, ge=1, le=1000, description="So many at a time.")
    when_busy: Literal["hold", "merge", "skip"] = Field(
        default="hold",
        description="One more waits (hold), joins the one of this automation that waits already (merge), or is dropped "
        "with a record (skip).",
    )


class Cooldown(Model):
    """Rest between two activities of this automation."""

    length: Duration = Field(alias="for", description="How long.")
    since: Literal["start", "end"] = Field(default="end", alias="from", description="Counted from the last one's …")


class Budget(Model):
    """What its activities may cost, by the prices of a compute hour in the settings."""

    amount: float = Field(gt=0, le=1e9, description="How much.")
    currency: str = Field(pattern=r"^[A-Z]{3}$", description="The prices' currency (ISO 4217), such as USD.")
    per: Literal["day", "week", "month"] = Field(description="Calendar day, week from Monday, or month.")
    tz: Zone = Field(default="UTC", description="IANA zone whose calendar counts.")


class TimeWindow(Model):
    """When activities may begin, or may not: exactly one of allow and deny."""

    allow: str | None = Field(default=None, description="Only in such a window, such as 'Mon-Fri 22:00-06:00'.")
    deny: str | None = Field(default=None, description="Never in such a window, such as 'Sun 00:00-06:00'.")
    tz: Zone = Field(default="UTC", description="IANA zone whose clock is meant; summer time is followed.")

    @model_validator(mode="after")
    def _is_a_window(self) -> Self:
        if (self.allow is None) == (self.deny is None):
            raise ValueError("a window has exactly one of allow and deny")
        window_of(self)
        return self


class Limits(Model):
    """What holds activities back. Held is not lost: they run later, or merge."""

    concurrency: Concurrency | None = None
    cooldown: Cooldown | None = None
    rate: RateText | None = Field(default=None, description="At most so many in any stretch of time: 4 per 24h.")
    budget: Budget | None = None
    windows: tuple[TimeWindow, ...] = Field(default=(), strict=False, max_length=20)


def window_of(window: TimeWindow) -> Window:
    """Give the window to decide by; raises WindowError, a ValueError."""
    if window.deny is not None:
        return Window.parse("deny", window.deny, window.tz)
    return Window.parse("allow", window.allow or "", window.tz)


def limits_of(limits: Limits | None) -> deciding.Limits:
    """Give the limits to decide by; none where the block is left out."""
    if limits is None:
        return deciding.Limits()
    concurrency, cooldown, budget = limits.concurrency, limits.cooldown, limits.budget
    return deciding.Limits(
        concurrency=deciding.Concurrency(concurrency.group, concurrency.max, concurrency.when_busy)
        if concurrency
        else None,
        cooldown=deciding.Cooldown(cooldown.length, cooldown.since) if cooldown else None,
        rate=limits.rate,
        budget=deciding.Budget(Decimal(str(budget.amount)), budget.currency, budget.per, budget.tz) if budget else None,
        windows=tuple(window_of(window) for window in limits.windows),
    )
