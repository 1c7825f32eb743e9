"""Reads a folder of CSV files: each file's bytes once, so that the hash that is logged is that of what was used."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


class DataError(ValueError):
    """The data cannot be used; the message says which file, what was found and what was expected."""


@dataclass(frozen=True)
class DataFile:
    """One file: its path within the folder (posix), its bytes and their SHA-256 in hex."""

    path: str
    content: bytes
    sha256: str


def files(folder: Path, suffixes: tuple[str, ...] = (".csv",)) -> Iterator[DataFile]:
    """Give the files below `folder`, or `folder` itself where it is a file, in order of their paths.

    Prints `read <sha256> <path>` for each. Raises DataError where there is none.
    """
    below = [folder] if folder.is_file() else folder.rglob("*")
    paths = sorted(path for path in below if path.suffix in suffixes and path.is_file())
    if not paths:
        kinds = " or ".join(suffixes)
        raise DataError(f"no {kinds} file lies below {folder}: was the folder's path right, and had data landed?")
    for path in paths:
        content = path.read_bytes()
        name = path.name if path == folder else path.relative_to(folder).as_posix()
        found = DataFile(name, content, hashlib.sha256(content).hexdigest())
        print(f"read {found.sha256} {found.path}", flush=True)
        yield found
