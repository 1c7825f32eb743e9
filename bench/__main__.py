"""Runs the benches and prints one table: `python -m bench [NAME...] [--check]`; the figures go to out/bench.json.

A bench is a module of this folder with a function `figures()` that yields `Figure`s; what it starts it also ends.
Figures of a machine that does other work at the same time say little: compare the ratios, or run it again.
"""

import argparse
import importlib
import json
import os
import pkgutil
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from bench.alone import alone
from bench.figures import Figure, table
from local.config import REPOSITORY

OUT: Final = REPOSITORY / "out" / "bench.json"


def benches() -> dict[str, Any]:
    """Give the modules of this folder that measure something, by name."""
    found = {}
    for module in pkgutil.iter_modules([str(Path(__file__).parent)]):
        if module.name != "__main__":
            loaded = importlib.import_module(f"bench.{module.name}")
            if hasattr(loaded, "figures"):
                found[module.name] = loaded
    return found


def run(
    names: Sequence[str], known: dict[str, Any], measure: Callable[[str], list[Figure]] = alone
) -> tuple[list[Figure], list[str]]:
    """Run benches one after the other; gives their figures, and the names of those that broke."""
    figures: list[Figure] = []
    broken: list[str] = []
    for name in names:
        began = time.monotonic()
        print(f"{name}: {str(known[name].__doc__).splitlines()[0]}", file=sys.stderr, flush=True)
        try:
            figures.extend(measure(name))
        except Exception:  # noqa: BLE001 the others are run all the same
            traceback.print_exc()
            broken.append(name)
        print(f"{name}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    return figures, broken


def main() -> int:
    """Run; 1 where a bench broke, or, with --check, where a ratio is not as it should be."""
    known = benches()
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(known)}; all without")
    parser.add_argument("--check", action="store_true", help="end with 1 where a ratio is missed")
    given = parser.parse_args()
    unknown = [name for name in given.names if name not in known]
    if unknown:
        parser.error(f"there is no bench {', '.join(unknown)}; there are {', '.join(known)}")
    load = os.getloadavg()[0]
    figures, broken = run(given.names or list(known), known)
    print(f"{os.cpu_count()} processors, load {load:.1f} before\n\n{table(figures)}", flush=True)
    OUT.parent.mkdir(exist_ok=True)
    document = {"processors": os.cpu_count(), "load": load, "figures": [one.document() for one in figures]}
    OUT.write_text(json.dumps(document, indent=2) + "\n")
    if broken:
        print(f"broken: {', '.join(broken)}", file=sys.stderr)
    return 1 if broken or (given.check and not all(one.holds for one in figures)) else 0


if __name__ == "__main__":
    sys.exit(main())
