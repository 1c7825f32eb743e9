"""Checks a template without running it: every name is declared and used, every function known."""

from collections.abc import Mapping
from typing import Any

from tests.unit.infra.functions import bounds
from tests.unit.infra.tree import BicepError, Declaration, File, Node


class Names:
    """The names of one template."""

    def __init__(self, file: File, declared: Mapping[str, Declaration]) -> None:
        self._file, self._declared = file, declared
        self._used: set[str] = set()

    def check(self) -> None:
        """Raise BicepError for the first that is wrong."""
        for one in self._file.declarations:
            local: frozenset[str] = frozenset()
            if one.loop:
                self._walk(one.loop[2], local)
                local = frozenset({one.loop[0], one.loop[1]} - {""})
            for node in (one.condition, one.value):
                if node is not None:
                    self._walk(node, local)
        for one in self._file.declarations:
            if one.kind in {"param", "var"} and one.name not in self._used:
                raise BicepError(f"{self._file.path.name}:{one.line}: {one.kind} {one.name!r} is never used")

    def _walk(self, node: Any, local: frozenset[str]) -> None:
        if isinstance(node, tuple):
            for part in node:
                self._walk(part, local)
            return
        if not isinstance(node, Node):
            return
        if node.kind == "name":
            name = node.args[0]
            if name not in local and name not in self._declared:
                raise BicepError(f"{self._file.path.name}:{node.line}: {name!r} is declared nowhere")
            self._used.add(name)
        elif node.kind == "lambda":
            self._walk(node.args[1], local | {node.args[0]})
        elif node.kind == "for":
            self._walk(node.args[2], local)
            self._walk(node.args[3], local | ({node.args[0], node.args[1]} - {""}))
        else:
            if node.kind == "call":
                self._function(node)
            self._walk(node.args, local)

    def _function(self, node: Node) -> None:
        name, arguments = node.args
        allowed = bounds(name)
        if allowed is None:
            raise BicepError(f"{self._file.path.name}:{node.line}: the templates may not call {name!r}")
        if not allowed[0] <= len(arguments) <= allowed[1]:
            raise BicepError(f"{self._file.path.name}:{node.line}: {name} was called with {len(arguments)} arguments")
