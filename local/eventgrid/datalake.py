"""The Data Lake way of writing, carried over to blobs: create, append, flush. Azurite itself has no Data Lake endpoint.

A file is created empty (`CreateFile`), its pieces become blocks named by their position, and a flush commits them; a
flush with `close` raises the second event (`FlushWithClose`), on which a reader acts.
https://learn.microsoft.com/rest/api/storageservices/datalakestoragegen2/path and
https://learn.microsoft.com/azure/event-grid/event-schema-blob-storage.
"""

import base64
import hmac
import re
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import parse_qsl, quote, unquote

from local.config import ACCOUNTS
from local.eventgrid.framing import Request
from local.eventgrid.operations import CREATED, DIRECTORY_CREATED, Looked, Write, account_of
from local.eventgrid.storage import shared_key, signed

_ID: Final = re.compile(r"<Block><Name>([^<]+)</Name>")
_KEPT: Final = ("if-match", "if-none-match", "x-ms-lease-id", "x-ms-client-request-id")
_KINDS: Final = frozenset({"file", "directory", "append", "flush", "rename", "remove", "list"})
_ASKED_BY: Final = {"PUT": "resource=", "PATCH": "action=", "DELETE": "recursive=", "GET": "resource=filesystem"}
_OWN: Final = frozenset(
    {"resource", "action", "position", "close", "retainUncommittedData", "flush", "mode", "recursive", "paginated"}
    | {"directory", "continuation", "maxResults", "upn"}
)


class RefusedError(Exception):
    """The request is refused; `status` is the answer, the text its reason."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


@dataclass(frozen=True, slots=True)
class PathRequest:
    """A request to the Data Lake interface: `kind` is file, directory, append, flush, rename, remove or list."""

    kind: str
    account: str
    path: str
    position: int = 0
    close: bool = False
    rest: str = ""
    """What is left of the query: a SAS."""
    source: str = ""
    """For a rename, the raw path of what is renamed, its SAS included."""

    @property
    def status(self) -> int:
        """The status of success, which differs from that of the blob operation."""
        return {"append": 202, "flush": 200}.get(self.kind, 201)


def path_request(request: Request) -> PathRequest | None:
    """Tell what a request asks of the Data Lake interface; None for all others. Raises RefusedError."""
    source = request.headers.get("x-ms-rename-source", "") if request.method == "PUT" else ""
    wanted = _ASKED_BY.get(request.method)
    if wanted is None or not (source or wanted in request.target):
        return None
    path, _, query = request.target.partition("?")
    given = dict(parse_qsl(query, keep_blank_values=True))
    kind = given.get("resource" if request.method == "PUT" else "action", "")
    if source:
        kind = "rename"
    elif request.method == "DELETE":
        kind = "remove" if given["recursive"].lower() == "true" else ""
    elif request.method == "GET":
        kind = "list"
    if kind not in _KINDS or given.get("flush") == "true":
        return None
    account = account_of(request.target)
    if account not in ACCOUNTS or path.count("/") < (2 if kind == "list" else 3):
        return None
    rest = "&".join(one for one in query.split("&") if one.partition("=")[0] not in _OWN)
    _check_signature(request, account, path, given)
    position = given.get("position", "0")
    if not position.isdigit():
        raise RefusedError(400, f"position is {position!r}: a number of bytes was expected")
    close = given.get("close", "").lower() == "true"
    return PathRequest(kind, account, path, int(position), close, rest, f"/{account}{source}" if source else "")


def _check_signature(request: Request, account: str, path: str, query: dict[str, str]) -> None:
    """A SAS goes on to Azurite, which checks it; a signature by the key covers this request, so it is checked here."""
    if "sig" in query:
        return
    expected = shared_key(request.method, account, path, query, request.headers)
    if not hmac.compare_digest(request.headers.get("authorization", "").encode(), expected.encode()):
        raise RefusedError(403, "the signature of the request does not match")


def _translated(asked: PathRequest, request: Request, query: str, headers: dict[str, str], length: int) -> Request:
    """Give the blob request, with the client's SAS or signed with the public key."""
    kept = {name: request.headers[name] for name in _KEPT if name in request.headers}
    full = {**kept, **headers}
    parts = "&".join(part for part in (query, asked.rest) if part)
    if not asked.rest:
        full = signed("PUT", asked.account, asked.path, dict(parse_qsl(query)), full, length)
    lines = "".join(f"{name}: {value}\r\n" for name, value in full.items())
    target = f"{asked.path}?{parts}" if parts else asked.path
    framing = "" if "transfer-encoding" in request.headers else f"content-length: {length}\r\n"
    if not framing:
        framing = "transfer-encoding: chunked\r\n"
    host = request.headers.get("host", "127.0.0.1")
    raw = f"PUT {target} HTTP/1.1\r\nhost: {host}\r\n{framing}{lines}\r\n".encode("latin-1")
    return replace(request, method="PUT", target=target, raw=raw)


