"""Writes that were sent to Azurite and not yet told of: what a SIGKILL in between would otherwise lose.

A line of a file before the last piece of a write goes to Azurite, another one after its event is in the journal. A
line without the other is looked into at the next start, or as soon as the request has broken off: where the blob shows
that the write happened, its event is raised then, as in Azure, where nothing can come in between.
"""

import json
import os
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, Final

from local.eventgrid.framing import Response
from local.eventgrid.operations import CREATED, DELETED, DIRECTORY_RENAMED, RENAMED, Looked, Write, looked

_ROLL: Final = 256 * 1024
"""Bytes after which the file begins anew, when nothing is open."""

Head = Callable[[str, str], Awaitable[Response]]
"""Asks Azurite for the head of a blob, by its account and raw path."""


class Intents:
    """The file of intents."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._open: dict[int, dict[str, Any]] = {}
        self._number = 0
        self._read()
        self._left = set(self._open)
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def _read(self) -> None:
        lines = self._path.read_text().splitlines() if self._path.exists() else []
        for line in lines:
            try:
                given = json.loads(line)
            except ValueError:
                continue  # the last line may be cut off
            if "write" in given:
                self._open[given["n"]] = given
            else:
                self._open.pop(given["n"], None)
            self._number = max(self._number, given["n"])

    def begin(self, write: Write, *, existed: bool) -> int:
        """Note that a write is about to happen; gives its number. `existed`: whether a blob to delete was there."""
        self._number += 1
        given = {"n": self._number, "at": time.time(), "existed": existed, "write": asdict(write)}
        self._open[self._number] = given
        os.write(self._file, json.dumps(given).encode() + b"\n")
        return self._number

    def end(self, number: int) -> None:
        """Note that a write is told of, or has not happened."""
        self._left.discard(number)
        if self._open.pop(number, None) is None:
            return
        os.write(self._file, b'{"n":%d}\n' % number)
        if not self._open and os.fstat(self._file).st_size > _ROLL:
            os.ftruncate(self._file, 0)

    def leave(self, number: int) -> None:
        """Note that a request broke off, so that nobody knows whether its write happened."""
        if number in self._open:
            self._left.add(number)

    async def happened(self, head: Head, known: Callable[[str], bool]) -> list[tuple[int, Write, Response, Looked]]:
        """Give the writes left open that did happen, with what their events need; the others are ended.

        `known` tells whether the event of an etag is in the journal. Raises OSError where Azurite does not answer.
        """
        found = []
        for number in sorted(self._left):
            given = self._open[number]
            write = Write(**given["write"])
            response = await head(write.account, write.path)
            looks = looked(response)
            headers = {**response.headers, "x-ms-request-id": str(uuid.uuid4())}
            done = Response(200, headers, b"")
            if write.type == CREATED and looks and _is_new(response, given["at"]) and not known(_etag(response)):
                found.append((number, write, done, looks))
            elif write.type in {RENAMED, DIRECTORY_RENAMED} and looks and _is_new(response, given["at"]):
                source = await head(write.account, write.source)
                if looked(source) is None:
                    found.append((number, write, done, looks))
                else:
                    self.end(number)
            elif write.type == DELETED and looks is None and given["existed"]:
                found.append((number, write, done, Looked(write.content_type, 0, write.blob_type)))
            else:
                self.end(number)
        return found

    def close(self) -> None:
        """Close the file; what is open stays in it."""
        os.close(self._file)


def _etag(response: Response) -> str:
    return response.headers.get("etag", "").strip('"')


def _is_new(response: Response, at: float) -> bool:
    modified = response.headers.get("last-modified", "")
    return bool(modified) and parsedate_to_datetime(modified).timestamp() >= int(at)
