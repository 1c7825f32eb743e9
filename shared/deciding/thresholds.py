"""Thresholds as people write them: `<= 25`, `< 1%`, `< 300ms`, `between 0.4 and 0.6`; and whether a value keeps one."""

import math
import re
from dataclasses import dataclass
from typing import Final, Literal

from shared.deciding.wording import MOST_CHARACTERS, shown

Unit = Literal["number", "share", "milliseconds"]
_NUMBER: Final = r"([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?) *(%|ms|s)?"
_ONE: Final = re.compile(rf"(<=|>=|<|>|==) *{_NUMBER}")
_TWO: Final = re.compile(rf"between +{_NUMBER} +and +{_NUMBER}")
PATTERN: Final = f"^ *(?:{_ONE.pattern}|{_TWO.pattern}) *$"
"""What a threshold looks like, for the schema that editors use."""
_EXAMPLES: Final = {
    "number": "'<= 25', '> 0.05' or 'between 0.4 and 0.6'",
    "share": "'< 1%' or '<= 0.01'",
    "milliseconds": "'< 300ms' or '<= 1.5s'",
}


class ThresholdError(ValueError):
    """A threshold cannot be read; the message says what is expected."""


@dataclass(frozen=True, slots=True)
class Threshold:
    """What a value must keep. A share is a fraction of one, a time is in milliseconds."""

    operator: Literal["<=", ">=", "<", ">", "==", "between"]
    value: float
    upper: float | None = None
    text: str = ""

    @classmethod
    def parse(cls, text: str, unit: Unit = "number") -> "Threshold":
        """Read it; raises ThresholdError."""
        if len(text) > MOST_CHARACTERS:
            raise ThresholdError(f"{shown(text)} is no threshold: write {_EXAMPLES[unit]}")
        stripped = text.strip(" ")
        if match := _ONE.fullmatch(stripped):
            value = _value(match[2], match[3], unit, text)
            operators: dict[str, Literal["<=", ">=", "<", ">", "=="]] = {
                "<=": "<=",
                ">=": ">=",
                "<": "<",
                ">": ">",
                "==": "==",
            }
            return cls(operators[match[1]], value, None, stripped)
        if match := _TWO.fullmatch(stripped):
            low, high = (_value(match[first], match[first + 1], unit, text) for first in (1, 3))
            if low > high:
                raise ThresholdError(f"{text!r}: the first number is the smaller one")
            return cls("between", low, high, stripped)
        raise ThresholdError(f"{text!r} is no threshold: write {_EXAMPLES[unit]}")

    def __str__(self) -> str:
        return self.text

    def keeps(self, value: float) -> bool:
        """Say whether the value keeps it. Infinity or no number never does."""
        if not math.isfinite(value):
            return False
        if self.operator == "between":
            return self.value <= value <= (self.value if self.upper is None else self.upper)
        return {
            "<=": value <= self.value,
            ">=": value >= self.value,
            "<": value < self.value,
            ">": value > self.value,
            "==": value == self.value,
        }[self.operator]


def _value(number: str, suffix: str | None, unit: Unit, text: str) -> float:
    value = float(number)
    if not math.isfinite(value):
        raise ThresholdError(f"{text!r}: {number} is too large")
    if unit == "milliseconds":
        if suffix not in {"ms", "s"}:
            raise ThresholdError(f"{text!r}: a time has a unit: write {_EXAMPLES[unit]}")
        return value * 1000 if suffix == "s" else value
    if suffix in {"ms", "s"}:
        raise ThresholdError(f"{text!r}: a time is not expected here: write {_EXAMPLES[unit]}")
    value = value / 100 if suffix == "%" else value
    if unit == "share" and not 0 <= value <= 1:
        raise ThresholdError(f"{text!r}: a share lies between 0% and 100%: write {_EXAMPLES[unit]}")
    return value
