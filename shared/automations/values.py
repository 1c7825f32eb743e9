"""Small values of the automation language, each read from text: durations and sizes."""

import re
from datetime import timedelta
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, WithJsonSchema

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_DURATION: Final = re.compile("".join(f"(?:([0-9]{{1,9}}){unit})?" for unit in "wdhms"))
_SIZES: Final = {"": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
_SIZE: Final = re.compile(r"([0-9]{1,18}) ?([KMG]i?B)?")
LONGEST: Final = timedelta(days=3660)


def duration(text: Any) -> timedelta:
    """Read `90s`, `2m`, `1h30m`, `7d`, `2w`; raises ValueError with what is expected."""
    if isinstance(text, timedelta):
        return text
    match = _DURATION.fullmatch(text) if isinstance(text, str) and text else None
    if match is None:
        raise ValueError(f"{text!r} is no duration: write 90s, 2m, 1h30m, 7d or 2w")
    seconds = sum(int(number or 0) * _UNITS[unit] for number, unit in zip(match.groups(), "wdhms", strict=True))
    if not 0 < seconds <= LONGEST.total_seconds():
        raise ValueError(f"{text!r}: a duration is over 0s and at most {LONGEST.days}d")
    return timedelta(seconds=seconds)


def size(text: Any) -> int:
    """Read a number of bytes: `5000`, `10 MB`, `2 GiB`; raises ValueError with what is expected."""
    if isinstance(text, int) and not isinstance(text, bool) and text > 0:
        return text
    match = _SIZE.fullmatch(text) if isinstance(text, str) else None
    if match is None or int(match[1]) == 0:
        raise ValueError(f"{text!r} is no size: write a number of bytes over 0, or 10 MB, 2 GiB")
    return int(match[1]) * _SIZES[match[2] or ""]


Duration = Annotated[
    timedelta,
    BeforeValidator(duration),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": "^(?=.)" + "".join(f"([0-9]{{1,9}}{unit})?" for unit in "wdhms") + "$",
            "examples": ["90s", "2m", "1h30m", "7d"],
        }
    ),
]
Size = Annotated[
    int,
    BeforeValidator(size),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 1},
                {"type": "string", "pattern": f"^{_SIZE.pattern}$", "examples": ["10 MB", "2 GiB"]},
            ]
        }
    ),
]
