"""Manifests: what a list of a burst's files says, and what of it is not there yet.

A manifest is JSON: a list, or an object whose `files` is one. Each item is a name, or an object with `name` or `path`
and, where they are to be compared, `size` in bytes and `etag`. A name is meant from the manifest's own folder, or from
the container's root.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

MAX_BYTES: Final = 16 * 1024 * 1024
MAX_FILES: Final = 100_000
NAMED: Final = 10
"""Files that a reason names; it gives the number of all."""
_EXPECTED: Final = '{"files": [{"name": "EWR.csv", "size": 1234, "etag": "0x8DB…"}]} or a list of names is expected'


class ManifestError(ValueError):
    """A manifest cannot be read; the message says what is wrong and what was expected."""


class Listed(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One file of a manifest; size and etag are compared where it gives them."""

    name: str
    size: int | None = None
    etag: str = ""


class Manifest(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a manifest at a path lists, or why it cannot be read."""

    path: str
    files: tuple[Listed, ...] = ()
    problem: str = ""


class Present(msgspec.Struct, frozen=True):
    """A file that came."""

    path: str
    size: int
    etag: str


def bare(etag: str) -> str:
    """Give an etag without quotes, however it was written."""
    return etag.strip().removeprefix("W/").strip('"')


def read(content: bytes, path: str) -> Manifest:
    """Read a manifest; raises ManifestError."""
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        raise ManifestError(f"{path} is no JSON: {_EXPECTED}") from None
    items = document.get("files") if isinstance(document, dict) else document
    if not isinstance(items, list) or not items:
        raise ManifestError(f"{path} lists no files: {_EXPECTED}")
    if len(items) > MAX_FILES:
        raise ManifestError(f"{path} lists {len(items)} files; at most {MAX_FILES} are read")
    return Manifest(path=path, files=tuple(_listed(item, number, path) for number, item in enumerate(items, 1)))


def _listed(item: Any, number: int, path: str) -> Listed:
    fields: Mapping[str, Any] = item if isinstance(item, dict) else {"name": item}
    lower = {str(key).lower(): value for key, value in fields.items()}
    name, size, etag = lower.get("name", lower.get("path")), lower.get("size"), lower.get("etag", "")
    where = f"file {number} of {path}"
    if not isinstance(name, str) or not name.strip("/") or ".." in name.split("/") or "\0" in name:
        raise ManifestError(f"{where} has no name that can be meant ({str(name)[:80]!r}): {_EXPECTED}")
    if isinstance(size, str) and size.isdecimal() and len(size) < 20:
        size = int(size)
    if size is not None and (isinstance(size, bool) or not isinstance(size, int) or size < 0):
        raise ManifestError(f"{where} has size {str(size)[:80]!r}: a number of bytes is expected")
    if not isinstance(etag, str):
        raise ManifestError(f"{where} has etag {str(etag)[:80]!r}: a text is expected")
    return Listed(name=name.lstrip("/"), size=size, etag=bare(etag))


def missing(manifests: Iterable[Manifest], files: Iterable[Present]) -> tuple[str, ...]:
    """Give, for each listed file that is not there as it is listed, its name and what is amiss."""
    there = {file.path: file for file in files}
    found: dict[str, None] = {}
    for manifest in manifests:
        if manifest.problem:
            found[manifest.problem] = None
        folder = manifest.path.rpartition("/")[0]
        for one in manifest.files:
            within = f"{folder}/{one.name}" if folder else one.name
            file = there.get(within) or there.get(one.name)
            if file is None:
                found[one.name] = None
            elif one.size is not None and file.size != one.size:
                found[f"{one.name} ({file.size} bytes, {one.size} are listed)"] = None
            elif one.etag and file.etag != one.etag:
                found[f"{one.name} (etag {file.etag}, {one.etag} is listed)"] = None
    return tuple(found)


def told(names: tuple[str, ...]) -> str:
    """Give the first of what is missing, and how much more there is."""
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more
