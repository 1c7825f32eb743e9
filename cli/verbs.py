"""What a verb of the command line is, and what each is given to work with."""

import argparse
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from cli.client import Client, find
from cli.console import Screen

DONE: Final = 0
REFUSED: Final = 1
"""Refused by the hub, failed, or found wanting."""
USAGE: Final = 2


@dataclass
class Job:
    """One call of the command line."""

    options: argparse.Namespace
    screen: Screen

    @property
    def hub(self) -> Client:
        """The hub that is meant; raises HubError where there is none."""
        return Client(find(getattr(self.options, "url", None)))

    def __getattr__(self, name: str) -> Any:
        """Give an option by its name."""
        return getattr(self.options, name)


@dataclass(frozen=True, slots=True)
class Verb:
    """A verb: its name, one line of help, its arguments, and what it does; that gives the exit code."""

    name: str
    help: str
    arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[Job], int]


class UsageError(Exception):
    """The command was not understood; the message says what is expected."""


def moment(text: str | None) -> str:
    """Give a moment as the API takes it, "" for none. Raises UsageError where it is neither a time nor a span."""
    if not text:
        return ""
    if match := re.fullmatch(r"(\d{1,5})([mhdw])", text):
        unit = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}[match[2]]
        try:
            return (datetime.now(UTC) - timedelta(**{unit: int(match[1])})).isoformat()
        except OverflowError:
            pass
    try:
        return datetime.fromisoformat(text).isoformat()
    except ValueError:
        raise UsageError(f"{text!r} is no time: 2013-02-01T00:00:00Z, or 30d for 30 days ago") from None


def nothing(parser: argparse.ArgumentParser) -> None:
    """Take no arguments."""
