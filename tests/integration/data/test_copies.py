"""Copies of files on real Azurite: within an account by the server, between accounts by way of the hub."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from azure.storage.blob.aio import BlobServiceClient

from local.config import LANDING_ACCOUNT, WORKSPACE_ACCOUNT, Cloud
from shared.data import AzureData, Seen
from shared.ledger.azure import client_options

ACCOUNTS = (LANDING_ACCOUNT, WORKSPACE_ACCOUNT)


@pytest.fixture
async def clients(azurite: Cloud) -> AsyncIterator[dict[str, Any]]:
    found = {
        name: BlobServiceClient.from_connection_string(azurite.connection_string(name), **client_options())
        for name in ACCOUNTS
    }
    for client in found.values():
        if not await client.get_container_client("copies").exists():
            await client.create_container("copies")
    yield found
    for client in found.values():
        await client.close()


@pytest.mark.parametrize("target", ACCOUNTS)
@pytest.mark.parametrize("size", [0, 5, 900_000])
async def test_a_copy_has_the_content_and_its_etag(clients: dict[str, Any], target: str, size: int) -> None:
    data, content = AzureData(clients), bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    source = clients[LANDING_ACCOUNT].get_blob_client("copies", f"from/{target}-{size}")
    await source.upload_blob(content, overwrite=True)
    (file,) = [one async for one in data.files(LANDING_ACCOUNT, "copies", f"from/{target}-{size}")]
    copied = await data.copy(file, target, "copies", f"to/{size}")
    assert (copied.etag, copied.size, copied.rewritten) == (file.etag, size, False)
    there = await clients[target].get_blob_client("copies", f"to/{size}").download_blob()
    assert await there.readall() == content


async def test_a_look_sees_the_content_of_now_and_what_is_gone(clients: dict[str, Any]) -> None:
    data, blob = AzureData(clients), clients[LANDING_ACCOUNT].get_blob_client("copies", "looked/at it.csv")
    await blob.upload_blob(b"old", overwrite=True)
    (file,) = [one async for one in data.files(LANDING_ACCOUNT, "copies", "looked/")]
    assert await data.look(file) == Seen(file.etag, 3)
    await blob.upload_blob(b"newer", overwrite=True)
    seen = await data.look(file)
    assert seen is not None
    assert (seen.size, seen.etag == file.etag) == (5, False)
    await blob.delete_blob()
    assert await data.look(file) is None
