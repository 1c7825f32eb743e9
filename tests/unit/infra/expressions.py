"""Reads expressions: the part of the grammar that statements and texts share."""

from pathlib import Path
from typing import Final

from tests.unit.infra.scanner import scan
from tests.unit.infra.tree import BicepError, Node

_BINARY: Final = (
    ("??",),
    ("||",),
    ("&&",),
    ("==", "!=", "=~", "!~"),
    ("<", "<=", ">", ">="),
    ("+", "-"),
    ("*", "/", "%"),
)


def _inner(text: str, path: Path, line: int) -> Node:
    reader = Expressions(text, path, line)
    node = reader.expression()
    reader.end()
    return node


class Expressions:
    """A reader that stands at one token and moves on."""

    def __init__(self, text: str, path: Path, line: int = 1) -> None:
        self._path = path
        self._tokens = list(scan(text, path, _inner))
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
            elif self._is("!") and self._tokens[self._at + 1].text == ".":
                self._at += 1
                node = Node("sure", line, (node,))
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
