"""Requests to Azurite's blobs and queues, signed with its public key; past the proxy, so they raise nothing."""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from email.utils import formatdate
from typing import Final
from urllib.parse import quote

import aiohttp
from yarl import URL

from local.config import AZURITE_KEY, HUB_ACCOUNT, Cloud
from local.eventgrid.framing import Response

VERSION: Final = "2021-12-02"
_KEY: Final = base64.b64decode(AZURITE_KEY)
_TIMEOUT: Final = aiohttp.ClientTimeout(total=30)


class StorageRefusedError(Exception):
    """Storage answered with an error; `status` is its code."""

    def __init__(self, status: int, what: str) -> None:
        super().__init__(f"{what}: storage answered {status}")
        self.status = status


def signed(
    method: str,
    account: str,
    path: str,
    query: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    length: int = 0,
) -> dict[str, str]:
    """Give the headers of a request with its SharedKey signature; `path` is the raw path, the account included.

    https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key
    """
    found = {"x-ms-date": formatdate(usegmt=True), "x-ms-version": VERSION, **(headers or {})}
    covered = {**found, "content-length": str(length)} if length else found
    return {**found, "authorization": shared_key(method, account, path, query or {}, covered)}


_COVERED: Final = (
    "content-encoding",
    "content-language",
    "content-length",
    "content-md5",
    "content-type",
    "date",
    "if-modified-since",
    "if-match",
    "if-none-match",
    "if-unmodified-since",
    "range",
)


def shared_key(method: str, account: str, path: str, query: Mapping[str, str], headers: Mapping[str, str]) -> str:
    """Give the `authorization` of a request, whose names of headers are in lower case."""
    ours = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers) if name.startswith("x-ms-"))
    named = sorted((name.lower(), value) for name, value in query.items())
    resource = f"/{account}{path}" + "".join(f"\n{name}:{value}" for name, value in named)
    values = [headers.get(name, "") for name in _COVERED]
    values[2] = "" if values[2] == "0" else values[2]
    text = "\n".join([method, *values, ours + resource])
    signature = base64.b64encode(hmac.new(_KEY, text.encode(), hashlib.sha256).digest()).decode()
    return f"SharedKey {account}:{signature}"


class Storage:
    """The account of the hub in Azurite: sends queue messages and writes blobs."""

    def __init__(self, cloud: Cloud, session: aiohttp.ClientSession) -> None:
        self._blobs = f"http://127.0.0.1:{cloud.azurite_blob_port}"
        self._queues = f"http://127.0.0.1:{cloud.queue_port}"
        self._session = session

    async def put_message(self, queue: str, content: bytes, seconds: int) -> None:
        """Send one message in base64; raises StorageRefusedError, aiohttp.ClientError or TimeoutError."""
        text = base64.b64encode(content).decode()
        body = f"<QueueMessage><MessageText>{text}</MessageText></QueueMessage>".encode()
        path, query = f"/{HUB_ACCOUNT}/{quote(queue)}/messages", {"messagettl": str(seconds)}
        kind = {"content-type": "application/xml"}
        headers = signed("POST", HUB_ACCOUNT, path, query, kind, len(body))
        address = f"{self._queues}{path}?messagettl={seconds}"
        async with self._session.post(address, data=body, headers=headers, timeout=_TIMEOUT) as answer:
            await answer.read()
            if answer.status != 201:
                raise StorageRefusedError(answer.status, f"queue {queue}")

    async def head(self, account: str, path: str) -> Response:
        """Ask for the head of a blob; raises aiohttp.ClientError (an OSError where nobody listens) or TimeoutError."""
        headers = signed("HEAD", account, path)
        address = URL(self._blobs + path, encoded=True)
        async with self._session.head(address, headers=headers, timeout=_TIMEOUT) as answer:
            return Response(answer.status, {name.lower(): value for name, value in answer.headers.items()}, b"")

    async def put_blob(self, container: str, name: str, content: bytes) -> None:
        """Write one JSON blob; raises as `put_message`."""
        path = f"/{HUB_ACCOUNT}/{quote(container)}/{quote(name)}"
        given = {"x-ms-blob-type": "BlockBlob", "content-type": "application/json"}
        headers = signed("PUT", HUB_ACCOUNT, path, None, given, len(content))
        async with self._session.put(self._blobs + path, data=content, headers=headers, timeout=_TIMEOUT) as answer:
            await answer.read()
            if answer.status != 201:
                raise StorageRefusedError(answer.status, f"container {container}")
