"""Renaming and removing of files and folders by the Data Lake interface, as copies and deletions of blobs.

In Azure with a hierarchical namespace both happen at once; here blob by blob, and as there one event tells of the whole
(https://learn.microsoft.com/rest/api/storageservices/datalakestoragegen2/path/create and
https://learn.microsoft.com/azure/event-grid/event-schema-blob-storage).
"""

import re
from html import unescape
from typing import Final
from urllib.parse import quote, unquote

from local.eventgrid.batch import unchunked
from local.eventgrid.datalake import PathRequest, RefusedError
from local.eventgrid.framing import Request, Response
from local.eventgrid.operations import DIRECTORY_DELETED, DIRECTORY_RENAMED, RENAMED, Write
from local.eventgrid.pair import Pair

MOVES: Final = frozenset({"rename", "remove"})
_NAME: Final = re.compile(r"<Name>([^<]*)</Name>")
_MARKER: Final = re.compile(r"<NextMarker>([^<]+)</NextMarker>")
_PLAIN: Final = "/!*'()~"


def paths(asked: PathRequest) -> list[str]:
    """Give the raw paths whose turns a request takes, in an order that all requests keep."""
    return sorted({path for path in (_raw(asked.path), _raw(asked.source.partition("?")[0])) if path})


async def check(pair: Pair, asked: PathRequest, request: Request) -> Write:
    """Give what the event will tell; raises RefusedError where there is nothing to rename or remove."""
    _, _, container, blob = asked.path.split("/", 3)
    source = asked.source.partition("?")[0]
    subject = source or asked.path
    if subject.count("/") < 3:
        raise RefusedError(400, f"x-ms-rename-source is {subject!r}: /filesystem/path was expected")
    head, _ = await pair.ask("HEAD", asked.account, _raw(subject), {})
    folder = head.headers.get("x-ms-meta-hdi_isfolder", "") == "true"
    if head.status != 200 and not await _below(pair, asked.account, subject):
        raise RefusedError(404, "The specified path does not exist.")
    folder = folder or head.status != 200
    if source and request.headers.get("if-none-match") == "*":
        found, _ = await pair.ask("HEAD", asked.account, _raw(asked.path), {})
        if found.status == 200:
            raise RefusedError(409, "The specified path already exists.")
    kind, api = (DIRECTORY_RENAMED, "RenameDirectory") if folder else (RENAMED, "RenameFile")
    if asked.kind == "remove":
        kind, api = DIRECTORY_DELETED, "DeleteDirectory"
    return Write(
        api,
        kind,
        asked.account,
        unquote(container),
        unquote(blob),
        "",
        client_request_id=request.headers.get("x-ms-client-request-id", ""),
        data_version="1",
        source=_raw(source),
    )


async def move(pair: Pair, asked: PathRequest, write: Write) -> Response:
    """Do it, and give the answer; raises RefusedError with the status of the first blob that could not be done."""
    source, _, source_sas = asked.source.partition("?")
    subject = source or asked.path
    marker, _ = await pair.ask("HEAD", asked.account, _raw(subject), {})
    names = [""] if marker.status == 200 else []
    if write.type != RENAMED:
        names += await _below(pair, asked.account, subject)
    for name in names:
        old = f"{_raw(subject)}{quote(name, safe=_PLAIN)}"
        if source:
            url = f"http://127.0.0.1:{pair.port}{old}" + (f"?{source_sas}" if source_sas else "")
            new = f"{_raw(asked.path)}{quote(name, safe=_PLAIN)}"
            await _done(pair, "PUT", asked, new, {"x-ms-copy-source": url})
        await _done(pair, "DELETE", asked, old, {})
    found, _ = await pair.ask("HEAD", asked.account, _raw(asked.path), {})
    kept = {name: found.headers[name] for name in ("etag", "last-modified") if name in found.headers}
    headers = {**kept, "x-ms-request-id": marker.headers.get("x-ms-request-id", ""), "content-length": "0"}
    status = b"HTTP/1.1 201 Created" if source else b"HTTP/1.1 200 OK"
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return Response(201 if source else 200, headers, status + b"\r\n" + lines.encode("latin-1") + b"\r\n")


async def _done(pair: Pair, method: str, asked: PathRequest, path: str, headers: dict[str, str]) -> None:
    response, _ = await pair.ask(method, asked.account, path, {}, headers, asked.rest)
    if response.status >= 300:
        raise RefusedError(response.status, f"{method} of {path}: {response.headers.get('x-ms-error-code', '')}")


async def _below(pair: Pair, account: str, path: str) -> list[str]:
    """Give the names of the blobs in a folder, from the slash after its own name on."""
    _, _, container, folder = path.split("/", 3)
    prefix, marker, found = f"{unquote(folder)}/", "", list[str]()
    while True:
        query = {"restype": "container", "comp": "list", "prefix": prefix, **({"marker": marker} if marker else {})}
        response, raw = await pair.ask("GET", account, f"/{account}/{container}", query)
        text = unchunked(response, raw).decode()
        found += [unescape(name)[len(prefix) - 1 :] for name in _NAME.findall(text)]
        following = _MARKER.search(text)
        if following is None:
            return found
        marker = unescape(following[1])


def _raw(path: str) -> str:
    """Give a path as Azurite and the events have it."""
    return quote(unquote(path), safe=_PLAIN)
