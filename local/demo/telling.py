"""How the story is told: numbered points with progress and times, each claim checked, all of it kept for the report."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console

from local.demo.clients import StoryError


@dataclass
class Point:
    """A point of the story: what was claimed and seen, tables and pictures for the report."""

    number: str
    title: str
    seconds: float = 0.0
    claims: list[tuple[str, str]] = field(default_factory=list)
    tables: list[dict[str, Any]] = field(default_factory=list)
    pictures: list[dict[str, str]] = field(default_factory=list)


class Telling:
    """Prints the story and keeps it."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.points: list[Point] = []

    @contextmanager
    def point(self, number: str, title: str) -> Iterator[Point]:
        """Tell one point; its time is taken."""
        self.console.print(f"\n[bold]{number}  {title}[/bold]", soft_wrap=True)
        point = Point(number, title)
        self.points.append(point)
        began = time.monotonic()
        try:
            yield point
        finally:
            point.seconds = time.monotonic() - began

    def claim(self, what: str, came_true: bool, seen: str) -> None:
        """State what must be, and what was seen; raises StoryError where it is not so."""
        if not came_true:
            raise StoryError(f"expected: {what}; seen: {seen}")
        self.points[-1].claims.append((what, seen))
        self.console.print(f"   [green]✓[/green] {what}  [dim]{seen}[/dim]", highlight=False, soft_wrap=True)

    def note(self, text: str) -> None:
        """Say something in passing."""
        self.console.print(f"   {text}", highlight=False, soft_wrap=True)

    def watch(self, what: str, look: Callable[[], tuple[Any, str]], seconds: float, every: float = 0.4) -> Any:
        """Look until the first of the pair is something, showing the second; raises StoryError after `seconds`."""
        end = time.monotonic() + seconds
        shown = ""
        with self.console.status(f"{what} …") as status:
            while True:
                found, text = look()
                if found:
                    return found
                if text != shown:
                    shown = text
                    status.update(f"{what}: {text}")
                    if not self.console.is_terminal:
                        self.console.print(f"   … {what}: {text}", highlight=False, soft_wrap=True)
                if time.monotonic() > end:
                    raise StoryError(f"{what} did not come true within {seconds:.0f} s; last seen: {text}")
                time.sleep(every)