def create(asked: PathRequest, request: Request) -> Request:
    """Give the blob request that creates an empty file, or a folder as Azure marks one."""
    headers = {"x-ms-blob-type": "BlockBlob"}
    if kind := request.headers.get("x-ms-content-type"):
        headers["x-ms-blob-content-type"] = kind
    if asked.kind == "directory":
        headers["x-ms-meta-hdi_isfolder"] = "true"
    return _translated(asked, request, "", headers, 0)


def append(asked: PathRequest, request: Request) -> Request:
    """Give the blob request that stores a piece as a block; its body is the client's."""
    length = int(request.headers.get("content-length", "0"))
    name = base64.b64encode(f"{asked.position:048d}".encode()).decode()
    return _translated(asked, request, f"comp=block&blockid={quote(name, safe='')}", {}, length)


def flush(asked: PathRequest, request: Request, blocks: bytes, found: Looked | None) -> Request:
    """Give the blob request that commits all pieces before the position, body included.

    `blocks` is Azurite's list of all blocks, `found` the file as it is. Raises RefusedError.
    """
    if found is None:
        raise RefusedError(404, "the file does not exist: create it first")
    committed, _, uncommitted = blocks.decode().partition("<UncommittedBlocks>")
    names = _ID.findall(committed)
    new = sorted((int(base64.b64decode(one)), one) for one in set(_ID.findall(uncommitted)) - set(names))
    names += [one for position, one in new if position < asked.position]
    if not names and found.content_length < asked.position:
        raise RefusedError(400, f"InvalidFlushPosition: there are no {asked.position} bytes to commit")
    items = "".join(f"<Latest>{name}</Latest>" for name in names)
    body = f'<?xml version="1.0" encoding="utf-8"?><BlockList>{items}</BlockList>'.encode()
    kind = request.headers.get("x-ms-content-type") or found.content_type
    headers = {"x-ms-blob-content-type": kind, "content-type": "application/xml"}
    made = _translated(asked, request, "comp=blocklist", headers, len(body))
    return replace(made, raw=made.raw + body)


def write_of_path(asked: PathRequest, request: Request) -> Write | None:
    """Give what the events tell of a request; None where it raises none."""
    _, _, container, blob = asked.path.split("/", 3)
    write = Write(
        "CreateFile",
        CREATED,
        asked.account,
        unquote(container),
        unquote(blob),
        "",
        content_type=request.headers.get("x-ms-content-type", "application/octet-stream"),
        content_length=0,
        client_request_id=request.headers.get("x-ms-client-request-id", ""),
        data_version="2",
        offset=0,
    )
    if asked.kind == "directory":
        return replace(write, api="CreateDirectory", type=DIRECTORY_CREATED, data_version="1", offset=None)
    if asked.kind == "flush":
        closed = replace(write, api="FlushWithClose", look="after", content_length=None, offset=asked.position)
        return closed if asked.close else None
    return write if asked.kind == "file" else None
