"""What people see: tables, colour and progress where there is a terminal, plain text or JSON where there is none."""

import contextlib
import json
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

_COLOURS: Final = {
    "succeeded": "green",
    "failed": "red",
    "refused": "red",
    "cancelled": "yellow",
    "held": "yellow",
    "running": "cyan",
    "queued": "cyan",
    "waiting-approval": "magenta",
    "quarantined": "red",
    "collected": "green",
    "opened": "green",
    "ignored": "dim",
    "folded": "dim",
    "ok": "green",
    "wrong": "red",
    "unknown": "yellow",
    "yes": "green",
    "no": "red",
}

_FOLDED: Final = 20
"""Longer texts than that may go over several lines of their column."""


class Screen:
    """Where the command line writes. With `as_json` only JSON goes to the output, and nothing else."""

    def __init__(self, *, as_json: bool = False) -> None:
        self.as_json = as_json
        self.out = _console(stderr=False)
        self.err = _console(stderr=True)

    def json(self, value: Any) -> None:
        """Write a value as JSON."""
        sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False, default=str) + "\n")

    def say(self, text: str = "", style: str = "") -> None:
        """Write a line for people."""
        if not self.as_json:
            self.out.print(Text(clean(text), style=style))

    @contextlib.contextmanager
    def waiting(self, what: str) -> Iterator[None]:
        """Show that something takes its time, where there is a terminal."""
        if self.as_json or not self.err.is_terminal:
            yield
            return
        with self.err.status(clean(what)):
            yield

    def fail(self, text: str) -> None:
        """Write what went wrong."""
        if self.as_json:
            self.json({"error": text})
        else:
            self.err.print(Text("hub: ", style="bold red").append(Text(clean(text), style="default")))

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[Any]], empty: str = "nothing") -> None:
        """Write a table, or what its absence means."""
        if not rows:
            self.say(empty, "dim")
            return
        cells = [[cell(value) for value in row] for row in rows]
        if any(columns) and _least(columns, cells) > self.out.width:
            self._below(columns, cells)
            return
        table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
        for number, name in enumerate(columns):
            table.add_column(name, overflow="fold", no_wrap=number == 0)
        for row in cells:
            table.add_row(*row)
        self.out.print(table)

    def _below(self, columns: Sequence[str], rows: Sequence[Sequence[Text]]) -> None:
        """Write each row of a table that is too wide as lines: its first cell, and the others below it by name."""
        for row in rows:
            self.out.print(row[0], style="bold")
            lines = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
            for name, value in zip(columns[1:], row[1:], strict=True):
                if value.plain != "-":
                    lines.add_row(Text(f"  {name}", style="dim"), value)
            if lines.row_count:
                self.out.print(lines)


def _least(columns: Sequence[str], rows: Sequence[Sequence[Text]]) -> int:
    """Give the width that a table needs at least, if only long texts may go over several lines."""
    total = 0
    for number, name in enumerate(columns):
        width = max(len(name), *(line.cell_len for row in rows for line in row[number].split() or [Text()]))
        total += width if number == 0 else min(width, _FOLDED)
    return total + 2 * len(columns)


def _console(*, stderr: bool) -> Console:
    stream = sys.stderr if stderr else sys.stdout
    return Console(stderr=stderr, highlight=False, soft_wrap=True, width=None if stream.isatty() else 200)


def clean(text: str) -> str:
    """Give text without what a terminal would obey: names of files and reasons come from outside."""
    return "".join(
        letter if letter.isprintable() or letter in "\n\t" else "\N{REPLACEMENT CHARACTER}" for letter in text
    )


def cell(value: Any) -> Text:
    """Give a value as a cell: words that mean a state have its colour."""
    if value is None or value == "":
        return Text("-", style="dim")
    text = clean(str(value))
    return Text(text, style=_COLOURS.get(text, ""))


def place(subject: str) -> str:
    """Give an event's subject as people read it: a blob's as container/path, a run's without its experiment."""
    if subject.startswith("experiments/") and "/runs/" in subject:
        return subject[subject.index("/runs/") + 1 :]
    container, between, path = subject.removeprefix("/blobServices/default/containers/").partition("/blobs/")
    return f"{container}/{path}" if between and subject.startswith("/blobServices/") else subject


def when(text: str | None, now: datetime | None = None) -> str:
    """Give a time of the API as people read it: how long ago, else the moment itself."""
    if not text:
        return ""
    moment = datetime.fromisoformat(text)
    seconds = ((now or datetime.now(UTC)) - moment).total_seconds()
    if 0 <= seconds < 86_400:
        return f"{span(seconds)} ago"
    return moment.strftime("%Y-%m-%d %H:%M:%SZ")


def span(seconds: float) -> str:
    """Give a duration in its largest two units."""
    whole = int(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02}s"
    if whole < 86_400:
        return f"{whole // 3600}h{whole % 3600 // 60:02}m"
    return f"{whole // 86_400}d{whole % 86_400 // 3600:02}h"


def size(count: int) -> str:
    """Give bytes in a unit that fits."""
    number = float(count)
    for unit in ("B", "KB", "MB", "GB"):
        if number < 1000:
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.1f} TB"
