"""Reads the subset of Bicep that the templates use into a tree, and refuses everything else with its place.

It is no compiler: it knows the grammar that these templates need, so that a slip is found on a machine without
Azure's tools. What only the real compiler and Azure can tell is asked in the hosted workflow.
"""

import functools
import re
from pathlib import Path
from typing import Final

from tests.unit.infra.expressions import Expressions
from tests.unit.infra.tree import BicepError, Declaration, File, Node

_TYPES: Final = frozenset({"string", "int", "bool", "object", "array"})
_SCOPES: Final = frozenset({"resourceGroup", "subscription", "managementGroup", "tenant"})


@functools.cache
def parse(text: str, path: Path) -> File:
    """Parse one template (once for the same text). Raises BicepError."""
    return _Statements(text, path).file()


class _Statements(Expressions):
    def file(self) -> File:
        """Read all statements."""
        file = File(self._path)
        self._newlines()
        seen: dict[str, int] = {}
        while self._tokens[self._at].kind != "end":
            declaration = self._statement()
            if declaration.kind == "targetScope":
                file.scope = declaration.name
            elif declaration.kind == "output":
                if any(other.name == declaration.name for other in file.all("output")):
                    raise BicepError(f"{self._path.name}:{declaration.line}: output {declaration.name!r} twice")
                file.declarations.append(declaration)
            else:
                if declaration.name in seen:
                    raise BicepError(
                        f"{self._path.name}:{declaration.line}: {declaration.name!r} is declared on line "
                        f"{seen[declaration.name]} already"
                    )
                seen[declaration.name] = declaration.line
                file.declarations.append(declaration)
            if self._tokens[self._at].kind != "newline":
                raise self._error("the end of the line")
            self._newlines()
        return file

    def _statement(self) -> Declaration:
        decorators: list[Node] = []
        while self._take("@"):
            decorators.append(self._postfix())
            self._newlines()
        line = self._line
        keyword = self._name("param, var, resource, module, output or targetScope")
        if keyword in {"targetScope", "using"}:
            if keyword == "targetScope":
                self._need("=")
            name = self._text(f"a text after {keyword}")
            if keyword == "targetScope" and name not in _SCOPES:
                raise BicepError(f"{self._path.name}:{line}: no such target scope: {name!r}")
            return Declaration(keyword, name, line)
        readers = {"param": self._param, "var": self._var, "output": self._output}
        if keyword in readers:
            return readers[keyword](line, tuple(decorators))
        if keyword in {"resource", "module"}:
            return self._deployed(keyword, line, tuple(decorators))
        self._at -= 1
        raise self._error("param, var, resource, module, output or targetScope")

    def _type(self) -> str:
        name = self._name("a type")
        if name not in _TYPES:
            self._at -= 1
            raise self._error(f"one of the types {', '.join(sorted(_TYPES))}")
        if self._take("["):
            self._need("]")
            return f"{name}[]"
        return name

    def _param(self, line: int, decorators: tuple[Node, ...]) -> Declaration:
        name = self._name("the name of a parameter")
        kind = "" if self._is("=") else self._type()
        if not kind and self._path.suffix != ".bicepparam":
            raise self._error("a type")
        value = self.expression() if self._take("=") else None
        return Declaration("param", name, line, kind, value, decorators)

    def _var(self, line: int, decorators: tuple[Node, ...]) -> Declaration:
        name = self._name("the name of a variable")
        self._need("=")
        return Declaration("var", name, line, "", self.expression(), decorators)

    def _output(self, line: int, decorators: tuple[Node, ...]) -> Declaration:
        name = self._name("the name of an output")
        kind = self._type()
        self._need("=")
        return Declaration("output", name, line, kind, self.expression(), decorators)

    def _deployed(self, keyword: str, line: int, decorators: tuple[Node, ...]) -> Declaration:
        name = self._name(f"the name of a {keyword}")
        kind = self._text("the type and version of a resource, or the path of a module")
        if keyword == "resource" and not re.fullmatch(r"[\w.]+(/\w+)+@\d{4}-\d\d-\d\d(-preview)?", kind):
            raise BicepError(f"{self._path.name}:{line}: {kind!r} is not of the form Provider/type@yyyy-mm-dd")
        existing = keyword == "resource" and self._take("existing")
        self._need("=")
        condition: Node | None = None
        loop: tuple[str, str, Node] | None = None
        looped = self._take("[")
        if looped:
            self._newlines()
            self._need("for")
            loop = self._loop_head()
        if self._take("if"):
            self._need("(")
            condition = self.expression()
            self._need(")")
        value = self._object()
        if looped:
            self._newlines()
            self._need("]")
        return Declaration(keyword, name, line, kind, value, decorators, existing, condition, loop)
