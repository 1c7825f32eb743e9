"""The part of KQL that a laptop understands: where, extend, summarize, project, top and take over rows in memory.

The language: https://learn.microsoft.com/kusto/query/. What is not understood is refused with the place, never guessed.
"""

import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

Row = dict[str, Any]
Value = Callable[[Row], Any]
Aggregate = Callable[[Sequence[Row]], Any]

_TOKEN: Final = re.compile(
    r"""\s*(?:(?P<moment>datetime\([^)]*\))|(?P<number>\d+(?:\.\d+)?)(?!\w)|(?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')"""
    r"""|(?P<name>[A-Za-z_]\w*)|(?P<sign>==|!=|<=|>=|=~|\.\.|[<>=(),|+\-*/]))"""
)
_COMPARE: Final[Mapping[str, Callable[[Any, Any], Any]]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "=~": lambda left, right: str(left).lower() == str(right).lower(),
    "contains": lambda left, right: str(right).lower() in str(left).lower(),
    "has": lambda left, right: str(right).lower() in re.split(r"\W+", str(left).lower()),
    "startswith": lambda left, right: str(left).lower().startswith(str(right).lower()),
}
_CONVERT: Final[Mapping[str, Callable[[Any], Any]]] = {
    "todouble": float,
    "toint": int,
    "tolong": int,
    "tostring": str,
    "tolower": lambda value: str(value).lower(),
    "not": lambda value: not value,
}


class QueryError(Exception):
    """A query is not understood, or not here; the message says where."""


def run(query: str, tables: Mapping[str, Sequence[Row]]) -> list[Row]:
    """Give the rows of a query over tables by name; raises QueryError."""
    text = "\n".join(line.partition("//")[0] for line in query.splitlines())
    return _Parser(text).query(tables)


