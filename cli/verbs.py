"""What a verb of the command line is, and what each is given to work with."""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
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


def nothing(parser: argparse.ArgumentParser) -> None:
    """Take no arguments."""
