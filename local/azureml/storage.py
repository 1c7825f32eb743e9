"""Blobs of the workspace: files and folders up and down, containers, signed addresses; by the plain storage SDK."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from azure.core.exceptions import AzureError, ResourceExistsError, ResourceNotFoundError
from azure.storage.blob import ContainerSasPermissions, generate_container_sas
from azure.storage.blob.aio import BlobServiceClient, ContainerClient, ExponentialRetry

from local.azureml.uris import Place
from local.config import ACCOUNTS, AZURITE_KEY, Cloud

_AT_ONCE: Final = 12
_TIMEOUT: Final = 60
_CHUNK: Final = 4 * 1024 * 1024


class StorageError(Exception):
    """Storage lacks what was asked for, or did not answer; the text says which."""


class Storage:
    """The storage accounts of the laptop. Closed with `close`."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._clients: dict[str, BlobServiceClient] = {}
        self._known: set[tuple[str, str]] = set()

    async def close(self) -> None:
        """Close the connections."""
        for client in self._clients.values():
            await client.close()
        self._clients.clear()

    def _account(self, account: str) -> BlobServiceClient:
        if account not in ACCOUNTS:
            raise StorageError(f"there is no storage account '{account}'; there are {', '.join(ACCOUNTS)}")
        if account not in self._clients:
            self._clients[account] = BlobServiceClient.from_connection_string(
                self._cloud.connection_string(account),
                connection_timeout=10,
                read_timeout=_TIMEOUT,
                # Without these the first retry comes after 15 seconds.
                retry_policy=ExponentialRetry(
                    initial_backoff=0, increment_base=1, retry_total=4, random_jitter_range=0
                ),
                max_single_put_size=_CHUNK,
                max_block_size=_CHUNK,
            )
        return self._clients[account]

    async def container(self, account: str, name: str) -> ContainerClient:
        """Give a container, made where it is missing."""
        client = self._account(account).get_container_client(name)
        if (account, name) not in self._known:
            try:
                with contextlib.suppress(ResourceExistsError):
                    await client.create_container()
            except AzureError as error:
                address = f"http://127.0.0.1:{self._cloud.blob_port}/{account}/{name}"
                raise StorageError(f"storage did not make {address}: {type(error).__name__}") from error
            self._known.add((account, name))
        return client

    def url(self, place: Place) -> str:
        """Give the address of a place, unsigned."""
        base = f"http://127.0.0.1:{self._cloud.blob_port}/{place.account}/{place.container}"
        return f"{base}/{place.path}" if place.path else base

    def signed(self, place: Place, *, write: bool, hours: float = 24) -> str:
        """Give the address of a place with a signature for its container."""
        return f"{self.url(place)}?{self.signature(place, write=write, hours=hours)}"

    def signature(self, place: Place, *, write: bool, hours: float = 24) -> str:
        """Give a shared access signature for a container: to read and list, or also to write and delete."""
        return generate_container_sas(
            place.account,
            place.container,
            account_key=AZURITE_KEY,
            permission=ContainerSasPermissions(
                read=True, list=True, add=write, create=write, write=write, delete=write
            ),
            start=datetime.now(UTC) - timedelta(minutes=10),
            expiry=datetime.now(UTC) + timedelta(hours=hours),
        )

    async def names(self, place: Place) -> AsyncIterator[tuple[str, int]]:
        """Give name and size of every blob of a folder."""
        prefix = f"{place.path.rstrip('/')}/" if place.path.rstrip("/") else ""
        client = self._account(place.account).get_container_client(place.container)
        try:
            async for blob in client.list_blobs(name_starts_with=prefix or None):
                if not blob.name.endswith("/") and not (blob.metadata or {}).get("hdi_isfolder"):
                    yield blob.name, blob.size or 0
        except ResourceNotFoundError:
            return
        except AzureError as error:
            raise StorageError(f"storage did not list {self.url(place)}: {type(error).__name__}") from error

    async def is_blob(self, place: Place) -> bool:
        """Tell whether the place is one blob."""
        if not place.path.rstrip("/"):
            return False
        client = self._account(place.account).get_blob_client(place.container, place.path)
        try:
            return bool(await client.exists())
        except AzureError as error:
            raise StorageError(f"storage did not answer for {self.url(place)}: {type(error).__name__}") from error

    async def download_file(self, place: Place, target: Path) -> None:
        """Write a blob to a file; raises StorageError where it is missing."""
        target.parent.mkdir(parents=True, exist_ok=True)
        client = self._account(place.account).get_blob_client(place.container, place.path)
        try:
            stream = await client.download_blob()
            with target.open("wb") as file:
                async for chunk in stream.chunks():
                    file.write(chunk)
        except ResourceNotFoundError:
            raise StorageError(f"there is no blob {self.url(place)}") from None
        except AzureError as error:
            raise StorageError(f"storage did not give {self.url(place)}: {type(error).__name__}") from error

    async def download_folder(self, place: Place, target: Path) -> int:
        """Write every blob of a folder below `target`; give how many. Raises StorageError where there is none."""
        await asyncio.to_thread(target.mkdir, parents=True, exist_ok=True)
        skip = len(f"{place.path.rstrip('/')}/") if place.path.rstrip("/") else 0
        names = [name async for name, _ in self.names(place)]
        if not names:
            raise StorageError(f"there is nothing under {self.url(place)}")
        gate = asyncio.Semaphore(_AT_ONCE)

        async def fetch(name: str) -> None:
            async with gate:
                await self.download_file(Place(place.account, place.container, name), _inside(target, name[skip:]))

        async with _group() as tasks:
            for name in names:
                tasks.create_task(fetch(name))
        return len(names)

    async def download_files(self, places: Mapping[str, Place], target: Path) -> None:
        """Write blobs to files below `target`, by their names there; raises StorageError where one is missing."""
        gate = asyncio.Semaphore(_AT_ONCE)

        async def fetch(name: str, place: Place) -> None:
            async with gate:
                await self.download_file(place, _inside(target, name))

        async with _group() as tasks:
            for name, place in places.items():
                tasks.create_task(fetch(name, place))

    async def upload_file(self, source: Path, place: Place) -> None:
        """Write a file to a blob, over what is there."""
        client = (await self.container(place.account, place.container)).get_blob_client(place.path)
        try:
            with source.open("rb") as file:
                await client.upload_blob(file, overwrite=True, length=os.fstat(file.fileno()).st_size)
        except AzureError as error:
            raise StorageError(f"storage did not take {self.url(place)}: {type(error).__name__}") from error

    async def upload_folder(self, source: Path, place: Place) -> int:
        """Write every file of a folder to blobs; give how many."""
        files = _files(source)
        gate = asyncio.Semaphore(_AT_ONCE)

        async def send(path: Path) -> None:
            async with gate:
                await self.upload_file(path, place.under(path.relative_to(source).as_posix()))

        async with _group() as tasks:
            for path in files:
                tasks.create_task(send(path))
        return len(files)

    async def delete(self, place: Place) -> None:
        """Remove a blob; one that is not there is no error."""
        client = self._account(place.account).get_blob_client(place.container, place.path)
        try:
            await client.delete_blob()
        except ResourceNotFoundError:
            return
        except AzureError as error:
            raise StorageError(f"storage did not remove {self.url(place)}: {type(error).__name__}") from error

    async def read(self, place: Place) -> bytes | None:
        """Give a small blob's content, or None."""
        client = self._account(place.account).get_blob_client(place.container, place.path)
        try:
            return await (await client.download_blob()).readall()
        except ResourceNotFoundError:
            return None
        except AzureError as error:
            raise StorageError(f"storage did not give {self.url(place)}: {type(error).__name__}") from error


def _files(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.rglob("*")) if path.is_file()]


def _inside(folder: Path, name: str) -> Path:
    """Give the file of a blob; a blob whose name leads out of the folder is refused."""
    path = (folder / name).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise StorageError(f"the blob name '{name}' leads out of its folder")
    return path


@contextlib.asynccontextmanager
async def _group() -> AsyncIterator[asyncio.TaskGroup]:
    """Run tasks together; of several failures give the first StorageError, not a group."""
    try:
        async with asyncio.TaskGroup() as tasks:
            yield tasks
    except BaseExceptionGroup as group:
        problems, rest = group.split(StorageError)
        if rest is None and problems is not None:
            raise _first(problems) from None
        raise


def _first(group: BaseExceptionGroup[StorageError]) -> BaseException:
    inner = group.exceptions[0]
    return _first(inner) if isinstance(inner, BaseExceptionGroup) else inner
