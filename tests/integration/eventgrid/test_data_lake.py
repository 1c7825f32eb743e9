"""The unmodified azure-storage-file-datalake client creates, appends and flushes, and the pairs of events come out."""

from collections.abc import AsyncIterator

import pytest
from azure.core.exceptions import HttpResponseError
from azure.storage.filedatalake import ContentSettings
from azure.storage.filedatalake.aio import DataLakeServiceClient, FileSystemClient

from local.config import AZURITE_KEY, LANDING_ACCOUNT, Cloud
from tests.integration.eventgrid.conftest import Queue, Serve, subscription

_numbers = iter(range(1_000_000))


def lake(cloud: Cloud, key: str = AZURITE_KEY) -> DataLakeServiceClient:
    address = f"http://127.0.0.1:{cloud.blob_port}/{LANDING_ACCOUNT}"
    return DataLakeServiceClient(
        address, credential={"account_name": LANDING_ACCOUNT, "account_key": key}, retry_total=0
    )


@pytest.fixture
async def files(storage_cloud: Cloud) -> AsyncIterator[FileSystemClient]:
    async with lake(storage_cloud) as service, service.get_file_system_client(f"lake-{next(_numbers)}") as client:
        yield client


async def test_a_file_is_told_of_when_it_is_created_and_when_it_is_closed(
    serve: Serve, files: FileSystemClient, queue: Queue
) -> None:
    """https://learn.microsoft.com/azure/event-grid/event-schema-blob-storage, the samples of Data Lake Storage."""
    async with serve(subscription("blobs", "storage", {"type": "StorageQueue", "queue": queue.name})):
        await files.create_file_system()
        file = files.get_file_client("2013/a file.csv")
        await file.create_file(content_settings=ContentSettings(content_type="text/csv"))
        await file.append_data(b"hello ", 0)
        await file.append_data(b"world", 6)
        await file.flush_data(11, close=True)
        events = await queue.take(3, seconds=1)
        assert await (await file.download_file()).readall() == b"hello world"
        await file.append_data(b"!", 11)
        await file.flush_data(12, close=True)
        [again] = await queue.take(1)
        assert await (await file.download_file()).readall() == b"hello world!"
    created, closed = sorted(events, key=lambda event: event["data"]["sequencer"])
    assert [event["data"]["api"] for event in (created, closed, again)] == [
        "CreateFile",
        "FlushWithClose",
        "FlushWithClose",
    ]
    assert (created["data"]["contentLength"], created["data"]["contentOffset"]) == (0, 0)
    assert (closed["data"]["contentLength"], closed["data"]["contentOffset"]) == (11, 11)
    assert (again["data"]["contentLength"], again["data"]["contentOffset"]) == (12, 12)
    assert created["dataVersion"] == closed["dataVersion"] == "2"
    assert {event["subject"].partition("/blobs/")[2] for event in events} == {"2013/a file.csv"}
    assert {event["data"]["contentType"] for event in (created, closed, again)} == {"text/csv"}
    assert {event["eventType"] for event in events} == {"Microsoft.Storage.BlobCreated"}


async def test_an_upload_of_many_pieces(serve: Serve, files: FileSystemClient, queue: Queue) -> None:
    content = bytes(range(256)) * 4096 * 4
    async with serve(subscription("blobs", "storage", {"type": "StorageQueue", "queue": queue.name})):
        await files.create_file_system()
        file = files.get_file_client("large")
        await file.upload_data(content, overwrite=True, chunk_size=512 * 1024, max_concurrency=4)
        events = await queue.take(3, seconds=1)
        assert await (await file.download_file()).readall() == content
    assert sorted(event["data"]["api"] for event in events) == ["CreateFile", "FlushWithClose"]
    assert {event["data"]["contentLength"] for event in events} == {0, len(content)}


async def test_a_flush_without_close_raises_nothing(serve: Serve, files: FileSystemClient, queue: Queue) -> None:
    async with serve(subscription("blobs", "storage", {"type": "StorageQueue", "queue": queue.name})):
        await files.create_file_system()
        file = files.get_file_client("open")
        await file.create_file()
        await file.append_data(b"123", 0)
        await file.flush_data(3)
        await files.create_directory("folder")
        events = await queue.take(3, seconds=1)
        with pytest.raises(HttpResponseError):
            await files.get_file_client("missing").flush_data(3)
    assert {(event["eventType"].rpartition(".")[2], event["data"]["api"]) for event in events} == {
        ("BlobCreated", "CreateFile"),
        ("DirectoryCreated", "CreateDirectory"),
    }


async def test_a_wrong_signature_is_refused(serve: Serve, storage_cloud: Cloud) -> None:
    async with serve(), lake(storage_cloud, "d3Jvbmc=") as service:
        with pytest.raises(HttpResponseError) as caught:
            await service.get_file_client("landing", "forged").create_file()
    assert caught.value.status_code == 403
