"""Values of the language that are more than text: per cents, thresholds, rates, k of n, cron and zones."""

import re
from dataclasses import dataclass
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BeforeValidator, PlainSerializer, WithJsonSchema

from shared.automations.values import duration
from shared.deciding.cron import Cron
from shared.deciding.limits import Rate
from shared.deciding.thresholds import PATTERN, Threshold, Unit
from shared.deciding.windows import zone_of
from shared.deciding.wording import MOST_CHARACTERS, shown

_PERCENT: Final = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?) *%")
_RATE: Final = re.compile(r"([0-9]{1,9}) +per +([0-9wdhms]+)")
_OF: Final = re.compile(r"([0-9]{1,9}) +of +([0-9]{1,9})")
MOST_OPENINGS: Final = 10_000
MOST_WINDOWS: Final = 60


@dataclass(frozen=True, slots=True)
class Persists:
    """So many (`k`) of the last `n` windows."""

    k: int
    n: int

    def __str__(self) -> str:
        return f"{self.k} of {self.n}"


def percent(value: Any) -> float:
    """Read `20%` or `0.2` as a fraction of one; raises ValueError with what is expected."""
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1:
        return float(value)
    match = _match(_PERCENT, value)
    if match is None or float(match[1]) > 100:
        raise ValueError(f"{shown(value)} is no share: write a per cent from 0% to 100%, such as 20%")
    return float(match[1]) / 100


def rate(value: Any) -> Rate:
    """Read `4 per 24h`; raises ValueError with what is expected."""
    if isinstance(value, Rate):
        return value
    match = _match(_RATE, value)
    if match is None or not 0 < int(match[1]) <= MOST_OPENINGS:
        raise ValueError(
            f"{shown(value)} is no rate: write a number from 1 to {MOST_OPENINGS} per a time, such as 4 per 24h"
        )
    return Rate(int(match[1]), duration(match[2]))


def persists(value: Any) -> Persists:
    """Read `2 of 3`; raises ValueError with what is expected."""
    if isinstance(value, Persists):
        return value
    match = _match(_OF, value)
    if match is None or not 0 < int(match[1]) <= int(match[2]) <= MOST_WINDOWS:
        raise ValueError(f"{shown(value)}: write how many of the last windows, such as 2 of 3 (at most {MOST_WINDOWS})")
    return Persists(int(match[1]), int(match[2]))


def _match(pattern: re.Pattern[str], value: Any) -> re.Match[str] | None:
    return pattern.fullmatch(value) if isinstance(value, str) and len(value) <= MOST_CHARACTERS else None


def one_or_more(value: Any) -> Any:
    """Let a single value stand for a list of one."""
    return [value] if isinstance(value, str) else value


def _threshold(unit: Unit) -> BeforeValidator:
    def read(value: Any) -> Threshold:
        if isinstance(value, Threshold):
            return value
        return Threshold.parse(value if isinstance(value, str) else repr(value), unit)

    return BeforeValidator(read)


def _text(pattern: str, *examples: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": pattern, "examples": list(examples)})


def _cron(text: str) -> str:
    return Cron.parse(text).text


def _zone(name: str) -> str:
    zone_of(name)
    return name


_AS_TEXT: Final = PlainSerializer(str, return_type=str)

Percent = Annotated[
    float,
    BeforeValidator(percent),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": f"^{_PERCENT.pattern}$"},
                {"type": "number", "minimum": 0, "maximum": 1},
            ]
        }
    ),
]
Measure = Annotated[Threshold, _threshold("number"), _AS_TEXT, _text(PATTERN, "<= 25", ">= 0.05", "< 1%")]
Share = Annotated[Threshold, _threshold("share"), _AS_TEXT, _text(PATTERN, "< 1%")]
Latency = Annotated[Threshold, _threshold("milliseconds"), _AS_TEXT, _text(PATTERN, "< 300ms", "<= 1.5s")]
RateText = Annotated[Rate, BeforeValidator(rate), _AS_TEXT, _text(f"^{_RATE.pattern}$", "4 per 24h")]
PersistsText = Annotated[Persists, BeforeValidator(persists), _AS_TEXT, _text(f"^{_OF.pattern}$", "2 of 3")]
CronText = Annotated[str, AfterValidator(_cron)]
Zone = Annotated[str, AfterValidator(_zone)]
