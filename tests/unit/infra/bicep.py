"""Reads the subset of Bicep that the templates use into a tree, and refuses everything else with its place.

It is no compiler: it knows the grammar that these templates need, so that a slip is found on a machine without
Azure's tools. What only the real compiler and Azure can tell is asked in the hosted workflow.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

_TOKENS: Final = re.compile(
    r"""(?P<space>[ \t\r]+|//[^\n]*|/\*.*?\*/)
    |(?P<newline>\n)
    |(?P<number>\d+)
    |(?P<name>[A-Za-z_][A-Za-z0-9_]*)
    |(?P<op>\?\?|\.\?|=>|==|!=|<=|>=|=~|!~|&&|\|\||\.\.\.|[-+*/%<>!?:=.,(){}\[\]@])""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPES: Final = {"\\n": "\n", "\\t": "\t", "\\r": "\r", "\\'": "'", "\\\\": "\\", "\\$": "$"}
_BINARY: Final = (
    ("??",),
    ("||",),
    ("&&",),
    ("==", "!=", "=~", "!~"),
    ("<", "<=", ">", ">="),
    ("+", "-"),
    ("*", "/", "%"),
)
_TYPES: Final = frozenset({"string", "int", "bool", "object", "array"})
_SCOPES: Final = frozenset({"resourceGroup", "subscription", "managementGroup", "tenant"})


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


def parse(text: str, path: Path) -> File:
    """Parse one template. Raises BicepError."""
    return _Parser(text, path).file()


def _scan(text: str, path: Path) -> Iterator[Token]:
    position, line = 0, 1
    while position < len(text):
        if text[position] == "'":
            parts, end = _string(text, position, path, line)
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


def _string(text: str, start: int, path: Path, line: int) -> tuple[list[Any], int]:
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
            end = _closing(text, position + 2, path, line)
            parser = _Parser(text[position + 2 : end], path, line)
            node = parser.expression()
            parser.end()
            parts += [literal, node]
            literal, position = "", end + 1
        else:
            literal += character
            position += 1
    raise BicepError(f"{path.name}:{line}: a text does not end on its line")


def _closing(text: str, start: int, path: Path, line: int) -> int:
    depth, position = 1, start
    while position < len(text) and text[position] != "\n":
        if text[position] == "'":
            position = _string(text, position, path, line)[1]
            continue
        depth += {"{": 1, "}": -1}.get(text[position], 0)
        if not depth:
            return position
        position += 1
    raise BicepError(f"{path.name}:{line}: '${{' in a text is not closed")


class _Parser:
    def __init__(self, text: str, path: Path, line: int = 1) -> None:
        self._path = path
        self._tokens = list(_scan(text, path))
        self._at = 0
        self._shift = line - 1

    def _error(self, expected: str) -> BicepError:
        token = self._tokens[self._at]
        found = {"newline": "the end of the line", "end": "the end of the file"}.get(token.kind, repr(token.text))
        return BicepError(f"{self._path.name}:{token.line + self._shift}: {expected} is expected, {found} was found")

    @property
    def _line(self) -> int:
        return self._tokens[self._at].line + self._shift

    def _is(self, *texts: str) -> bool:
        token = self._tokens[self._at]
        return token.kind in {"op", "name"} and token.text in texts

    def _take(self, *texts: str) -> bool:
        if self._is(*texts):
            self._at += 1
            return True
        return False

    def _need(self, text: str) -> None:
        if not self._take(text):
            raise self._error(repr(text))

    def _name(self, what: str) -> str:
        token = self._tokens[self._at]
        if token.kind != "name":
            raise self._error(what)
        self._at += 1
        return token.text

    def _text(self, what: str) -> str:
        token = self._tokens[self._at]
        if token.kind != "string" or any(isinstance(part, Node) for part in token.parts):
            raise self._error(what)
        self._at += 1
        return "".join(token.parts)

    def _newlines(self) -> None:
        while self._tokens[self._at].kind == "newline":
            self._at += 1

    def end(self) -> None:
        """Refuse anything that is left."""
        self._newlines()
        if self._tokens[self._at].kind != "end":
            raise self._error("nothing more")

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

    def _loop_head(self) -> tuple[str, str, Node]:
        if self._take("("):
            item = self._name("the name of an item")
            self._need(",")
            index = self._name("the name of an index")
            self._need(")")
        else:
            item, index = self._name("the name of an item"), ""
        self._need("in")
        source = self.expression()
        self._need(":")
        return item, index, source

    def expression(self) -> Node:
        """Read one expression."""
        line = self._line
        condition = self._binary(0)
        if self._tokens[self._at].kind == "newline" and self._next_is("?"):
            self._newlines()
        if self._take("?"):
            self._newlines()
            yes = self.expression()
            self._newlines()
            self._need(":")
            self._newlines()
            return Node("if", line, (condition, yes, self.expression()))
        return condition

    def _next_is(self, text: str) -> bool:
        position = self._at
        while self._tokens[position].kind == "newline":
            position += 1
        return self._tokens[position].text == text

    def _binary(self, level: int) -> Node:
        if level == len(_BINARY):
            return self._unary()
        line, left = self._line, self._binary(level + 1)
        while self._is(*_BINARY[level]):
            operator = self._tokens[self._at].text
            self._at += 1
            self._newlines()
            left = Node("binary", line, (operator, left, self._binary(level + 1)))
        return left

    def _unary(self) -> Node:
        line = self._line
        for operator in ("!", "-"):
            if self._take(operator):
                return Node("unary", line, (operator, self._unary()))
        return self._postfix()

    def _postfix(self) -> Node:
        node = self._primary()
        while True:
            line = self._line
            if self._is(".", ".?"):
                safe = self._take(".?") or not self._take(".")
                name = self._name("the name of a property")
                if self._take("("):
                    node = Node("method", line, (node, name, self._arguments()))
                else:
                    node = Node("property", line, (node, name, safe))
            elif self._take("["):
                index = self.expression()
                self._need("]")
                node = Node("index", line, (node, index))
            else:
                return node

    def _arguments(self) -> tuple[Node, ...]:
        values: list[Node] = []
        self._newlines()
        while not self._take(")"):
            values.append(self.expression())
            self._newlines()
            if not self._take(",") and not self._is(")"):
                raise self._error("',' or ')'")
            self._newlines()
        return tuple(values)

    def _primary(self) -> Node:
        token, line = self._tokens[self._at], self._line
        if token.kind == "number":
            self._at += 1
            return Node("literal", line, (int(token.text),))
        if token.kind == "string":
            self._at += 1
            if all(isinstance(part, str) for part in token.parts):
                return Node("literal", line, ("".join(token.parts),))
            return Node("text", line, token.parts)
        if token.kind == "name":
            return self._named()
        if self._take("("):
            self._newlines()
            inner = self.expression()
            self._newlines()
            self._need(")")
            return inner
        if self._is("{"):
            return self._object()
        if self._take("["):
            return self._array(line)
        raise self._error("a value")

    def _named(self) -> Node:
        line, name = self._line, self._name("a name")
        if name in {"true", "false", "null"}:
            return Node("literal", line, ({"true": True, "false": False, "null": None}[name],))
        if self._take("=>"):
            return Node("lambda", line, (name, self.expression()))
        if self._take("("):
            return Node("call", line, (name, self._arguments()))
        return Node("name", line, (name,))

    def _object(self) -> Node:
        line = self._line
        self._need("{")
        entries: list[tuple[Node | str, Node]] = []
        literal: set[str] = set()
        self._newlines()
        while not self._take("}"):
            key = self._key()
            if isinstance(key, str):
                if key in literal:
                    raise BicepError(f"{self._path.name}:{self._line}: property {key!r} is given twice")
                literal.add(key)
            self._need(":")
            entries.append((key, self._value()))
            if self._tokens[self._at].kind != "newline" and not self._is(",", "}"):
                raise self._error("the end of the line, ',' or '}'")
            self._take(",")
            self._newlines()
        return Node("object", line, tuple(entries))

    def _value(self) -> Node:
        if self._is("if"):
            raise self._error("a value")
        return self.expression()

    def _key(self) -> Node | str:
        token = self._tokens[self._at]
        if token.kind == "string":
            node = self._primary()
            return str(node.args[0]) if node.kind == "literal" else node
        return self._name("the name of a property")

    def _array(self, line: int) -> Node:
        self._newlines()
        if self._take("for"):
            head = self._loop_head()
            self._newlines()
            body = self.expression()
            self._newlines()
            self._need("]")
            return Node("for", line, (*head, body))
        items: list[Node] = []
        while not self._take("]"):
            items.append(self.expression())
            if self._tokens[self._at].kind != "newline" and not self._is(",", "]"):
                raise self._error("the end of the line, ',' or ']'")
            self._take(",")
            self._newlines()
        return Node("array", line, tuple(items))
