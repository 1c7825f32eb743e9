"""What a step can answer, and what it can raise."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Done:
    """The step is over; `detail` is kept with it for the steps after it and for people."""

    detail: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Again:
    """Not yet: look again after a delay. `detail` is what the step knows so far, `reason` what it waits for.

    `status` is what the activity is meanwhile: running, held by a limit, or waiting for somebody's approval.
    """

    after: timedelta
    detail: dict[str, Any] = field(default_factory=dict)
    status: Literal["running", "held", "waiting-approval"] = "running"
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Failed:
    """It did not work and trying again would not help; the activity fails with this reason."""

    reason: str
    detail: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Refused:
    """A condition says no; the activity is refused with this reason."""

    reason: str
    detail: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Superseded:
    """Another activity does what this one was to do; the reason names it."""

    reason: str
    detail: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Enough:
    """The activity has done what it was to do; the steps after this one are not needed, for the reason."""

    reason: str
    detail: dict[str, Any] = field(default_factory=dict)


Answer = Done | Again | Failed | Refused | Superseded | Enough


class TransientError(Exception):
    """Something outside did not answer as it should; the step is tried again, after `retry_after` where it was said."""

    def __init__(self, message: str, retry_after: timedelta | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class PermanentError(Exception):
    """Trying again would not help; the message is the reason a person reads."""
