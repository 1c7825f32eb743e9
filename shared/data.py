"""The blobs of data accounts: what the hub reads, lists and copies there. Only configured accounts are ever touched."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Final, Protocol, Self

from shared.engine.outcomes import PermanentError, TransientError
from shared.ledger.records import File

_TIMEOUT: Final = 30
_AT_ONCE: Final = 16
_COPY_LOOKS: Final = 40


@dataclass(frozen=True, slots=True)
class Copied:
    """What a copy gave: the content that was there. `rewritten`: it was no longer the one the event told of."""

    etag: str
    size: int
    rewritten: bool = False


@dataclass(frozen=True, slots=True)
class Seen:
    """The content that a file has now."""

    etag: str
    size: int


class Data(Protocol):
    """What the hub does with data accounts."""

    async def look(self, file: File) -> Seen | None:
        """Give what lies where this file lies, None where nothing does."""

    async def copy(self, source: File, account: str, container: str, path: str) -> Copied:
        """Copy one file on the server's side; a second call gives the same."""

    async def read(self, account: str, container: str, path: str, *, limit: int) -> bytes:
        """Read a small blob, at most `limit` bytes."""

    async def write(self, account: str, container: str, path: str, content: bytes) -> None:
        """Write a small blob."""

    def files(self, account: str, container: str, prefix: str) -> AsyncIterator[File]:
        """Give the blobs under a prefix."""


class AzureData:
    """Data accounts in Azure Blob storage. `connections` gives a BlobServiceClient (aio) for a configured account."""

    def __init__(self, connections: Mapping[str, Any]) -> None:
        self._clients = connections
        self._gate = asyncio.Semaphore(_AT_ONCE)

    def _client(self, account: str) -> Any:
        client = self._clients.get(account)
        if client is None:
            known = ", ".join(sorted(self._clients)) or "none"
            raise PermanentError(
                f"storage account {account!r} is not one of the hub's data accounts ({known}): "
                f"set HUB_ACCOUNT_{account.upper()}__blobServiceUri, or HUB_ACCOUNT_{account.upper()}"
            )
        return client

    async def look(self, file: File) -> Seen | None:
        """Ask for the properties of a file. Raises TransientError where storage does not answer."""
        from azure.core.exceptions import AzureError, ResourceNotFoundError

        blob = self._client(file.account).get_blob_client(file.container, file.path)
        async with self._gate:
            try:
                properties = await blob.get_blob_properties(timeout=_TIMEOUT)
            except ResourceNotFoundError:
                return None
            except AzureError as error:
                place = f"{file.account}/{file.container}/{file.path}"
                raise TransientError(f"storage did not answer for {place}: {type(error).__name__}") from error
        return Seen(str(properties.etag).strip('"'), int(properties.size))

    async def copy(self, source: File, account: str, container: str, path: str) -> Copied:
        """Copy one file on the server's side, the content that the event named if it is still there.

        A content that was overwritten since is gone in storage: the newest one is taken, and said so.
        Raises PermanentError where the source was deleted, TransientError where storage does not answer.
        """
        from azure.core import MatchConditions
        from azure.core.exceptions import AzureError, HttpResponseError, ResourceNotFoundError

        origin = self._client(source.account).get_blob_client(source.container, source.path)
        target = self._client(account).get_blob_client(container, path)
        async with self._gate:
            try:
                properties = await origin.get_blob_properties(timeout=_TIMEOUT)
                etag = str(properties.etag)
                if source.account == account:
                    await target.start_copy_from_url(
                        origin.url,
                        timeout=_TIMEOUT,
                        source_etag=etag,
                        source_match_condition=MatchConditions.IfNotModified,
                    )
                    await self._finished(target)
                else:
                    stream = await origin.download_blob(
                        timeout=_TIMEOUT, etag=etag, match_condition=MatchConditions.IfNotModified
                    )
                    await target.upload_blob(
                        _pieces(stream), length=int(properties.size), overwrite=True, timeout=_TIMEOUT
                    )
            except ResourceNotFoundError:
                raise PermanentError(
                    f"{source.account}/{source.container}/{source.path} was deleted before it could be frozen: "
                    "write it again, and the file starts a new collection"
                ) from None
            except HttpResponseError as error:
                raise TransientError(f"storage answered {error.status_code} to a copy of {source.path}") from error
            except AzureError as error:
                raise TransientError(
                    f"storage did not answer to a copy of {source.path}: {type(error).__name__}"
                ) from error
        bare = etag.strip('"')
        return Copied(bare, int(properties.size), rewritten=bare != source.etag)

    async def _finished(self, target: Any) -> None:
        for look in range(_COPY_LOOKS):
            copy = (await target.get_blob_properties(timeout=_TIMEOUT)).copy
            if copy.status in {None, "success"}:
                return
            if copy.status != "pending":
                raise TransientError(f"copy ended as {copy.status}: {copy.status_description}")
            await asyncio.sleep(min(1.0, 0.05 * 1.5**look))
        raise TransientError("a copy inside storage is still pending")

    async def read(self, account: str, container: str, path: str, *, limit: int) -> bytes:
        """Read a small blob; raises PermanentError where it is missing or larger than `limit` bytes."""
        from azure.core.exceptions import AzureError, ResourceNotFoundError

        blob = self._client(account).get_blob_client(container, path)
        try:
            stream = await blob.download_blob(timeout=_TIMEOUT)
            if stream.size > limit:
                raise PermanentError(f"{account}/{container}/{path} has {stream.size} bytes; at most {limit} are read")
            return bytes(await stream.readall())
        except ResourceNotFoundError:
            raise PermanentError(f"{account}/{container}/{path} is not there") from None
        except AzureError as error:
            raise TransientError(
                f"storage did not give {account}/{container}/{path}: {type(error).__name__}"
            ) from error

    async def write(self, account: str, container: str, path: str, content: bytes) -> None:
        """Write a small blob over what is there."""
        from azure.core.exceptions import AzureError

        try:
            await (
                self._client(account)
                .get_blob_client(container, path)
                .upload_blob(content, overwrite=True, timeout=_TIMEOUT)
            )
        except AzureError as error:
            raise TransientError(
                f"storage did not take {account}/{container}/{path}: {type(error).__name__}"
            ) from error

    async def files(self, account: str, container: str, prefix: str) -> AsyncIterator[File]:
        """Give the blobs under a prefix, by name; the time is the last write's.

        Raises PermanentError where the container is missing or may not be read, TransientError without an answer.
        """
        from azure.core.exceptions import AzureError, HttpResponseError, ResourceNotFoundError

        client = self._client(account).get_container_client(container)
        try:
            async for blob in client.list_blobs(name_starts_with=prefix, timeout=_TIMEOUT):
                yield File(
                    account=account,
                    container=container,
                    path=str(blob.name),
                    etag=str(blob.etag).strip('"'),
                    size=int(blob.size or 0),
                    time=(blob.last_modified or datetime.now(UTC)).astimezone(UTC),
                )
        except ResourceNotFoundError:
            raise PermanentError(f"{account} has no container {container!r}") from None
        except HttpResponseError as error:
            kind = PermanentError if error.status_code in {400, 401, 403} else TransientError
            raise kind(f"storage answered {error.status_code} to a listing of {account}/{container}") from error
        except AzureError as error:
            raise TransientError(f"storage did not list {account}/{container}: {type(error).__name__}") from error

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.gather(*(client.close() for client in self._clients.values()))


async def _pieces(stream: Any) -> AsyncIterator[bytes]:
    """Give a download piece by piece: its own iterator looks like a synchronous one to an upload, and is none."""
    async for piece in stream.chunks():
        yield piece
