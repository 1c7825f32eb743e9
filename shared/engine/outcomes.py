"""What a step can answer, and what it can raise."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any


@dataclass(frozen=True, slots=True)
class Done:
    """The step is over; `detail` is kept with it for the steps after it and for people."""

    detail: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Again:
    """Not yet: look again after a delay. `detail` is what the step knows so far."""

    after: timedelta
    detail: dict[str, Any] = field(default_factory=dict)


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


Answer = Done | Again | Failed | Refused


class TransientError(Exception):
    """Something outside did not answer as it should; the step is tried again, after `retry_after` where it was said."""

    def __init__(self, message: str, retry_after: timedelta | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class PermanentError(Exception):
    """Trying again would not help; the message is the reason a person reads."""
