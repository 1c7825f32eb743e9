"""Conditions and `${{ }}` values of automations: CEL, compiled once, checked for the variables it may use."""

import difflib
import json
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

VARIABLES: Final = frozenset({"event", "events", "files", "dataset", "captures", "inputs", "activity"})
MAX_LENGTH: Final = 4000
"""Characters of an expression. CEL has no loops beyond its macros over lists, so that its cost is bounded by this, by
the two limits below and by the size of what it reads."""
MAX_DEPTH: Final = 2
"""Macros over lists in one another: each multiplies the work by the length of its list."""
MAX_GROWTH: Final = 10_000
"""How much larger than what they read macros may make a value: `.map(x, x + x)` doubles it, and may be chained."""
FUNCTIONS: Final = frozenset(
    (
        "size",
        "contains",
        "startsWith",
        "endsWith",
        "matches",
        "string",
        "int",
        "uint",
        "double",
        "bytes",
        "duration",
        "timestamp",
        "type",
        "dyn",
        "has",
        "getFullYear",
        "getMonth",
        "getDayOfYear",
        "getDayOfMonth",
        "getDate",
        "getDayOfWeek",
        "getHours",
        "getMinutes",
        "getSeconds",
        "getMilliseconds",
    )
)
"""What can be called (https://github.com/google/cel-spec/blob/master/doc/langdef.md), beside the macros."""
MAX_STEPS: Final = 50_000_000
"""Steps of macros in one another, by the longest list that they read: some seconds."""
_MAX_NESTING: Final = 40
_STRING: Final = re.compile(
    r"""(?:[rR][bB]?|[bB][rR]?)?(?:\"{3}.*?\"{3}|'{3}.*?'{3}|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')""", re.DOTALL
)
_MACRO: Final = re.compile(r"\.\s*(map|filter|exists|exists_one|all)\s*\(\s*(\w+)\s*,")
_REFERENCE: Final = re.compile(r"\$\{\{((?:'[^']*'|\"[^\"]*\"|\}(?!\})|[^'\"}])*)\}\}")


class ExpressionError(Exception):
    """An expression cannot be compiled or evaluated; the message says what and, for syntax, where in it."""


@dataclass(frozen=True, slots=True)
class Expression:
    """A compiled CEL expression."""

    text: str
    variables: frozenset[str]

    @classmethod
    def compile(cls, text: str, allowed: Collection[str] = VARIABLES) -> "Expression":
        """Compile; raises ExpressionError for bad syntax, size, or a variable that is not in `allowed`.

        `allowed` are some of the variables of automations, or others that only one place knows.
        """
        if len(text) > MAX_LENGTH:
            raise ExpressionError(f"the expression has {len(text)} characters; at most {MAX_LENGTH} are accepted")
        code = _STRING.sub("''", text)
        if _nesting(code) > _MAX_NESTING:
            raise ExpressionError(f"the expression nests deeper than {_MAX_NESTING} brackets")
        program = _program(text)
        bound = _check_macros(text, code)
        _check_functions(text, program.functions())
        used = frozenset(program.variables()) - bound
        every = VARIABLES if VARIABLES.issuperset(allowed) else frozenset(allowed)
        if unknown := used - every:
            raise ExpressionError(
                f"`{text.strip()}` uses {', '.join(sorted(unknown))}, which is no variable; "
                f"known: {', '.join(sorted(every))}"
            )
        if missing := used - frozenset(allowed):
            raise ExpressionError(
                f"`{text.strip()}` uses {', '.join(sorted(missing))}, which is not known here; "
                f"known: {', '.join(sorted(allowed))}"
            )
        return cls(text, used)

    def evaluate(self, variables: Mapping[str, Any]) -> Any:
        """Give the value; raises ExpressionError with the reason, such as a key that is not there."""
        depth = _depth(self.text)
        if depth > 1 and (steps := _longest(variables) ** depth) > MAX_STEPS:
            raise ExpressionError(
                f"`{self.text.strip()}` takes up to {steps} steps here; at most {MAX_STEPS} are taken"
            )
        try:
            return _program(self.text).execute({name: variables.get(name) for name in VARIABLES.union(variables)})
        except (ValueError, TypeError, KeyError, ArithmeticError, RuntimeError, IndexError) as error:
            raise ExpressionError(f"`{self.text.strip()}`: {type(error).__name__}: {error}") from None

    def holds(self, variables: Mapping[str, Any]) -> bool:
        """Evaluate a condition; raises ExpressionError where it gives anything but true or false."""
        value = self.evaluate(variables)
        if not isinstance(value, bool):
            raise ExpressionError(f"`{self.text.strip()}` gives {value!r}; a condition gives true or false")
        return value


