"""A figure of a bench: what was measured, beside what, and how it is told in a line of the table."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table.

    `value` in `unit` stands beside `peer`, a figure of the same run or a bound, which `beside` names ("" for none).
    Their quotient is the ratio; `least` and `most` say what it should be at least or at most.
    """

    name: str
    value: float
    unit: str
    beside: str = ""
    peer: float = 0.0
    least: float | None = None
    most: float | None = None

    @property
    def ratio(self) -> float | None:
        """The value as a share of its peer; None without one."""
        return self.value / self.peer if self.peer else None

    @property
    def holds(self) -> bool:
        """Whether the ratio is as it should be; true where nothing is asked of it."""
        ratio = self.ratio
        if ratio is None:
            return True
        return (self.least is None or ratio >= self.least) and (self.most is None or ratio <= self.most)

    def document(self) -> dict[str, Any]:
        """Give it as it is kept in out/bench.json."""
        return {**asdict(self), "ratio": self.ratio, "holds": self.holds}


def at_most(name: str, value: float, unit: str, bound: float, beside: str = "aim") -> Figure:
    """Give a figure that should stay below a bound."""
    return Figure(name, value, unit, beside, bound, most=1.0)


def at_least(name: str, value: float, unit: str, bound: float, beside: str = "floor") -> Figure:
    """Give a figure that should reach a bound."""
    return Figure(name, value, unit, beside, bound, least=1.0)


def table(figures: Sequence[Figure]) -> str:
    """Give the figures as lines of text: name, figure, what it stands beside, ratio, and what that should be."""
    rows = [("name", "figure", "floor", "ratio", "")]
    for one in figures:
        ratio = one.ratio
        rows.append(
            (
                one.name,
                _number(one.value, one.unit),
                f"{_number(one.peer, one.unit)} ({one.beside})" if one.beside else "-",
                "-" if ratio is None else f"{ratio:.2f}",
                _wanted(one),
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "  ".join(
            text.rjust(width) if column in {1, 3} else text.ljust(width)
            for column, (text, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]])


def _wanted(one: Figure) -> str:
    if one.ratio is None or (one.least is None and one.most is None):
        return ""
    wanted = f">= {one.least:g}" if one.least is not None else f"<= {one.most:g}"
    return wanted if one.holds else f"MISSED, {wanted}"


def _number(value: float, unit: str) -> str:
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:,.{digits}f} {unit}".rstrip()
