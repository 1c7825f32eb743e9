"""How decisions put durations, moments and numbers into words, so that all reasons read alike."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

MOST_CHARACTERS: Final = 200
"""Of any small value that people write: a threshold, a window, a cron expression."""


def length(duration: timedelta) -> str:
    """Give a duration as the automation language writes it: `90s`, `2m`, `1h30m`, `7d`."""
    seconds = round(duration.total_seconds())
    sign = "-" if seconds < 0 else ""
    rest, parts = abs(seconds), ""
    for unit, size in (("d", 86_400), ("h", 3600), ("m", 60), ("s", 1)):
        count, rest = divmod(rest, size)
        if count:
            parts += f"{count}{unit}"
    return f"{sign}{parts or '0s'}"


def moment(time: datetime) -> str:
    """Give a moment in UTC, to the second: `2013-02-01T06:00:00Z`."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def number(value: float) -> str:
    """Give a number without a tail of rounding: `25`, `0.0513`."""
    return f"{value:.6g}"


def percent(fraction: float) -> str:
    """Give a fraction as per cent: 0.013 is `1.3%`."""
    return f"{fraction * 100:.4g}%"


def shown(value: Any) -> str:
    """Give a value as an error message shows it: never longer than a line."""
    text = repr(value[:MOST_CHARACTERS] if isinstance(value, str) else value)
    return text if len(text) <= 100 else f"{text[:97]}…"
