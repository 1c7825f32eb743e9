"""Retry policies of functions, which the host follows for timers only.

As documented (https://learn.microsoft.com/azure/azure-functions/functions-bindings-error-pages#retry-policies): a fixed
delay, or one that doubles from the least to the longest, at most `max_retry_count` times, without end for -1. Of the
triggers known here the host retries timers; queues have their own tries, HTTP and Event Grid their callers.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from local.functions.worker import AppError

_SPAN: Final = re.compile(r"(?:(\d+)\.)?(\d\d?):(\d\d):(\d\d)")


@dataclass(frozen=True, slots=True)
class Retries:
    """A policy: how often, and how long to wait before each."""

    most: int
    least: timedelta
    longest: timedelta

    def delay(self, count: int) -> timedelta | None:
        """Give the delay before retry number `count` (from 1); None where there is none any more."""
        if 0 <= self.most < count:
            return None
        return min(self.longest, self.least * 2.0 ** min(count - 1, 30))


def retries(policy: Mapping[str, Any] | None, where: str) -> Retries | None:
    """Read a policy as the app declares it; raises AppError where it is none."""
    if not policy:
        return None
    strategy = str(policy.get("strategy", "")).lower().replace("_", "")
    try:
        most = int(policy["max_retry_count"])
    except (LookupError, ValueError, TypeError):
        raise AppError(f"{where}: retry: max_retry_count is {policy.get('max_retry_count')!r}; a number") from None
    if strategy == "fixeddelay":
        delay = _span(policy.get("delay_interval"), f"{where}: retry: delay_interval")
        return Retries(most, delay, delay)
    if strategy == "exponentialbackoff":
        least = _span(policy.get("minimum_interval"), f"{where}: retry: minimum_interval")
        return Retries(most, least, _span(policy.get("maximum_interval"), f"{where}: retry: maximum_interval"))
    expected = "fixed_delay or exponential_backoff is expected"
    raise AppError(f"{where}: retry: strategy is {policy.get('strategy')!r}; {expected}")


def _span(value: Any, what: str) -> timedelta:
    match = _SPAN.fullmatch(str(value))
    if match is None:
        raise AppError(f"{what} is {value!r}; hh:mm:ss is expected")
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
