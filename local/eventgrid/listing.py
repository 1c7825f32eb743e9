"""Listing of files and folders by the Data Lake interface, from Azurite's list of blobs.

https://learn.microsoft.com/rest/api/storageservices/datalakestoragegen2/path/list. All comes in one answer.
"""

import json
import re
from html import unescape
from typing import Any, Final
from urllib.parse import parse_qsl

from local.eventgrid.batch import unchunked
from local.eventgrid.datalake import PathRequest, RefusedError
from local.eventgrid.framing import Request
from local.eventgrid.pair import Pair

_BLOB: Final = re.compile(r"<Blob>(.*?)</Blob>", re.DOTALL)
_MARKER: Final = re.compile(r"<NextMarker>([^<]+)</NextMarker>")


async def listed(pair: Pair, asked: PathRequest, request: Request) -> bytes:
    """Give the whole answer; raises RefusedError where there is no such file system or folder."""
    given = dict(parse_qsl(request.target.partition("?")[2], keep_blank_values=True))
    folder = given.get("directory", "").strip("/")
    found = await _found(pair, asked, f"{folder}/" if folder else "")
    if folder and not found and not await _found(pair, asked, folder):
        raise RefusedError(404, "The specified path does not exist.")
    if given.get("recursive", "").lower() != "true":
        skip = len(folder) + 1 if folder else 0
        found = {name: one for name, one in found.items() if "/" not in name[skip:]}
    body = json.dumps({"paths": [found[name] for name in sorted(found)]}).encode()
    return (
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json;charset=utf-8\r\n"
        b"content-length: %d\r\n\r\n" % len(body) + body
    )


async def _found(pair: Pair, asked: PathRequest, prefix: str) -> dict[str, Any]:
    """Give what lies below a prefix, by name; folders are those with a mark, and those that files lie in."""
    found: dict[str, Any] = {}
    marker = ""
    while True:
        query = {"restype": "container", "comp": "list", "include": "metadata", "prefix": prefix}
        query |= {"marker": marker} if marker else {}
        response, raw = await pair.ask("GET", asked.account, asked.path.rstrip("/"), query, sas=asked.rest)
        if response.status != 200:
            raise RefusedError(response.status, f"the list was refused: {response.headers.get('x-ms-error-code', '')}")
        text = unchunked(response, raw).decode()
        for blob in _BLOB.findall(text):
            name = _of(blob, "Name")
            mark = _of(blob, "hdi_isfolder") == "true"
            parts = name.split("/")
            for depth in range(1, len(parts)):
                above = "/".join(parts[:depth])
                if above.startswith(prefix):
                    found.setdefault(above, _entry(above, blob, folder=True))
            found[name] = _entry(name, blob, folder=mark)
        following = _MARKER.search(text)
        if following is None:
            return found
        marker = unescape(following[1])


def _entry(name: str, blob: str, *, folder: bool) -> dict[str, str]:
    length = "0" if folder else _of(blob, "Content-Length")
    more = {"isDirectory": "true"} if folder else {}
    return {
        "name": name,
        **more,
        "contentLength": length,
        "lastModified": _of(blob, "Last-Modified"),
        "etag": _of(blob, "Etag"),
        "owner": "$superuser",
        "group": "$superuser",
        "permissions": "rwxr-x---" if folder else "rw-r-----",
    }


def _of(blob: str, name: str) -> str:
    match = re.search(rf"<{name}>([^<]*)</{name}>", blob)
    return unescape(match[1]) if match else ""