class _Parser:
    def __init__(self, text: str) -> None:
        self._tokens: list[tuple[str, str]] = []
        place, text = 0, text.strip()
        while place < len(text):
            match = _TOKEN.match(text, place)
            if match is None:
                raise QueryError(f"{text[place : place + 20].strip()!r} is not understood")
            self._tokens.append((str(match.lastgroup), match[str(match.lastgroup)]))
            place = match.end()
        self._at = 0

    def query(self, tables: Mapping[str, Sequence[Row]]) -> list[Row]:
        name = self._name()
        if name not in tables:
            raise QueryError(f"'{name}' is no table here; known: {', '.join(sorted(tables))}")
        rows = [dict(row) for row in tables[name]]
        while self._taken("|"):
            rows = self._operator(rows)
        if self._at < len(self._tokens):
            raise QueryError(f"{self._tokens[self._at][1]!r} is not expected here")
        return rows

    def _operator(self, rows: list[Row]) -> list[Row]:
        kind = self._name()
        if kind == "where":
            condition = self._either()
            return [row for row in rows if condition(row)]
        if kind == "extend":
            made = self._named(self._either)
            return [{**row, **{name: value(row) for name, value in made}} for row in rows]
        if kind == "project":
            chosen = self._named(self._either)
            return [{name: value(row) for name, value in chosen} for row in rows]
        if kind == "summarize":
            return self._summarize(rows)
        if kind == "count":
            return [{"Count": len(rows)}]
        if kind in {"take", "limit"}:
            return rows[: int(self._next("number"))]
        raise QueryError(f"'{kind}' is no operator that is known here")

    def _summarize(self, rows: list[Row]) -> list[Row]:
        made = self._named(self._aggregate)
        keys = self._named(self._either) if self._taken("by") else []
        groups: dict[tuple[Any, ...], list[Row]] = {} if keys else {(): rows}
        for row in rows if keys else ():
            groups.setdefault(tuple(value(row) for _, value in keys), []).append(row)
        names = [name for name, _ in keys]
        return [
            {**dict(zip(names, key, strict=True)), **{name: value(members) for name, value in made}}
            for key, members in groups.items()
        ]

    def _named(self, one: Callable[[], Any]) -> list[tuple[str, Any]]:
        """Read `name = expression, …`; without a name it is the expression's own first word."""
        found = []
        while True:
            name = self._tokens[self._at][1] if self._at < len(self._tokens) else ""
            if self._peek(1) == "=":
                self._at += 2
            elif self._peek(1) == "(":
                name = f"{name}_"
            found.append((name, one()))
            if not self._taken(","):
                return found

    def _aggregate(self) -> Aggregate:
        name = self._name()
        self._expect("(")
        if name == "count":
            self._expect(")")
            return len
        value = self._either()
        share = float(self._next("number")) / 100 if name == "percentile" and self._taken(",") else 0.5
        self._expect(")")

        def values(rows: Sequence[Row]) -> list[Any]:
            return [found for found in map(value, rows) if found is not None]

        known: dict[str, Aggregate] = {
            "countif": lambda rows: sum(bool(value(row)) for row in rows),
            "sum": lambda rows: sum(values(rows)),
            "avg": lambda rows: sum(values(rows)) / len(values(rows)) if values(rows) else None,
            "min": lambda rows: min(values(rows), default=None),
            "max": lambda rows: max(values(rows), default=None),
            "dcount": lambda rows: len(set(values(rows))),
            "percentile": lambda rows: _percentile(values(rows), share),
        }
        if name not in known:
            raise QueryError(f"'{name}' is no aggregation that is known here")
        return known[name]

    def _either(self) -> Value:
        left = self._both()
        while self._taken("or"):
            left = _joined(lambda a, b: bool(a) or bool(b), left, self._both())
        return left

    def _both(self) -> Value:
        left = self._comparison()
        while self._taken("and"):
            left = _joined(lambda a, b: bool(a) and bool(b), left, self._comparison())
        return left

    def _comparison(self) -> Value:
        left = self._sum()
        sign = self._peek()
        if sign == "between":
            self._at += 1
            self._expect("(")
            low = self._sum()
            self._expect("..")
            high = self._sum()
            self._expect(")")
            return lambda row: (
                _applied(operator.le, low(row), left(row)) and _applied(operator.le, left(row), high(row))
            )
        if sign in _COMPARE:
            self._at += 1
            right = self._sum()
            return lambda row: _applied(_COMPARE[sign], left(row), right(row))
        return left

    def _sum(self) -> Value:
        return self._chain(self._product, {"+": operator.add, "-": operator.sub})

    def _product(self) -> Value:
        return self._chain(self._atom, {"*": operator.mul, "/": operator.truediv})

    def _chain(self, part: Callable[[], Value], signs: Mapping[str, Callable[[Any, Any], Any]]) -> Value:
        left = part()
        while (sign := self._peek()) in signs:
            self._at += 1
            left = _joined(signs[sign], left, part())
        return left

    def _atom(self) -> Value:
        if self._at >= len(self._tokens):
            raise QueryError("the query ends too early")
        kind, text = self._tokens[self._at]
        self._at += 1
        if kind == "number":
            number = float(text) if "." in text else int(text)
            return lambda _: number
        if kind == "moment":
            given = text[len("datetime(") : -1].strip(" \"'")
            return lambda _: given
        if kind == "text":
            plain = re.sub(r"\\(.)", r"\1", text[1:-1])
            return lambda _: plain
        if text == "(":
            inner = self._either()
            self._expect(")")
            return inner
        if kind != "name":
            raise QueryError(f"{text!r} is not expected here")
        if text in {"true", "false"}:
            return lambda _: text == "true"
        if self._peek() == "(":
            return self._call(text)
        return lambda row: _column(row, text)

    def _call(self, name: str) -> Value:
        self._expect("(")
        value = self._either()
        self._expect(")")
        if name not in _CONVERT:
            raise QueryError(f"'{name}' is no function that is known here")
        return lambda row: _applied(lambda one, _: _CONVERT[name](one), value(row), 0)

    def _peek(self, ahead: int = 0) -> str:
        place = self._at + ahead
        return self._tokens[place][1] if place < len(self._tokens) and self._tokens[place][0] != "text" else ""

    def _taken(self, text: str) -> bool:
        if self._peek() != text:
            return False
        self._at += 1
        return True

    def _expect(self, text: str) -> None:
        if not self._taken(text):
            found = self._tokens[self._at][1] if self._at < len(self._tokens) else "the end"
            raise QueryError(f"{text!r} is expected, not {found!r}")

    def _next(self, kind: str) -> str:
        if self._at >= len(self._tokens) or self._tokens[self._at][0] != kind:
            raise QueryError(f"a {kind} is expected")
        self._at += 1
        return self._tokens[self._at - 1][1]

    def _name(self) -> str:
        return self._next("name")


def _joined(does: Callable[[Any, Any], Any], left: Value, right: Value) -> Value:
    return lambda row: _applied(does, left(row), right(row))


def _column(row: Row, name: str) -> Any:
    if name not in row:
        raise QueryError(f"Failed to resolve column named '{name}'; known: {', '.join(row)}")
    return row[name]


def _applied(does: Callable[[Any, Any], Any], left: Any, right: Any) -> Any:
    """Compute as KQL does: what cannot be computed is null, and a comparison with null is false."""
    try:
        value = does(left, right)
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _percentile(values: Sequence[float], share: float) -> float | None:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, math.ceil(share * len(ordered)) - 1 if share else 0)] if ordered else None


def moment(seconds: float) -> str:
    """Give a time as a row holds it, and as queries write it in datetime(): texts that compare as times do."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
