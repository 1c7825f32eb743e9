"""Reads a folder of numbers and logs the SHA-256 of each file's bytes, those that are used."""

import hashlib
from collections.abc import Iterator
from pathlib import Path


def lines(folder: Path) -> Iterator[tuple[str, int, str]]:
    """Give file, number of the line, and text of every line."""
    for path in sorted(folder.rglob("*.csv")):
        content = path.read_bytes()
        name = path.relative_to(folder).as_posix()
        print(f"read {hashlib.sha256(content).hexdigest()} {name}", flush=True)
        for number, line in enumerate(content.decode().splitlines(), start=1):
            yield name, number, line
