"""When a failed delivery is tried again, and when no more: pure functions of status, attempts and time.

Source of all numbers: https://learn.microsoft.com/azure/event-grid/delivery-and-retry.
"""

from typing import Final

STEPS: Final = (10.0, 30.0, 60.0, 300.0, 600.0, 1800.0, 3600.0, 10_800.0, 21_600.0, 43_200.0)
"""Seconds before each further attempt; the last one repeats."""
JITTER: Final = 0.1
"""The "small randomization" of every step, as a share of it; the document gives no number."""
DEAD_LETTER_DELAY: Final = 300.0
"""Seconds between the last attempt and the dead letter."""
DEAD_LETTER_PATIENCE: Final = 4 * 3600.0
"""Seconds after which an event that cannot be dead-lettered is dropped."""
ANSWER_TIMEOUT: Final = 30.0
"""Seconds that a handler has to answer."""
SUCCESS: Final = frozenset(range(200, 205))
_NEVER_WEBHOOK: Final = frozenset({400, 401, 403, 413})
_NEVER_RESOURCE: Final = frozenset({400, 403, 413})
_AT_LEAST_ANY: Final = {408: 120.0, 503: 30.0}
_AT_LEAST_RESOURCE: Final = {401: 300.0, 404: 300.0}
"""Seconds that an answer makes the next attempt wait at least, whatever the step."""

UNDELIVERABLE: Final = "UndeliverableEvent"
MAX_ATTEMPTS_EXCEEDED: Final = "MaxDeliveryAttemptsExceeded"
EXPIRED: Final = "TimeToLiveExceeded"

_OUTCOMES: Final = {
    0: "SocketError",
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    408: "TimedOut",
    413: "RequestEntityTooLarge",
    429: "Busy",
    503: "Busy",
}


def outcome(status: int) -> str:
    """Name the outcome of an attempt by the status of its answer; 0 is no answer, 408 also none in time."""
    return _OUTCOMES.get(status, "GenericError")


def wait(status: int, attempts: int, *, resource: bool, random: float) -> float:
    """Give the seconds before the next attempt after `attempts` failed ones.

    `resource`: whether the destination is an Azure resource (a queue), not a webhook. `random` in 0..1 moves the step.
    """
    step = STEPS[min(attempts, len(STEPS)) - 1] * (1 + JITTER * (2 * random - 1))
    least = _AT_LEAST_ANY.get(status, 0.0)
    if resource:
        least = max(least, _AT_LEAST_RESOURCE.get(status, 0.0))
    return max(step, least)


def is_final(status: int, *, resource: bool) -> bool:
    """Tell whether an answer is never tried again: it is about the event, not about the endpoint."""
    return status in (_NEVER_RESOURCE if resource else _NEVER_WEBHOOK)


def end(status: int, attempts: int, max_attempts: int, *, next_attempt: float, expires: float, resource: bool) -> str:
    """Give why a delivery ends after a failed attempt, "" where it goes on.

    `next_attempt` and `expires` are times in seconds: what would be tried after its time to live is not tried.
    """
    if is_final(status, resource=resource):
        return UNDELIVERABLE
    if attempts >= max_attempts:
        return MAX_ATTEMPTS_EXCEEDED
    if next_attempt >= expires:
        return EXPIRED
    return ""
