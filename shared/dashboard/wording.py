"""How the page writes times, sizes and lengths."""

from datetime import UTC, datetime
from typing import Any

import msgspec


def size(count: float | None) -> str:
    """Write bytes: 900 B, 1.5 MB."""
    if count is None:
        return ""
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" or value >= 100 else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def length(seconds: float | None) -> str:
    """Write a length of time: 0.4 s, 12 s, 3 min 20 s, 2 h 5 min, 3 d 4 h."""
    if seconds is None:
        return ""
    seconds = max(0.0, seconds)
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    for unit, big, small in ((86_400, "d", "h"), (3_600, "h", "min"), (60, "min", "s")):
        if whole >= unit:
            rest = whole % unit // {"d": 3_600, "h": 60, "min": 1}[big]
            return f"{whole // unit} {big}" + (f" {rest} {small}" if rest else "")
    return f"{whole} s"


def between(start: datetime | None, end: datetime | None) -> str:
    """Write how long it was from one moment to another."""
    return length((end - start).total_seconds()) if start and end else ""


def ago(moment: datetime | None, now: datetime) -> str:
    """Write how long ago it was."""
    if moment is None:
        return "never"
    seconds = (now - moment).total_seconds()
    if seconds < -1:
        return f"in {length(-seconds)}"
    if seconds < 5:
        return "just now"
    count, unit, *_ = length(float(round(seconds))).split(" ")
    return f"{count.removesuffix('.0')} {unit} ago"


def clock(moment: datetime | None) -> str:
    """Write a moment in UTC to the second."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC" if moment else ""


def number(value: Any) -> str:
    """Write a number short, anything else as it is."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.0f}"


def plain(moment: Any) -> Any:
    """Read a moment from text where it is one."""
    try:
        return datetime.fromisoformat(moment) if isinstance(moment, str) else moment
    except ValueError:
        return None


def readable(text: str) -> str:
    """Give JSON with its parts on lines of their own, anything else as it is."""
    try:
        return msgspec.json.format(text, indent=2)
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return text
