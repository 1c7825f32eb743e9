"""Blob batches: the sub-requests of a `comp=batch` request, and which of them succeeded.

https://learn.microsoft.com/rest/api/storageservices/blob-batch (256 deletions or tier changes, 4 MiB).
"""

import re
from typing import Final

from local.eventgrid.framing import Body, FramingError, Request, Response, read_request, read_response
from local.eventgrid.operations import Write, account_of, write_of

MAX_BATCH: Final = 4 * 1024 * 1024
_BOUNDARY: Final = re.compile(r'boundary="?([^";]+)"?')


def is_batch(request: Request, raising: frozenset[str]) -> bool:
    """Tell whether a request is a batch of an account whose writes raise events."""
    _, _, query = request.target.partition("?")
    return request.method == "POST" and "comp=batch" in query.split("&") and account_of(request.target) in raising


def writes_of(request: Request, content: bytes, raising: frozenset[str]) -> dict[str, Write]:
    """Give the event-raising sub-requests by their Content-ID."""
    found = {}
    for number, message in _messages(request.headers.get("content-type", ""), content):
        try:
            write = write_of(read_request(message), raising)
        except FramingError:
            continue  # Azurite will say what is wrong with it
        if write is not None:
            found[number] = write
    return found


def responses_of(response: Response, content: bytes) -> dict[str, Response]:
    """Give the answers to sub-requests by their Content-ID."""
    found = {}
    for number, message in _messages(response.headers.get("content-type", ""), content):
        try:
            found[number] = read_response(message)
        except FramingError:
            continue
    return found


def _messages(kind: str, content: bytes) -> list[tuple[str, bytes]]:
    """Give the HTTP messages of a multipart body, by Content-ID, with a blank line at the end of each head."""
    boundary = _BOUNDARY.search(kind)
    if boundary is None:
        return []
    found: list[tuple[str, bytes]] = []
    for part in content.split(b"--" + boundary[1].encode())[1:]:
        head, blank, message = part.partition(b"\r\n\r\n")
        if not blank:
            continue
        number = re.search(rb"content-id:\s*(\S+)", head, re.IGNORECASE)
        end = message.find(b"\r\n\r\n")
        found.append((number[1].decode() if number else str(len(found)), message[: end + 4] if end >= 0 else message))
    return found


def unchunked(message: Request | Response, raw: bytes) -> bytes:
    """Give the content of a body as it was framed."""
    if "chunked" not in message.headers.get("transfer-encoding", "").lower():
        return raw
    pieces = []
    while raw:
        line, _, raw = raw.partition(b"\r\n")
        size = int(line.partition(b";")[0] or b"0", 16)
        if not size:
            break
        pieces.append(raw[:size])
        raw = raw[size + 2 :]
    return b"".join(pieces)


def whole_body(request: Request) -> Body:
    """Follow the body of a batch; raises FramingError where it is too long."""
    if int(request.headers.get("content-length", "0")) > MAX_BATCH:
        raise FramingError(f"a batch has at most {MAX_BATCH} bytes")
    return Body.of_request(request)
