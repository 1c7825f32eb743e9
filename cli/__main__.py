"""Reads the command line: `./hub <verb> …`; exit codes are 0 done, 1 refused or failed, 2 usage."""

import argparse
import contextlib
import os
import sys
from collections.abc import Sequence
from typing import Final

from cli import acting, asking, dev, doctor, looking, offline, pretending, sending
from cli.client import HubError
from cli.console import Screen
from cli.verbs import DONE, REFUSED, USAGE, Job, UsageError, Verb

VERBS: Final[tuple[Verb, ...]] = tuple(
    verb for module in (offline, looking, acting, asking, pretending, sending, doctor, dev) for verb in module.VERBS
)
_INTERRUPTED: Final = 130


def parser() -> argparse.ArgumentParser:
    """Give the parser of all verbs."""
    common = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    common.add_argument("--json", action="store_true", dest="as_json", help="JSON instead of tables")
    common.add_argument("--url", help="a hub's address; else HUB_URL, else the laptop cloud (key: HUB_KEY)")
    main = argparse.ArgumentParser(
        prog="hub",
        description="The command line of the automation hub.",
        epilog="Begin with: make up DETACH=1, then hub status, hub automations, hub dev. Each verb tells its own "
        "arguments: hub why --help. It ends with 0 where it is done, 1 where it was refused or failed, 2 where it was "
        "not understood.",
        parents=[common],
    )
    main.set_defaults(run=None)
    verbs = main.add_subparsers(dest="verb", metavar="verb", title="verbs")
    for verb in VERBS:
        one = verbs.add_parser(verb.name, help=verb.help, description=verb.help, parents=[common])
        verb.arguments(one)
        one.set_defaults(run=verb.run)
    return main


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says."""
    known = parser()
    options = known.parse_args(arguments)
    if options.run is None:
        known.print_help()
        return DONE
    screen = Screen(as_json=getattr(options, "as_json", False))
    try:
        return int(options.run(Job(options, screen)))
    except UsageError as error:
        screen.fail(str(error))
        return USAGE
    except HubError as error:
        screen.fail(str(error))
        return REFUSED
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return REFUSED


if __name__ == "__main__":
    sys.exit(main())