@dataclass(frozen=True, slots=True)
class Template:
    """Text with `${{ expression }}` in it. One expression alone keeps the type of its value."""

    text: str

    @classmethod
    def parse(cls, text: str, allowed: Collection[str] = VARIABLES) -> "Template":
        """Compile every expression in the text; raises ExpressionError."""
        for match in _REFERENCE.finditer(text):
            Expression.compile(match[1].strip(), allowed)
        if "${{" in _REFERENCE.sub("", text):
            raise ExpressionError(f"`{text}` opens `${{{{` and does not close it with `}}}}`")
        return cls(text)

    @property
    def expressions(self) -> tuple[str, ...]:
        """The texts of its expressions."""
        return tuple(match[1].strip() for match in _REFERENCE.finditer(self.text))

    def render(self, variables: Mapping[str, Any]) -> Any:
        """Give the value: of the one expression where the text is nothing else, else text."""
        whole = _REFERENCE.fullmatch(self.text.strip())
        if whole and "${{" not in whole[1]:
            return Expression.compile(whole[1].strip()).evaluate(variables)
        return _REFERENCE.sub(lambda m: _as_text(Expression.compile(m[1].strip()).evaluate(variables)), self.text)


def _as_text(value: Any) -> str:
    """Give a value as it stands within a text: true and false, lists and maps as JSON, times as ISO 8601."""
    if isinstance(value, str):
        return value
    if isinstance(value, datetime):
        return value.isoformat()
    return json.dumps(value, ensure_ascii=False, default=str)


def _check_functions(text: str, called: Iterable[str]) -> None:
    for name in sorted(name for name in called if name.isidentifier() and name not in FUNCTIONS):
        close = difflib.get_close_matches(name, [*FUNCTIONS, "map", "filter", "exists", "exists_one", "all"], 1)
        hint = f"did you mean {close[0]}?" if close else f"known: {', '.join(sorted(FUNCTIONS))}"
        raise ExpressionError(f"`{text.strip()}` calls {name}, which is no function; {hint}")


def _check_macros(text: str, code: str) -> frozenset[str]:
    """Give the names that macros bind; refuse what could take too long or grow too large, whatever it reads."""
    growth = 1
    spans = _macros(code)
    for match, end in spans:
        body = code[match.end() : end]
        if match[2] in VARIABLES:
            raise ExpressionError(f"`{text.strip()}` binds {match[2]}, which is a variable already: name it otherwise")
        if match[1] == "map":
            growth *= max(1, len(re.findall(rf"(?<![\w.]){match[2]}\b", body)))
    deepest = _deepest(spans)
    if deepest > MAX_DEPTH:
        raise ExpressionError(f"`{text.strip()}` has {deepest} macros in one another; at most {MAX_DEPTH} are accepted")
    if growth > MAX_GROWTH:
        raise ExpressionError(f"`{text.strip()}` could make values {growth} times as large; at most {MAX_GROWTH}")
    return frozenset(match[2] for match, _ in spans)


def _macros(code: str) -> list[tuple[re.Match[str], int]]:
    """Give each macro of an expression without its texts, and where it ends."""
    return [(match, _closing(code, code.index("(", match.start()))) for match in _MACRO.finditer(code)]


def _deepest(spans: list[tuple[re.Match[str], int]]) -> int:
    return max((sum(outer.start() <= one.start() < end for outer, end in spans) for one, _ in spans), default=0)


@lru_cache(maxsize=2048)
def _depth(text: str) -> int:
    return _deepest(_macros(_STRING.sub("''", text)))


def _longest(value: Any) -> int:
    """Give the length of the longest list or map within a value."""
    if not isinstance(value, Mapping | list | tuple):
        return 0
    inner = value.values() if isinstance(value, Mapping) else value
    return max(len(value), max(map(_longest, inner), default=0))


def _closing(code: str, opened: int) -> int:
    """Give the place of the bracket that closes the one at `opened`."""
    depth = 0
    for place in range(opened, len(code)):
        depth += (code[place] in "([{") - (code[place] in ")]}")
        if depth == 0:
            return place
    return len(code)


def _nesting(text: str) -> int:
    depth = deepest = 0
    for character in text:
        if character in "([{":
            depth += 1
            deepest = max(deepest, depth)
        elif character in ")]}":
            depth -= 1
    return deepest


@lru_cache(maxsize=2048)
def _program(text: str) -> Any:
    import cel

    try:
        return cel.compile(text)
    except ValueError as error:
        lines = [line for line in str(error).splitlines() if "ERROR" in line]
        detail = lines[0].partition("ERROR: ")[2] if lines else str(error)
        raise ExpressionError(f"`{text.strip()}` is no CEL expression: {detail}") from None
