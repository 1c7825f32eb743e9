"""Prints the name of every file."""

import sys
from pathlib import Path

for path in sorted(Path(sys.argv[1]).rglob("*.csv")):
    print("counted", path.name)
