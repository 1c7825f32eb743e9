"""What other programs send when they write: the Azure CLI, Storage Explorer and AzCopy, request by request.

The Azure CLI (`az storage blob upload`, `upload-batch`, `delete-batch`, `copy start`) is built on the Python SDK, which
the other tests use; what it adds are the headers below. Storage Explorer (@azure/storage-blob) and AzCopy write small
files with Put Blob and large ones with Put Block and Put Block List
(https://learn.microsoft.com/rest/api/storageservices/put-block-list), by an account SAS
(https://learn.microsoft.com/azure/storage/storage-explorer/vs-azure-tools-storage-manage-with-storage-explorer).
"""

import asyncio
import base64
import hashlib
import http.client
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest
from azure.storage.blob import AccountSasPermissions, ResourceTypes, generate_account_sas

from local.config import AZURITE_KEY, LANDING_ACCOUNT, Cloud
from local.eventgrid.storage import signed
from tests.integration.eventgrid.conftest import Queue, Serve, subscription

CONTENT = b"carrier,delay\nUA,11\n"


class Client:
    """Sends requests as they are, over one connection."""

    def __init__(self, cloud: Cloud) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", cloud.blob_port, timeout=30)
        everything = AccountSasPermissions(read=True, write=True, create=True, delete=True, list=True, add=True)
        end = datetime.now(UTC) + timedelta(hours=1)
        kinds = ResourceTypes.from_string("sco")
        self.sas = generate_account_sas(LANDING_ACCOUNT, AZURITE_KEY, kinds, everything, end, protocol="https,http")

    def ask(self, method: str, path: str, query: str = "", body: Any = b"", **headers: str) -> tuple[int, bytes]:
        """Send one request by SAS."""
        target = f"/{LANDING_ACCOUNT}/landing/{quote(path)}?{'&'.join(part for part in (query, self.sas) if part)}"
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        self._connection.request(method, target, body, {"x-ms-version": "2023-11-03", **given})
        answer = self._connection.getresponse()
        return answer.status, answer.read()

    def by_key(self, path: str, body: bytes, headers: dict[str, str]) -> int:
        """Send a Put Blob signed with the key."""
        raw = f"/{LANDING_ACCOUNT}/landing/{quote(path)}"
        self._connection.request("PUT", raw, body, signed("PUT", LANDING_ACCOUNT, raw, {}, headers, len(body)))
        answer = self._connection.getresponse()
        answer.read()
        return answer.status

    def close(self) -> None:
        self._connection.close()


@pytest.fixture
def client(storage_cloud: Cloud) -> Any:
    made = Client(storage_cloud)
    yield made
    made.close()


def told(events: list[dict[str, Any]]) -> list[tuple[str, str, str, int | None]]:
    return sorted(
        (
            event["subject"].rpartition("/")[2],
            event["data"]["api"],
            event["data"]["contentType"],
            event["data"].get("contentLength"),
        )
        for event in events
    )


async def test_az_storage_blob_upload(serve: Serve, client: Client, queue: Queue) -> None:
    async with serve(subscription("blobs", "storage", {"type": "StorageQueue", "queue": queue.name})):
        headers = {
            "x-ms-blob-type": "BlockBlob",
            "x-ms-blob-content-type": "text/csv",
            "content-type": "application/octet-stream",
            "if-none-match": "*",
            "x-ms-client-request-id": "8a3b6d42-5f9e-11ef-8f2c-00155d0a1c3e",
        }
        assert await asyncio.to_thread(client.by_key, "az/new.csv", CONTENT, headers) == 201
        assert await asyncio.to_thread(client.by_key, "az/new.csv", CONTENT, headers) == 409, "without --overwrite"
        events = await queue.take(2, seconds=1)
    assert told(events) == [("new.csv", "PutBlob", "text/csv", len(CONTENT))]
    assert events[0]["data"]["clientRequestId"] == headers["x-ms-client-request-id"]


async def test_storage_explorer_uploads_a_small_file(serve: Serve, client: Client, queue: Queue) -> None:
    async with serve(subscription("blobs", "storage", {"type": "StorageQueue", "queue": queue.name})):
        digest = base64.b64encode(hashlib.md5(CONTENT, usedforsecurity=False).digest()).decode()
        status, _ = await asyncio.to_thread(
            client.ask, "PUT", "explorer/small file.csv", "", CONTENT, x_ms_blob_type="BlockBlob",
            x_ms_blob_content_type="text/csv", x_ms_blob_content_md5=digest, x_ms_meta_from="explorer",
        )  # fmt: skip
        assert status == 201
        [event] = await queue.take(2, seconds=1)
    assert told([event]) == [("small file.csv", "PutBlob", "text/csv", len(CONTENT))]


async def test_azcopy_uploads_blocks_and_commits_them(serve: Serve, client: Client, queue: Queue) -> None:
    async with serve(subscription("blobs", "storage", {"type": "StorageQueue", "queue": queue.name})):
        identities = [base64.b64encode(f"NDlmOGM{number:05}".encode()).decode() for number in range(3)]
        piece = bytes(64 * 1024)
        for identity in identities:
            query = f"comp=block&blockid={quote(identity, safe='')}"
            status, _ = await asyncio.to_thread(client.ask, "PUT", "azcopy/large.bin", query, piece)
            assert status == 201
        latest = "".join(f"<Latest>{identity}</Latest>" for identity in identities)
        body = f'<?xml version="1.0" encoding="utf-8"?>\n<BlockList>{latest}</BlockList>'.encode()
        status, _ = await asyncio.to_thread(
            client.ask, "PUT", "azcopy/large.bin", "comp=blocklist", body, content_type="application/xml",
            x_ms_blob_content_type="application/octet-stream", x_ms_access_tier="Cool",
        )  # fmt: skip
        assert status == 201
        events = await queue.take(2, seconds=1)
        status, content = await asyncio.to_thread(client.ask, "GET", "azcopy/large.bin")
    assert told(events) == [("large.bin", "PutBlockList", "application/octet-stream", 3 * len(piece))]
    assert (status, len(content)) == (200, 3 * len(piece))


async def test_explorer_s_rename_and_tier_and_removal(serve: Serve, client: Client, queue: Queue) -> None:
    """Storage Explorer renames by a copy and a deletion."""
    async with serve(subscription("blobs", "storage", {"type": "StorageQueue", "queue": queue.name})):
        await asyncio.to_thread(client.ask, "PUT", "explorer/a.csv", "", CONTENT, x_ms_blob_type="BlockBlob")
        source = f"http://127.0.0.1:{client._connection.port}/{LANDING_ACCOUNT}/landing/explorer/a.csv?{client.sas}"
        status, _ = await asyncio.to_thread(client.ask, "PUT", "explorer/b.csv", "", b"", x_ms_copy_source=source)
        assert status == 202
        status, _ = await asyncio.to_thread(
            client.ask, "PUT", "explorer/b.csv", "comp=tier", b"", x_ms_access_tier="Cool"
        )
        assert status in {200, 202}
        status, _ = await asyncio.to_thread(
            client.ask, "DELETE", "explorer/a.csv", "", b"", x_ms_delete_snapshots="include"
        )
        assert status == 202
        events = await queue.take(5, seconds=1.5)
    assert [(name, api) for name, api, _, _ in told(events)] == [
        ("a.csv", "DeleteBlob"), ("a.csv", "PutBlob"), ("b.csv", "CopyBlob"), ("b.csv", "SetBlobTier"),
    ]  # fmt: skip
