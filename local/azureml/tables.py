"""Evaluates MLTable files: the blobs that their paths name, laid into a folder, as eval_mount and eval_download do.

Below which folders the real mount shows the files is not documented: here it is `<datastore>/<path in it>`, or
`<account>/<container>/<path>` for addresses of storage, and the path itself for what is relative to the MLTable.
https://learn.microsoft.com/azure/machine-learning/reference-yaml-mltable
"""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from local.azureml.inputs import Resolver
from local.azureml.storage import Storage
from local.azureml.uris import Place, datastore_path
from local.azureml.wire import Json, invalid, not_found

EVALUATED: Final = frozenset({"evalmount", "evaldownload"})
"""Modes of inputs, in small letters, that only mltable has."""
_KEYS: Final = frozenset({"$schema", "type", "paths", "transformations", "metadata"})
_KINDS: Final = ("file", "folder", "pattern")
_WILD: Final = re.compile(r"[*?\[]")
_PARTS: Final = re.compile(r"\*\*/?|\*|\?|\[[^\]/]+\]|[^*?\[]+|\[")


@dataclass(frozen=True, slots=True)
class Entry:
    """One of an MLTable's paths: its kind, its text, where that is, and the folder that the files are shown below."""

    kind: str
    text: str
    place: Place
    shown: str
    base: str
    """What of the blobs' names is not shown."""


def evaluated(given: Json) -> bool:
    """Tell whether an input's mode asks for the files of a table."""
    return str(given.get("mode") or "").lower() in EVALUATED


def check(name: str, given: Json) -> None:
    """Raise ArmError where an input has a mode that its type has not."""
    if evaluated(given) and given["jobInputType"] != "mltable":
        raise invalid(f"Input '{name}': the mode '{given['mode']}' is for mltable, not for {given['jobInputType']}.")


class Tables:
    """Lays the files of tables into folders."""

    def __init__(self, storage: Storage, resolver: Resolver) -> None:
        self._storage, self._resolver = storage, resolver

    async def evaluate(self, folder: Place, target: Path) -> int:
        """Write the files of the table in a folder below `target`, and give how many.

        Raises ArmError where the table cannot be evaluated here, StorageError where what it names is not there.
        """
        content = await self._storage.read(folder.under("MLTable"))
        where = self._storage.url(folder.under("MLTable"))
        if content is None:
            raise not_found(f"The file {where}, which makes a folder an mltable,")
        table = await asyncio.to_thread(_read, content, where)
        found: dict[str, Place] = {}
        for item in table.get("paths") or ():
            entry = self._entry(item, folder, where)
            found |= {f"{entry.shown}{place.path[len(entry.base) :]}": place async for place in self._blobs(entry)}
        if not found:
            raise invalid(f"{where} has no paths, so it names no files.")
        await self._storage.download_files(found, target)
        return len(found)

    def _entry(self, item: Any, folder: Place, where: str) -> Entry:
        if not isinstance(item, Mapping) or len(item) != 1 or not isinstance(next(iter(item.values())), str):
            raise invalid(f"{where}: a path is one of {', '.join(_KINDS)} with an address, not {str(item)[:200]!r}.")
        ((kind, text),) = item.items()
        if kind not in _KINDS:
            raise invalid(f"{where}: a path is one of {', '.join(_KINDS)}, not {kind!r}.")
        if "://" not in text:
            path = text.removeprefix("./")
            if path.startswith("/") or ".." in path.split("/"):
                raise invalid(f"{where}: the path {text!r} leads out of the table's folder.")
            base = f"{folder.path.rstrip('/')}/"
            return Entry(kind, text, folder.under(path), "", base)
        place, store = self._resolver.place(text), datastore_path(text)
        shown = f"{store[0]}/" if store else f"{place.account}/{place.container}/"
        return Entry(kind, text, place, shown, "")

    async def _blobs(self, entry: Entry) -> AsyncIterator[Place]:
        place = entry.place
        if entry.kind == "file":
            yield place
            return
        start = _WILD.search(place.path) if entry.kind == "pattern" else None
        if entry.kind == "pattern" and start is None:
            yield place
            return
        path = place.path[: start.start()].rpartition("/")[0] if start else place.path
        matches = (
            re.compile("".join(_pattern(place.path))).fullmatch if start else re.compile(".*", re.DOTALL).fullmatch
        )
        any_ = False
        async for name, _ in self._storage.names(Place(place.account, place.container, path)):
            if matches(name):
                any_ = True
                yield Place(place.account, place.container, name)
        if not any_:
            raise not_found(f"What the table's {entry.kind} '{entry.text}' names")


def _read(content: bytes, where: str) -> Json:
    try:
        table = yaml.load(content, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506
    except yaml.YAMLError as error:
        raise invalid(f"{where} is no YAML: {' '.join(str(error).split())[:200]}") from None
    if not isinstance(table, dict) or not isinstance(table.get("paths") or [], list):
        raise invalid(f"{where} is no MLTable: a mapping with `paths` is expected.")
    if table.get("transformations"):
        names = ", ".join(str(next(iter(one), one)) if isinstance(one, Mapping) else str(one)
                          for one in table["transformations"])  # fmt: skip
        raise invalid(
            f"{where} has transformations ({names[:200]}): a laptop evaluates paths only. Read the table in the job "
            "with the mltable package, by the mode ro_mount, download or direct."
        )
    if unknown := sorted(set(table) - _KEYS):
        raise invalid(f"{where} has {', '.join(map(str, unknown))[:200]}, which a laptop does not know.")
    return table


def _pattern(text: str) -> Iterator[str]:
    """Translate a glob into a regular expression, part by part: `*` and `?` stay within a folder, `**` does not."""
    for part in _PARTS.findall(text):
        if part.startswith("**"):
            yield "(?:.*/)?" if part.endswith("/") else ".*"
        elif part == "*":
            yield "[^/]*"
        elif part == "?":
            yield "[^/]"
        elif part.startswith("[") and part.endswith("]"):
            yield part.replace("[!", "[^", 1)
        else:
            yield re.escape(part)
