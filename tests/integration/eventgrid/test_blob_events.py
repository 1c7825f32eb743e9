"""The unmodified azure-storage-blob client writes through the proxy, and the documented events come out."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from azure.storage.blob import BlobClient as SyncBlobClient
from azure.storage.blob import BlobSasPermissions, ContentSettings, StandardBlobTier, generate_blob_sas
from azure.storage.blob.aio import BlobServiceClient, ContainerClient

from local.config import AZURITE_KEY, LANDING_ACCOUNT, SUBSCRIPTION, Cloud
from tests.integration.eventgrid.conftest import Queue, Serve, subscription

ALL = {"includedEventTypes": []}
_numbers = iter(range(1_000_000))


@pytest.fixture
async def blobs(storage_cloud: Cloud) -> AsyncIterator[BlobServiceClient]:
    text = storage_cloud.connection_string(LANDING_ACCOUNT)
    async with BlobServiceClient.from_connection_string(
        text, max_single_put_size=64 * 1024, max_block_size=1024 * 1024, retry_total=1
    ) as client:
        yield client


@pytest.fixture
async def container(blobs: BlobServiceClient, storage_cloud: Cloud) -> AsyncIterator[ContainerClient]:
    async with blobs.get_container_client(f"data-{next(_numbers)}") as client:
        yield client


def to_queue(queue: Queue) -> dict[str, Any]:
    return subscription("blobs", "storage", {"type": "StorageQueue", "queue": queue.name}, filter=ALL)


async def test_a_small_upload_raises_put_blob(serve: Serve, container: ContainerClient, queue: Queue) -> None:
    async with serve(to_queue(queue)):
        await container.create_container()
        answer = await container.upload_blob(
            "2013/01/a file.csv", b"a,b\n1,2\n", content_settings=ContentSettings(content_type="text/csv")
        )
        [event] = await queue.take(1)
        properties = await answer.get_blob_properties()

    data = event["data"]
    assert set(event) == {
        "topic", "subject", "eventType", "id", "data", "dataVersion", "metadataVersion", "eventTime",
    }  # fmt: skip
    assert set(data) == {
        "api", "clientRequestId", "requestId", "eTag", "contentType", "contentLength", "blobType", "url", "sequencer",
        "storageDiagnostics",
    }  # fmt: skip
    assert event["topic"].endswith("/providers/Microsoft.Storage/storageAccounts/landing")
    assert event["topic"].startswith(f"/subscriptions/{SUBSCRIPTION}/resourceGroups/")
    assert event["subject"] == f"/blobServices/default/containers/{container.container_name}/blobs/2013/01/a file.csv"
    assert event["eventType"] == "Microsoft.Storage.BlobCreated"
    assert event["metadataVersion"] == "1"
    assert event["dataVersion"] == ""
    assert data["api"] == "PutBlob"
    assert data["contentType"] == "text/csv"
    assert data["contentLength"] == 8
    assert data["blobType"] == "BlockBlob"
    assert data["url"] == answer.url.replace("?", "")
    assert set(data["storageDiagnostics"]) == {"batchId"}
    assert len(data["sequencer"]) == 48
    assert data["eTag"] == properties.etag.strip('"')


async def test_a_large_upload_in_blocks_raises_one_event(
    serve: Serve, container: ContainerClient, queue: Queue
) -> None:
    content = bytes(range(256)) * 4096 * 5
    async with serve(to_queue(queue)):
        await container.create_container()
        blob = await container.upload_blob("large", content, max_concurrency=4)
        [event] = await queue.take(2, seconds=1.5)
        read = await (await blob.download_blob()).readall()
    assert hashlib.sha256(read).digest() == hashlib.sha256(content).digest()
    assert event["data"]["api"] == "PutBlockList"
    assert event["data"]["contentLength"] == len(content)
    assert event["data"]["contentType"] == "application/octet-stream"


async def test_copies_deletions_tiers_and_append_blobs_raise_their_events(
    serve: Serve, container: ContainerClient, queue: Queue
) -> None:
    async with serve(to_queue(queue)):
        await container.create_container()
        source = await container.upload_blob("a", b"12345", content_settings=ContentSettings(content_type="text/x"))
        copy = container.get_blob_client("b")
        await copy.start_copy_from_url(source.url)
        await copy.set_standard_blob_tier(StandardBlobTier.COOL)
        await container.delete_blob("a")
        log = container.get_blob_client("log")
        await log.create_append_blob()
        await log.append_block(b"raises nothing")
        events = await queue.take(6, seconds=2)
    told = {
        (event["eventType"].rpartition(".")[2], event["data"]["api"], event["subject"].rpartition("/")[2]): event
        for event in events
    }
    assert set(told) == {
        ("BlobCreated", "PutBlob", "a"),
        ("BlobCreated", "CopyBlob", "b"),
        ("BlobTierChanged", "SetBlobTier", "b"),
        ("BlobDeleted", "DeleteBlob", "a"),
        ("BlobCreated", "PutBlob", "log"),
    }
    copied = told["BlobCreated", "CopyBlob", "b"]["data"]
    assert (copied["contentLength"], copied["contentType"]) == (5, "text/x")
    deleted = told["BlobDeleted", "DeleteBlob", "a"]["data"]
    assert (deleted["contentType"], deleted["blobType"]) == ("text/x", "BlockBlob")
    assert not {"eTag", "contentLength"} & set(deleted)
    assert told["BlobCreated", "PutBlob", "log"]["data"]["blobType"] == "AppendBlob"


async def test_what_fails_or_only_reads_raises_nothing(serve: Serve, container: ContainerClient, queue: Queue) -> None:
    async with serve(to_queue(queue)) as grid:
        await container.create_container()
        await container.upload_blob("a", b"1")
        with pytest.raises(Exception, match="BlobAlreadyExists"):
            await container.upload_blob("a", b"2")
        with pytest.raises(Exception, match="BlobNotFound"):
            await container.delete_blob("missing")
        await container.get_blob_client("a").set_blob_metadata({"k": "v"})
        assert [blob.name async for blob in container.list_blobs()] == ["a"]
        assert len(grid.journal.find()) == 1


async def test_other_accounts_raise_nothing(serve: Serve, storage_cloud: Cloud, queue: Queue) -> None:
    async with serve(to_queue(queue)) as grid:
        text = storage_cloud.connection_string("hubstorage")
        async with ContainerClient.from_connection_string(text, f"own-{next(_numbers)}") as own:
            await own.create_container()
            await own.upload_blob("a", b"1")
        assert grid.journal.find() == []


async def test_sas_signatures_stay_valid(
    serve: Serve, container: ContainerClient, queue: Queue, storage_cloud: Cloud
) -> None:
    async with serve(to_queue(queue)):
        await container.create_container()
        sas = generate_blob_sas(
            LANDING_ACCOUNT,
            container.container_name,
            "ümlaut & more.txt",
            account_key=AZURITE_KEY,
            permission=BlobSasPermissions(create=True, write=True, read=True),
            expiry=datetime.now(UTC) + timedelta(hours=1),
        )
        address = f"{container.url}/ümlaut & more.txt?{sas}".replace(" ", "%20").replace("ü", "%C3%BC")
        client = SyncBlobClient.from_blob_url(address.replace("&%20", "%26%20"))
        await asyncio.to_thread(client.upload_blob, b"by SAS")
        assert await asyncio.to_thread(lambda: client.download_blob().readall()) == b"by SAS"
        client.close()
        [event] = await queue.take(1)
    assert event["subject"].endswith("/blobs/ümlaut & more.txt")


async def test_sequencers_order_the_writes_of_one_blob(serve: Serve, container: ContainerClient, queue: Queue) -> None:
    async with serve(to_queue(queue)):
        await container.create_container()
        blob = container.get_blob_client("contested")
        await asyncio.gather(*(blob.upload_blob(b"x" * number, overwrite=True) for number in range(1, 41)))
        properties = await blob.get_blob_properties()
        events = await queue.take(40)
    assert len(events) == 40
    last = max(events, key=lambda event: event["data"]["sequencer"])
    assert last["data"]["eTag"] == properties.etag.strip('"')
    assert last["data"]["contentLength"] == properties.size


async def test_many_at_once_lose_no_event(serve: Serve, container: ContainerClient, queue: Queue) -> None:
    async with serve(to_queue(queue)):
        await container.create_container()
        await asyncio.gather(*(container.upload_blob(f"f/{number}", b"x") for number in range(200)))
        events = await queue.take(200, seconds=20)
    assert {event["subject"].rpartition("/")[2] for event in events} == {str(number) for number in range(200)}


async def test_a_batch_of_deletions_raises_one_event_each(
    serve: Serve, container: ContainerClient, queue: Queue
) -> None:
    """https://learn.microsoft.com/rest/api/storageservices/blob-batch"""
    async with serve(to_queue(queue)):
        await container.create_container()
        for name in ("a b", "c", "kept"):
            await container.upload_blob(name, b"1", content_settings=ContentSettings(content_type="text/x"))
        await queue.take(3)
        answers = await container.delete_blobs("a b", "c", "missing", raise_on_any_failure=False)
        assert [answer.status_code async for answer in answers] == [202, 202, 404]
        events = await queue.take(3, seconds=1)
        assert [blob.name async for blob in container.list_blobs()] == ["kept"]
    assert {event["subject"].rpartition("/")[2] for event in events} == {"a b", "c"}
    assert {event["data"]["api"] for event in events} == {"DeleteBlob"}
    assert {event["data"]["contentType"] for event in events} == {"text/x"}
    assert all("clientRequestId" in event["data"] for event in events)
