"""What a template is once it is read: tokens, expressions and statements, each with its line."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


class BicepError(Exception):
    """A template is wrong: file, line, what was found and what was expected."""


@dataclass(frozen=True, slots=True)
class Token:
    """One token: kind is name, number, string, op, newline or end."""

    kind: str
    text: str
    line: int
    parts: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class Node:
    """One node of an expression; `kind` says which fields of `args` it has."""

    kind: str
    line: int
    args: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class Declaration:
    """One statement: param, var, resource, module, output, using or targetScope."""

    kind: str
    name: str
    line: int
    type: str = ""
    value: Node | None = None
    decorators: tuple[Node, ...] = ()
    existing: bool = False
    condition: Node | None = None
    loop: tuple[str, str, Node] | None = None


@dataclass(slots=True)
class File:
    """One template: its statements in order, and its target scope."""

    path: Path
    declarations: list[Declaration] = field(default_factory=list)
    scope: str = "resourceGroup"

    def all(self, kind: str) -> list[Declaration]:
        """Give the statements of one kind."""
        return [declaration for declaration in self.declarations if declaration.kind == kind]
