"""Which events a subscription takes: types, subjects and advanced filters, as pure functions.

Operators and limits: https://learn.microsoft.com/azure/event-grid/event-filtering.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

MAX_FILTERS: Final = 25
MAX_VALUES: Final = 25
"""Values of all advanced filters of a subscription together."""
MAX_STRING: Final = 512
_MISSING: Final = object()

Test = Callable[[Any, Any], bool]


def _text(test: Callable[[str, str], bool]) -> Test:
    return lambda found, value: isinstance(found, str) and test(found.lower(), str(value).lower())


def _number(test: Callable[[float, float], bool]) -> Test:
    return lambda found, value: isinstance(found, int | float) and not isinstance(found, bool) and test(found, value)


_ANY: Final[Mapping[str, Test]] = {
    "StringIn": _text(lambda found, value: found == value),
    "StringContains": _text(lambda found, value: value in found),
    "StringBeginsWith": _text(lambda found, value: found.startswith(value)),
    "StringEndsWith": _text(lambda found, value: found.endswith(value)),
    "NumberIn": _number(lambda found, value: found == value),
    "NumberGreaterThan": _number(lambda found, value: found > value),
    "NumberGreaterThanOrEquals": _number(lambda found, value: found >= value),
    "NumberLessThan": _number(lambda found, value: found < value),
    "NumberLessThanOrEquals": _number(lambda found, value: found <= value),
    "NumberInRange": _number(lambda found, _: False),
    "BoolEquals": lambda found, value: isinstance(found, bool) and found is value,
}
_NOT: Final[Mapping[str, str]] = {
    "StringNotIn": "StringIn",
    "StringNotContains": "StringContains",
    "StringNotBeginsWith": "StringBeginsWith",
    "StringNotEndsWith": "StringEndsWith",
    "NumberNotIn": "NumberIn",
    "NumberNotInRange": "NumberInRange",
}
_SINGLE: Final = frozenset(
    {"NumberGreaterThan", "NumberGreaterThanOrEquals", "NumberLessThan", "NumberLessThanOrEquals", "BoolEquals"}
)
"""Operators with one `value`; the others have `values`."""
_NULL: Final = frozenset({"IsNullOrUndefined", "IsNotNull"})
OPERATORS: Final = frozenset(_ANY) | frozenset(_NOT) | _NULL


class FilterError(ValueError):
    """A filter that Event Grid would refuse; the text says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Advanced:
    """One advanced filter: it passes where the value at `key` meets any of `values` (none of them for Not...)."""

    operator: str
    key: tuple[str, ...]
    values: tuple[Any, ...] = ()

    def passes(self, event: Mapping[str, Any], arrays: bool) -> bool:
        """Tell whether an event passes; `arrays`: whether a list at the key is looked into."""
        found = _at(event, self.key)
        if self.operator in _NULL:
            return (found is _MISSING or found is None) == (self.operator == "IsNullOrUndefined")
        negative = self.operator in _NOT
        operator = _NOT.get(self.operator, self.operator)
        candidates: Sequence[Any] = found if isinstance(found, list) and arrays else [found]
        if isinstance(found, list) and not arrays:
            return negative
        met = any(_meets(operator, candidate, value) for candidate in candidates for value in self.values)
        return met != negative


def _meets(operator: str, found: Any, value: Any) -> bool:
    if operator == "NumberInRange":
        return isinstance(found, int | float) and not isinstance(found, bool) and value[0] <= found <= value[1]
    return _ANY[operator](found, value)


def _at(event: Mapping[str, Any], key: tuple[str, ...]) -> Any:
    found: Any = event
    for part in key:
        if not isinstance(found, Mapping):
            return _MISSING
        found = next((value for name, value in found.items() if name.lower() == part), _MISSING)
    return found


@dataclass(frozen=True, slots=True)
class Filter:
    """What a subscription takes; empty parts take everything."""

    types: frozenset[str] = frozenset()
    begins: str = ""
    ends: str = ""
    case_sensitive: bool = False
    advanced: tuple[Advanced, ...] = ()
    arrays: bool = False

    def takes(self, event: Mapping[str, Any]) -> bool:
        """Tell whether an event, in either schema, is for this subscription; types are compared without case."""
        kind = str(event.get("eventType", event.get("type", "")))
        if self.types and kind.lower() not in self.types:
            return False
        subject = str(event.get("subject") or "")
        begins, ends = self.begins, self.ends
        if not self.case_sensitive:
            subject, begins, ends = subject.lower(), begins.lower(), ends.lower()
        if not (subject.startswith(begins) and subject.endswith(ends)):
            return False
        return all(one.passes(event, self.arrays) for one in self.advanced)


def read_filter(given: Mapping[str, Any]) -> Filter:
    """Read the `filter` of a subscription as ARM has it; raises FilterError where Event Grid would refuse it."""
    unknown = set(given) - _KEYS
    if unknown:
        raise FilterError(f"unknown keys {sorted(unknown)}: expected are {sorted(_KEYS)}")
    types = [str(kind).lower() for kind in given.get("includedEventTypes") or ()]
    advanced = tuple(_advanced(one) for one in given.get("advancedFilters") or ())
    if len(advanced) > MAX_FILTERS:
        raise FilterError(f"{len(advanced)} advanced filters: at most {MAX_FILTERS} are allowed")
    values = sum(len(one.values) for one in advanced)
    if values > MAX_VALUES:
        raise FilterError(f"{values} values in the advanced filters: at most {MAX_VALUES} in all are allowed")
    return Filter(
        frozenset() if types == ["all"] else frozenset(types),
        str(given.get("subjectBeginsWith") or ""),
        str(given.get("subjectEndsWith") or ""),
        bool(given.get("isSubjectCaseSensitive", False)),
        advanced,
        bool(given.get("enableAdvancedFilteringOnArrays", False)),
    )


_KEYS: Final = frozenset(
    {
        "includedEventTypes",
        "subjectBeginsWith",
        "subjectEndsWith",
        "isSubjectCaseSensitive",
        "advancedFilters",
        "enableAdvancedFilteringOnArrays",
    }
)


def _advanced(given: Mapping[str, Any]) -> Advanced:
    operator, key = str(given.get("operatorType", "")), str(given.get("key", ""))
    if operator not in OPERATORS:
        raise FilterError(f"operatorType {operator!r} is unknown: expected is one of {', '.join(sorted(OPERATORS))}")
    if not key:
        raise FilterError(f"{operator} has no key: name a field, such as subject or data.api")
    parts = tuple(key.lower().split("."))
    if operator in _NULL:
        return Advanced(operator, parts)
    values = (given.get("value"),) if operator in _SINGLE else tuple(given.get("values") or ())
    if not values or None in values:
        raise FilterError(f"{operator} of {key} has no {'value' if operator in _SINGLE else 'values'}")
    for value in values:
        _check(operator, key, value)
    return Advanced(operator, parts, values)


def _check(operator: str, key: str, value: Any) -> None:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if operator.startswith("String"):
        right = isinstance(value, str)
        if right and len(value) > MAX_STRING:
            raise FilterError(f"{operator} of {key}: a value has {len(value)} characters, at most {MAX_STRING} may be")
    elif operator == "BoolEquals":
        right = isinstance(value, bool)
    elif operator.endswith("InRange"):
        right = isinstance(value, list | tuple) and len(value) == 2
    else:
        right = number
    if not right:
        raise FilterError(f"{operator} of {key} cannot compare with {value!r}")
