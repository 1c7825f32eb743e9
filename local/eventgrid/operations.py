"""Which storage operation a request is, and the event that its success raises.

The operations and the fields are those of https://learn.microsoft.com/azure/event-grid/event-schema-blob-storage.
"""

import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import parse_qsl, quote, unquote

from local.eventgrid.framing import Request, Response

CREATED: Final = "Microsoft.Storage.BlobCreated"
DELETED: Final = "Microsoft.Storage.BlobDeleted"
TIER_CHANGED: Final = "Microsoft.Storage.BlobTierChanged"
RENAMED: Final = "Microsoft.Storage.BlobRenamed"
DIRECTORY_CREATED: Final = "Microsoft.Storage.DirectoryCreated"
DIRECTORY_DELETED: Final = "Microsoft.Storage.DirectoryDeleted"
DIRECTORY_RENAMED: Final = "Microsoft.Storage.DirectoryRenamed"
_MOVED: Final = frozenset({RENAMED, DIRECTORY_RENAMED})
_DIRECTORIES: Final = frozenset({DIRECTORY_CREATED, DIRECTORY_DELETED})
_DEFAULT_TYPE: Final = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class Write:
    """A request that raises an event where it succeeds.

    `look`: whether the blob must be looked at for what the event tells: "before" the request, "after" it, or "" where
    the request tells it. `content_length` is None where the length of the body counts.
    """

    api: str
    type: str
    account: str
    container: str
    blob: str
    look: str
    content_type: str = _DEFAULT_TYPE
    content_length: int | None = None
    blob_type: str = "BlockBlob"
    client_request_id: str = ""
    data_version: str = ""
    offset: int | None = None
    """Data Lake only: where the writer of the file was when it ended."""
    source: str = ""
    """Data Lake only: the raw path from which a file or folder was renamed."""

    @property
    def path(self) -> str:
        """The raw path of the blob, as Azurite knows it."""
        return f"/{self.account}/{quote(self.container)}/{quote(self.blob)}"


@dataclass(frozen=True, slots=True)
class Looked:
    """What a look at a blob told."""

    content_type: str
    content_length: int
    blob_type: str


def looked(response: Response) -> Looked | None:
    """Read the answer to a HEAD; None where there is no such blob."""
    if response.status != 200:
        return None
    headers = response.headers
    return Looked(
        headers.get("content-type", _DEFAULT_TYPE),
        int(headers.get("content-length", "0")),
        headers.get("x-ms-blob-type", "BlockBlob"),
    )


def account_of(target: str) -> str:
    """Give the account that a raw path or address names."""
    path = target.partition("?")[0]
    if "://" in path:
        path = "/" + path.partition("://")[2].partition("/")[2]
    return path[1:].partition("/")[0]


def write_of(request: Request, raising: frozenset[str]) -> Write | None:
    """Tell which event-raising operation a request is; None for all others and for accounts without a topic."""
    if request.method not in {"PUT", "DELETE"}:
        return None
    path, _, query = request.target.partition("?")
    parts = path.split("/", 3)
    if len(parts) < 4 or not parts[3] or parts[1] not in raising:
        return None
    return _write(request, parts[1], unquote(parts[2]), unquote(parts[3]), dict(parse_qsl(query)))


def _write(request: Request, account: str, container: str, blob: str, query: Mapping[str, str]) -> Write | None:
    headers = request.headers
    comp = query.get("comp", "")
    kind = headers.get("x-ms-blob-type", "")

    def write(api: str, event: str, look: str) -> Write:
        who = headers.get("x-ms-client-request-id", "")
        return Write(api, event, account, container, blob, look, client_request_id=who)

    if request.method == "DELETE":
        only_snapshots = headers.get("x-ms-delete-snapshots", "").lower() == "only"
        of_folder = query.get("recursive", "").lower() == "true"
        if comp or "snapshot" in query or "versionid" in query or only_snapshots or of_folder:
            return None
        if headers.get("accept", "") == "application/json":  # so the Data Lake clients ask, and only they
            return replace(write("DeleteFile", DELETED, "before"), data_version="2")
        return write("DeleteBlob", DELETED, "before")
    if comp == "blocklist":
        return write("PutBlockList", CREATED, "after")
    if comp == "tier":
        return write("SetBlobTier", TIER_CHANGED, "after")
    if comp or "restype" in query or "resource" in query or "x-ms-rename-source" in headers:
        return None
    if headers.get("x-ms-copy-source"):
        return write("PutBlob" if kind else "CopyBlob", CREATED, "after")
    return replace(
        write("PutBlob", CREATED, ""),
        content_type=headers.get("x-ms-blob-content-type") or headers.get("content-type") or _DEFAULT_TYPE,
        content_length={"PageBlob": int(headers.get("x-ms-blob-content-length", "0")), "AppendBlob": 0}.get(kind),
        blob_type=kind or "BlockBlob",
    )


def event_of(
    write: Write, response: Response, found: Looked | None, size: int, sequence: int, topic: str, endpoint: str
) -> dict[str, Any]:
    """Give the event of a successful write, in Event Grid's schema.

    `size` is the length of the request's content, `sequence` orders the writes of this cloud, `endpoint` is the
    address of the blob endpoint.
    """
    length = size if write.content_length is None else write.content_length
    looks = found or Looked(write.content_type, length, write.blob_type)
    data: dict[str, Any] = {"api": write.api}
    if write.client_request_id:
        data["clientRequestId"] = write.client_request_id
    data["requestId"] = response.headers.get("x-ms-request-id", str(uuid.uuid4()))
    if write.type in _MOVED:
        data["destinationUrl"], data["sourceUrl"] = f"{endpoint}{write.path}", f"{endpoint}{write.source}"
    elif write.type not in {DELETED, TIER_CHANGED, DIRECTORY_DELETED}:
        data["eTag"] = response.headers.get("etag", "").strip('"')
    if write.type not in _MOVED | _DIRECTORIES:
        data["contentType"] = looks.content_type
        if write.type != DELETED:
            data["contentLength"] = looks.content_length
        if write.offset is not None:
            data["contentOffset"] = write.offset
        data["blobType"] = looks.blob_type
    if write.type not in _MOVED:
        data["url"] = f"{endpoint}{write.path}"
    if write.type == DIRECTORY_DELETED:
        data["recursive"] = "true"
    data["sequencer"] = f"{sequence:048x}"
    data["storageDiagnostics"] = {"batchId": str(uuid.uuid4())}
    return {
        "topic": topic,
        "subject": f"/blobServices/default/containers/{write.container}/blobs/{write.blob}",
        "eventType": write.type,
        "id": str(uuid.uuid4()),
        "data": data,
        "dataVersion": write.data_version,
        "metadataVersion": "1",
        "eventTime": ticks(time.time_ns()),
    }


def ticks(nanoseconds: int) -> str:
    """Give a time as Azure prints it: UTC, seven digits of a second."""
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{rest // 100:07d}Z"
