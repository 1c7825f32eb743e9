"""Writes docs/command-line.md from the verbs that the command line has (`make schema`)."""

import argparse
import sys
from collections.abc import Iterator
from typing import TypeVar

from cli.__main__ import VERBS
from cli.verbs import Verb

_Kind = TypeVar("_Kind", bound=argparse.Action)

_HEAD = """# The command line

`./hub <verb>` asks and steers a hub through its [HTTP API](openapi.json). It talks to the laptop cloud of `make up`, or
to `HUB_URL` (or `--url`) with the key in `HUB_KEY`. It takes keys only, and a key's approval counts only where the
quorum is one: where more persons have to approve, they do so on the page, signed in, or by the link that came to them.

Every verb takes `--json` for programs, and `--help`. It ends with 0 where it is done, 1 where it was refused or failed,
2 where it was not understood. This page is made from the program (`make schema`).

| verb | does |
|---|---|
"""


class _Arguments(argparse.ArgumentParser):
    """Remembers what a verb takes."""

    def __init__(self) -> None:
        self.taken: list[argparse.Action] = []
        super().__init__(add_help=False)

    def _add_action(self, action: _Kind) -> _Kind:
        self.taken.append(action)
        return super()._add_action(action)


def page() -> str:
    """Give the page."""
    return _HEAD + "".join(f"| {_usage(verb)} | {'; '.join(_told(verb))} |\n" for verb in VERBS)


def _own(verb: Verb) -> list[argparse.Action]:
    arguments = _Arguments()
    verb.arguments(arguments)
    return arguments.taken


def _usage(verb: Verb) -> str:
    return f"`{' '.join([verb.name, *map(_argument, _own(verb))])}`"


def _argument(action: argparse.Action) -> str:
    value = action.metavar if isinstance(action.metavar, str) else action.dest
    if not action.option_strings:
        optional = action.nargs in {"?", "*"}
        text = f"{value} ..." if action.nargs == "*" else value
    else:
        optional = not action.required
        text = action.option_strings[-1] + ("" if action.nargs == 0 else f" {value.upper()}")
    return f"[{text}]" if optional else text


def _told(verb: Verb) -> Iterator[str]:
    yield verb.help
    for action in _own(verb):
        if action.help:
            name = action.option_strings[-1] if action.option_strings else action.metavar or action.dest
            yield f"`{name}`: {action.help.replace('|', ', ').replace('%%', '%')}"


if __name__ == "__main__":
    sys.stdout.write(page())
