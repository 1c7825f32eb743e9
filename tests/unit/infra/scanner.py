"""Cuts a template into tokens; texts with expressions inside are read whole."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from tests.unit.infra.tree import BicepError, Node, Token

_TOKENS: Final = re.compile(
    r"""(?P<space>[ \t\r]+|//[^\n]*|/\*.*?\*/)
    |(?P<newline>\n)
    |(?P<number>\d+)
    |(?P<name>[A-Za-z_][A-Za-z0-9_]*)
    |(?P<op>\?\?|\.\?|=>|==|!=|<=|>=|=~|!~|&&|\|\||\.\.\.|[-+*/%<>!?:=.,(){}\[\]@])""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPES: Final = {"\\n": "\n", "\\t": "\t", "\\r": "\r", "\\'": "'", "\\\\": "\\", "\\$": "$"}
Inner = Callable[[str, Path, int], Node]


def scan(text: str, path: Path, inner: Inner) -> Iterator[Token]:
    """Give the tokens; `inner` reads an expression inside a text. Raises BicepError."""
    position, line = 0, 1
    while position < len(text):
        if text[position] == "'":
            parts, end = _string(text, position, path, line, inner)
            yield Token("string", text[position:end], line, tuple(parts))
        else:
            match = _TOKENS.match(text, position)
            if match is None:
                raise BicepError(f"{path.name}:{line}: {text[position : position + 12]!r} is no Bicep")
            end = match.end()
            if match.lastgroup != "space":
                yield Token(str(match.lastgroup), match.group(), line)
        line += text.count("\n", position, end)
        position = end
    yield Token("newline", "\n", line)
    yield Token("end", "", line)


def _string(text: str, start: int, path: Path, line: int, inner: Inner) -> tuple[list[Any], int]:
    if text.startswith("'''", start):
        end = text.find("'''", start + 3)
        if end < 0:
            raise BicepError(f"{path.name}:{line}: a text begun with ''' does not end")
        return [text[start + 3 : end].removeprefix("\n")], end + 3
    parts: list[Any] = []
    literal, position = "", start + 1
    while position < len(text):
        character = text[position]
        if character == "\n":
            break
        if character == "'":
            return [*parts, literal], position + 1
        if character == "\\":
            pair = text[position : position + 2]
            if pair not in _ESCAPES:
                raise BicepError(f"{path.name}:{line}: unknown escape {pair!r} in a text")
            literal += _ESCAPES[pair]
            position += 2
        elif text.startswith("${", position):
            end = _closing(text, position + 2, path, line, inner)
            parts += [literal, inner(text[position + 2 : end], path, line)]
            literal, position = "", end + 1
        else:
            literal += character
            position += 1
    raise BicepError(f"{path.name}:{line}: a text does not end on its line")


def _closing(text: str, start: int, path: Path, line: int, inner: Inner) -> int:
    depth, position = 1, start
    while position < len(text) and text[position] != "\n":
        if text[position] == "'":
            position = _string(text, position, path, line, inner)[1]
            continue
        depth += {"{": 1, "}": -1}.get(text[position], 0)
        if not depth:
            return position
        position += 1
    raise BicepError(f"{path.name}:{line}: '${{' in a text is not closed")
