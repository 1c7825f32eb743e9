"""The unmodified azure-storage-file-datalake client creates, appends and flushes, and the pairs of events come out."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from azure.core.credentials import AzureSasCredential
from azure.core.exceptions import HttpResponseError
from azure.storage.filedatalake import ContentSettings, ResourceTypes, generate_account_sas
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


async def test_a_renamed_file_is_told_of_once_with_both_addresses(
    serve: Serve, files: FileSystemClient, queue: Queue
) -> None:
    """https://learn.microsoft.com/azure/event-grid/event-schema-blob-storage, BlobRenamed."""
    async with serve(subscription("blobs", "storage", {"type": "StorageQueue", "queue": queue.name})):
        await files.create_file_system()
        file = files.get_file_client("in/a file ä.csv")
        await file.upload_data(b"1,2", overwrite=True)
        await queue.take(2)
        moved = await file.rename_file(f"{files.file_system_name}/out/b file.csv")
        assert await (await moved.download_file()).readall() == b"1,2"
        assert not await file.exists()
        with pytest.raises(HttpResponseError) as missing:
            await file.rename_file(f"{files.file_system_name}/out/c.csv")
        events = await queue.take(2, seconds=1)
    assert missing.value.status_code == 404
    [event] = events
    data = event["data"]
    assert (event["eventType"], event["dataVersion"]) == ("Microsoft.Storage.BlobRenamed", "1")
    assert set(data) == {
        "api", "clientRequestId", "requestId", "destinationUrl", "sourceUrl", "sequencer", "storageDiagnostics",
    }  # fmt: skip
    assert data["api"] == "RenameFile"
    assert event["subject"].endswith(f"/containers/{files.file_system_name}/blobs/out/b file.csv")
    assert data["destinationUrl"].endswith(f"/{files.file_system_name}/out/b%20file.csv")
    assert data["sourceUrl"].endswith(f"/{files.file_system_name}/in/a%20file%20%C3%A4.csv")


async def test_a_folder_is_renamed_and_removed_with_what_it_holds_and_one_event_each(
    serve: Serve, files: FileSystemClient, queue: Queue
) -> None:
    """https://learn.microsoft.com/azure/event-grid/event-schema-blob-storage, DirectoryRenamed and DirectoryDeleted."""
    async with serve(subscription("blobs", "storage", {"type": "StorageQueue", "queue": queue.name})):
        await files.create_file_system()
        folder = await files.create_directory("old")
        for name in ("a.csv", "below/b.csv"):
            await folder.get_file_client(name).upload_data(b"1", overwrite=True)
        await files.get_file_client("older.csv").create_file()
        await queue.take(6)
        renamed = await folder.rename_directory(f"{files.file_system_name}/new")
        assert await files.get_file_client("new/below/b.csv").exists()
        assert not await files.get_file_client("old/a.csv").exists()
        await renamed.delete_directory()
        assert not await files.get_file_client("new/a.csv").exists()
        await files.delete_file("older.csv")
        events = await queue.take(4, seconds=1.5)
    told = [(event["eventType"].rpartition(".")[2], event["data"]["api"]) for event in events]
    assert sorted(told) == [
        ("BlobDeleted", "DeleteFile"),
        ("DirectoryDeleted", "DeleteDirectory"),
        ("DirectoryRenamed", "RenameDirectory"),
    ]
    removed = next(event for event in events if event["data"]["api"] == "DeleteDirectory")
    assert removed["data"]["recursive"] == "true"
    assert removed["subject"].endswith("/blobs/new")


async def test_a_file_is_renamed_by_sas(
    serve: Serve, files: FileSystemClient, storage_cloud: Cloud, queue: Queue
) -> None:
    async with serve(subscription("blobs", "storage", {"type": "StorageQueue", "queue": queue.name})):
        await files.create_file_system()
        await files.get_file_client("a").upload_data(b"1", overwrite=True)
        await queue.take(2)
        for permissions, status in (("rwdlc", 201), ("r", 403)):
            sas = generate_account_sas(
                LANDING_ACCOUNT,
                AZURITE_KEY,
                ResourceTypes.from_string("co"),
                permissions,
                datetime.now(UTC) + timedelta(hours=1),
            )
            address = f"http://127.0.0.1:{storage_cloud.blob_port}/{LANDING_ACCOUNT}"
            async with DataLakeServiceClient(address, credential=AzureSasCredential(sas)) as service:
                file = service.get_file_client(files.file_system_name, "a" if status == 201 else "b")
                if status == 201:
                    await file.rename_file(f"{files.file_system_name}/b")
                else:
                    with pytest.raises(HttpResponseError) as caught:
                        await file.rename_file(f"{files.file_system_name}/c")
                    assert caught.value.status_code == status
        events = await queue.take(2, seconds=1)
    assert [event["data"]["api"] for event in events] == ["RenameFile"]


async def test_files_and_folders_are_listed(serve: Serve, files: FileSystemClient) -> None:
    """https://learn.microsoft.com/rest/api/storageservices/datalakestoragegen2/path/list"""
    async with serve():
        await files.create_file_system()
        for name in ("a & b.csv", "in/c.csv", "in/deep/d.csv"):
            await files.get_file_client(name).upload_data(b"123", overwrite=True)
        await files.create_directory("empty")

        async def names(path: str | None = None, *, recursive: bool = True) -> list[tuple[str, bool, int]]:
            found = files.get_paths(path, recursive=recursive)
            return [(one.name, bool(one.is_directory), one.content_length) async for one in found]

        assert await names() == [
            ("a & b.csv", False, 3), ("empty", True, 0), ("in", True, 0), ("in/c.csv", False, 3), ("in/deep", True, 0),
            ("in/deep/d.csv", False, 3),
        ]  # fmt: skip
        assert await names("in", recursive=False) == [("in/c.csv", False, 3), ("in/deep", True, 0)]
        assert await names("empty") == []
        with pytest.raises(HttpResponseError) as caught:
            await names("missing")
    assert caught.value.status_code == 404
