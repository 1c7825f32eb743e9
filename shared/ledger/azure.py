"""The store in Azure: tables, queues and blobs of the app's own storage account, by the async clients."""

import asyncio
import base64
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from azure.core.credentials import AzureNamedKeyCredential, AzureSasCredential
from azure.core.exceptions import (
    AzureError,
    HttpResponseError,
    ResourceExistsError,
    ResourceModifiedError,
    ResourceNotFoundError,
)
from azure.core.pipeline.transport import AioHttpTransport
from azure.data.tables import EntityProperty
from azure.data.tables.aio import TableClient, TableServiceClient
from azure.storage.blob import ContentSettings
from azure.storage.blob.aio import BlobServiceClient
from azure.storage.queue import TextBase64EncodePolicy
from azure.storage.queue.aio import QueueClient, QueueServiceClient

from shared.ledger.protocol import (
    AlreadyExistsError,
    ChangedError,
    NotFoundError,
    Operation,
    Row,
    StoreError,
    Value,
)
from shared.ledger.rules import check
from shared.ledger.wire import Access, NoTableError, Wire
from shared.settings import Connection

_TIMEOUT: Final = 30
_PIECES: Final[dict[str, Any]] = {"max_single_put_size": 2**20, "max_block_size": 2**20}
"""What is larger than a megabyte is sent in pieces: one large body would keep the event loop from everything else."""
"""Seconds one request may take."""
_RETRIES: Final = 3


def client_options() -> dict[str, Any]:
    """Give options of every storage client here: no proxies read from the environment a call, few quick retries."""
    return {
        "transport": AioHttpTransport(use_env_settings=False),
        "retry_total": _RETRIES,
        "initial_backoff": 1,
        "increment_base": 2,
        "connection_timeout": 10,
        "read_timeout": _TIMEOUT,
    }


def credential(connection: Connection) -> Any:
    """Give the identity that a connection names."""
    from azure.identity.aio import DefaultAzureCredential

    return DefaultAzureCredential(managed_identity_client_id=connection.client_id or None)


_MAKING_TRIES = 3


class AzureTable:
    """A table in Azure: rows over the wire, scans by the SDK."""

    def __init__(self, client: TableClient, wire: Wire) -> None:
        self._client = client
        self._wire = wire
        self._name = str(client.table_name)

    async def get(self, partition: str, key: str) -> Row | None:
        """Give the row, or None."""
        return await self._wire.get(self._name, partition, key)

    async def apply(self, operations: Sequence[Operation]) -> list[str]:
        """Do all or none; where the table is not there yet, make it first. Many may find it missing at once."""
        check(operations)
        for _ in range(_MAKING_TRIES):
            try:
                return await self._wire.apply(self._name, operations)
            except NoTableError:
                try:
                    await _create(self._client.create_table)
                except AzureError as error:
                    raise _translated(error, self._name) from error
        return await self._wire.apply(self._name, operations)

    async def scan(
        self, partition: str, *, after: str = "", before: str = "", limit: int = 1000, prefix: str = ""
    ) -> list[Row]:
        """Give rows by ascending key."""
        conditions = ["PartitionKey eq @partition"]
        parameters = {
            "partition": partition,
            "after": after,
            "before": before,
            "prefix": prefix,
            "end": prefix + "\uffff",
        }
        if after:
            conditions.append("RowKey gt @after")
        if before:
            conditions.append("RowKey lt @before")
        if prefix:
            conditions.append("RowKey ge @prefix and RowKey lt @end")
        return await self._query(" and ".join(conditions), parameters, limit)

    async def partitions(self, *, after: str = "", limit: int = 1000) -> list[Row]:
        """Give rows over all partitions."""
        return await self._query("PartitionKey gt @after", {"after": after}, limit)

    async def _query(self, text: str, parameters: dict[str, Any], limit: int) -> list[Row]:
        rows: list[Row] = []
        try:
            pages = self._client.query_entities(
                text, parameters=parameters, results_per_page=min(limit, 1000), timeout=_TIMEOUT
            )
            async for entity in pages:
                rows.append(_row(entity))
                if len(rows) == limit:
                    break
        except ResourceNotFoundError:
            return []
        except AzureError as error:
            raise _translated(error, self._client.table_name) from error
        return rows


class AzureBlobs:
    """The hub's own blobs in Azure."""

    def __init__(self, service: BlobServiceClient, container: str) -> None:
        self._container = service.get_container_client(container)

    async def put(
        self, name: str, content: bytes, *, absent: bool = False, content_type: str = "application/json"
    ) -> None:
        """Write."""

        async def upload() -> None:
            await self._container.get_blob_client(name).upload_blob(
                content,
                overwrite=not absent,
                content_settings=ContentSettings(content_type=content_type),
                timeout=_TIMEOUT,
            )

        try:
            try:
                await upload()
            except ResourceNotFoundError:
                await _create(self._container.create_container)
                await upload()
        except AzureError as error:
            raise _translated(error, name) from error

    async def get(self, name: str) -> bytes:
        """Read."""
        try:
            stream = await self._container.get_blob_client(name).download_blob(timeout=_TIMEOUT)
            return bytes(await stream.readall())
        except AzureError as error:
            raise _translated(error, name) from error

    async def delete(self, name: str) -> None:
        """Remove."""
        try:
            await self._container.get_blob_client(name).delete_blob(timeout=_TIMEOUT)
        except ResourceNotFoundError:
            return
        except AzureError as error:
            raise _translated(error, name) from error

    async def names(self, prefix: str) -> AsyncIterator[str]:
        """Give names in order."""
        try:
            async for name in self._container.list_blob_names(name_starts_with=prefix, timeout=_TIMEOUT):
                yield str(name)
        except ResourceNotFoundError:
            return
        except AzureError as error:
            raise _translated(error, prefix) from error


