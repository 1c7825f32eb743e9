"""Takes a YAML file apart into its documents, each read by itself: a broken one stops no other of the same file."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

MAX_FILE_BYTES: Final = 256 * 1024
MAX_DOCUMENTS: Final = 200
_START: Final = re.compile(r"^---(?=\s|$)", re.MULTILINE)
_LONGEST_REASON: Final = 300


class FileError(Exception):
    """A file cannot be read as a whole; the message says why."""


@dataclass(frozen=True, slots=True)
class Document:
    """A document of a file: its number, the line on which it first says something (both from 1), and its value with
    positions, or what is wrong and where.
    """

    number: int
    line: int
    value: Any = None
    problem: tuple[int, int, str] | None = None


def read_documents(path: Path, root: Path) -> list[Document]:
    """Read the documents of a file that are not empty; raises FileError where there is no text to read."""
    try:
        inside = path.resolve(strict=True).is_relative_to(root.resolve())
        raw = path.read_bytes() if inside else b""
    except (OSError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or "links that lead in a circle"
        raise FileError(f"the file cannot be read ({reason}): put a readable file here, or remove it") from None
    if not inside:
        raise FileError("the file is a link that leaves the project: put the file itself here")
    if len(raw) > MAX_FILE_BYTES:
        raise FileError(f"the file has {len(raw)} bytes; at most {MAX_FILE_BYTES} are read")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FileError(f"the file is not UTF-8: byte {error.start} is {raw[error.start]:#x}") from None
    parts = list(_parts(text))
    if len(parts) > MAX_DOCUMENTS:
        raise FileError(f"the file has {len(parts)} documents; at most {MAX_DOCUMENTS} are read: part it")
    return [_document(number, line, part) for number, (line, part) in enumerate(parts, 1)]


def _parts(text: str) -> Iterator[tuple[int, str]]:
    """Give each document that holds anything, and the line on which it begins; `---` at the start of a line begins one,
    even within a quoted text, as YAML has it.
    """
    starts = [0, *(match.start() for match in _START.finditer(text))]
    line = 1
    for start, end in zip(starts, [*starts[1:], len(text)], strict=True):
        part = text[start:end]
        if any(_says(row) for row in part.splitlines()):
            yield line, part
        line += part.count("\n")


def _says(row: str) -> bool:
    """Tell whether a line holds anything but a comment, a directive or the marks between documents."""
    bare = row.removeprefix("---").strip()
    return bool(bare) and bare[0] not in "#%" and bare != "..."


_HINTS: Final = (
    ("expected '<document start>'", "this line is indented less than the first one"),
    ("expected <block end>", "this line is indented otherwise than those that it stands among"),
    ("expected ',' or", "a bracket is not closed"),
    ("mapping values are not allowed", "it is indented too far, or text with a colon in it needs quotes"),
)


def _plain(reason: str) -> str:
    """Add to what the library says what it means to somebody who writes a rule."""
    return next((f"{reason}: {hint}" for said, hint in _HINTS if said in reason), reason)


def _document(number: int, line: int, part: str) -> Document:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    # The library's constructors let these through for some tags, and for keys that cannot be keys.
    failures = (YAMLError, RecursionError, ValueError, TypeError, LookupError, AttributeError, AssertionError)
    first = line + next((at for at, row in enumerate(part.splitlines()) if _says(row)), 0)
    yaml = YAML(typ="rt", pure=True)
    yaml.allow_duplicate_keys = False
    yaml.composer.warn_double_anchors = False  # YAML 1.2 allows an anchor to be given anew
    try:
        value = yaml.load("\n" * (line - 1) + part)
    except failures as error:
        marked = error if isinstance(error, MarkedYAMLError) else None
        reason = (marked.problem if marked else None) or f"{type(error).__name__}: {error}".partition("\n")[0]
        mark = marked.problem_mark if marked else None
        row, column = (mark.line + 1, mark.column + 1) if mark else (first, 1)
        return Document(number, first, problem=(row, column, f"this is no YAML: {_plain(reason[:_LONGEST_REASON])}"))
    return Document(number, first, value)
