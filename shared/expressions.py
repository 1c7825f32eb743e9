"""Conditions and `${{ }}` values of automations: CEL, compiled once, checked for the variables it may use."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

VARIABLES: Final = frozenset({"event", "events", "files", "dataset", "captures", "inputs", "activity"})
MAX_LENGTH: Final = 4000
"""Characters of an expression. CEL has no loops beyond its macros over lists, so that its cost is bounded by this and
the size of what it reads."""
_MAX_NESTING: Final = 40
_REFERENCE: Final = re.compile(r"\$\{\{(.*?)\}\}", re.DOTALL)


class ExpressionError(Exception):
    """An expression cannot be compiled or evaluated; the message says what and, for syntax, where in it."""


@dataclass(frozen=True, slots=True)
class Expression:
    """A compiled CEL expression."""

    text: str
    variables: frozenset[str]

    @classmethod
    def compile(cls, text: str, allowed: Collection[str] = VARIABLES) -> "Expression":
        """Compile; raises ExpressionError for bad syntax, size, or a variable that is not in `allowed`."""
        if len(text) > MAX_LENGTH:
            raise ExpressionError(f"the expression has {len(text)} characters; at most {MAX_LENGTH} are accepted")
        if _nesting(text) > _MAX_NESTING:
            raise ExpressionError(f"the expression nests deeper than {_MAX_NESTING} brackets")
        program = _program(text)
        bound = set(re.findall(r"\.(?:map|filter|exists|exists_one|all)\(\s*(\w+)\s*,", text))
        used = frozenset(program.variables()) - bound
        if unknown := used - VARIABLES:
            raise ExpressionError(
                f"`{text.strip()}` uses {', '.join(sorted(unknown))}, which is no variable; "
                f"known: {', '.join(sorted(VARIABLES))}"
            )
        if missing := used - frozenset(allowed):
            raise ExpressionError(
                f"`{text.strip()}` uses {', '.join(sorted(missing))}, which is not known here; "
                f"known: {', '.join(sorted(allowed))}"
            )
        return cls(text, used)

    def evaluate(self, variables: Mapping[str, Any]) -> Any:
        """Give the value; raises ExpressionError with the reason, such as a key that is not there."""
        try:
            return _program(self.text).execute({name: variables.get(name) for name in VARIABLES})
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
        return _REFERENCE.sub(lambda m: str(Expression.compile(m[1].strip()).evaluate(variables)), self.text)


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