class AzureQueue:
    """A queue in Azure."""

    def __init__(self, client: QueueClient) -> None:
        self._client = client

    async def send(self, text: str, *, delay: float = 0.0) -> None:
        """Put a message."""

        async def put() -> None:
            await self._client.send_message(
                text, visibility_timeout=round(delay) or None, time_to_live=-1, timeout=_TIMEOUT
            )

        try:
            try:
                await put()
            except ResourceNotFoundError:
                await _create(self._client.create_queue)
                await put()
        except AzureError as error:
            raise _translated(error, self._client.queue_name) from error

    async def depth(self) -> tuple[int, float]:
        """Give count and age."""
        try:
            count = (await self._client.get_queue_properties(timeout=_TIMEOUT)).approximate_message_count or 0
            if not count:
                return 0, 0.0
            peeked = await self._client.peek_messages(max_messages=1, timeout=_TIMEOUT)
        except ResourceNotFoundError:
            return 0, 0.0
        except AzureError as error:
            raise _translated(error, self._client.queue_name) from error
        if not peeked or peeked[0].inserted_on is None:
            return count, 0.0
        return count, max(0.0, time.time() - peeked[0].inserted_on.timestamp())


class AzureStore:
    """All of the store in Azure. Make it inside a running event loop."""

    def __init__(self, connection: Connection, container: str = "hub") -> None:
        text, options = connection.connection_string, client_options
        self._credential = None if text else credential(connection)
        if text:
            self._table_service = TableServiceClient.from_connection_string(text, **options())
            self._queue_service = QueueServiceClient.from_connection_string(text, **options())
            self._blob_service = BlobServiceClient.from_connection_string(text, **_PIECES, **options())
        else:
            identity = self._credential
            self._table_service = TableServiceClient(connection.uri("table"), credential=identity, **options())
            self._queue_service = QueueServiceClient(connection.uri("queue"), credential=identity, **options())
            self._blob_service = BlobServiceClient(connection.uri("blob"), credential=identity, **_PIECES, **options())
        self._wire = Wire(str(self._table_service.url), _access(self._table_service.credential))
        self._tables: dict[str, AzureTable] = {}
        self._queues: dict[str, AzureQueue] = {}
        self._blobs = AzureBlobs(self._blob_service, container)
        self._containers: dict[str, AzureBlobs] = {}

    def table(self, name: str) -> AzureTable:
        """Give a table."""
        if name not in self._tables:
            self._tables[name] = AzureTable(self._table_service.get_table_client(name), self._wire)
        return self._tables[name]

    def queue(self, name: str) -> AzureQueue:
        """Give a queue; its messages are base64, as the Functions host expects."""
        if name not in self._queues:
            client = self._queue_service.get_queue_client(name, message_encode_policy=TextBase64EncodePolicy())
            self._queues[name] = AzureQueue(client)
        return self._queues[name]

    @property
    def blobs(self) -> AzureBlobs:
        """Give the blobs."""
        return self._blobs

    def container(self, name: str) -> AzureBlobs:
        """Give another container of the account."""
        return self._containers.setdefault(name, AzureBlobs(self._blob_service, name))

    async def tables(self) -> list[str]:
        """Give the names of the tables."""
        try:
            return sorted([table.name async for table in self._table_service.list_tables()])
        except AzureError as error:
            raise _translated(error, "tables") from error

    async def drop(self, name: str) -> None:
        """Remove a table."""
        self._tables.pop(name, None)
        try:
            await self._table_service.delete_table(name, timeout=_TIMEOUT)
        except AzureError as error:
            raise _translated(error, name) from error

    async def close(self) -> None:
        """Let go of connections."""
        closing = [
            self._wire.close(),
            self._table_service.close(),
            self._queue_service.close(),
            self._blob_service.close(),
        ]
        if self._credential is not None:
            closing.append(self._credential.close())
        await asyncio.gather(*closing)


async def _create(create: Callable[..., Awaitable[Any]]) -> None:
    try:
        await create(timeout=_TIMEOUT)
    except ResourceExistsError:
        return


def _access(credential: Any) -> Access:
    if isinstance(credential, AzureNamedKeyCredential):
        return Access(account=credential.named_key.name, key=base64.b64decode(credential.named_key.key))
    if isinstance(credential, AzureSasCredential):
        return Access(signature=credential.signature.removeprefix("?"))
    return Access(identity=credential)


def _row(entity: Any) -> Row:
    cells = {name: _plain(value) for name, value in entity.items() if name not in {"PartitionKey", "RowKey"}}
    return Row(str(entity["PartitionKey"]), str(entity["RowKey"]), cells, str(entity.metadata["etag"]))


def _plain(value: Any) -> Value:
    if isinstance(value, EntityProperty):
        return int(value.value) if value.edm_type == "Edm.Int64" else str(value.value)
    if isinstance(value, datetime):
        return datetime.fromtimestamp(value.timestamp(), UTC)
    result: Value = value
    return result


def _translated(error: AzureError, what: str) -> StoreError:
    message = f"{what}: {type(error).__name__}"
    if not isinstance(error, HttpResponseError):
        return StoreError(f"{message}: storage did not answer")
    if error.status_code == 409 or isinstance(error, ResourceExistsError):
        return AlreadyExistsError(f"{message} (409)")
    if error.status_code == 412 or isinstance(error, ResourceModifiedError):
        return ChangedError(f"{message} (412)")
    if error.status_code == 404 or isinstance(error, ResourceNotFoundError):
        return NotFoundError(f"{message} (404)")
    return StoreError(f"{message}: storage answered {error.status_code} {error.reason}")
