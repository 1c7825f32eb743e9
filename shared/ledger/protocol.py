"""What the hub asks of its store: tables with etags, blobs and queues. Azure and memory both keep to it.

The rules are those of Azure Table, Blob and Queue storage, so that what holds in memory holds in Azure:
a transaction touches one partition and at most 100 rows, none of them twice; an etag changes with every write;
a scan gives rows ordered by key as text.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

MAX_OPERATIONS: Final = 100
"""Rows in one transaction (Azure Table storage)."""

Value = str | int | float | bool | bytes | datetime
"""What a cell can hold. An int is stored as Int64; a str may hold 32,767 UTF-16 units, a row 1 MiB in all."""


class StoreError(Exception):
    """The store refused or could not answer."""


class AlreadyExistsError(StoreError):
    """An insert met a row, blob or table that is there. `index` is the operation in the transaction that met it."""

    def __init__(self, message: str, index: int = 0) -> None:
        super().__init__(message)
        self.index = index


class ChangedError(StoreError):
    """A conditional write met another etag: somebody else wrote in between."""


class NotFoundError(StoreError):
    """The row, blob or queue message is not there."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row: its address, its cells, and the etag it was read or written with ("" before the first write)."""

    partition: str
    key: str
    cells: Mapping[str, Value]
    etag: str = ""


@dataclass(frozen=True, slots=True)
class Insert:
    """Write a row that must not be there yet."""

    row: Row


@dataclass(frozen=True, slots=True)
class Replace:
    """Write the whole row; `row.etag` must be its present etag."""

    row: Row


@dataclass(frozen=True, slots=True)
class Upsert:
    """Write the whole row, whatever was there."""

    row: Row


@dataclass(frozen=True, slots=True)
class Delete:
    """Remove the row; with an etag only that version of it. A row that is gone already raises NotFoundError."""

    partition: str
    key: str
    etag: str = ""


Operation = Insert | Replace | Upsert | Delete


class Table(Protocol):
    """A table of rows. Every method raises StoreError (or a subclass) when the store refuses."""

    async def get(self, partition: str, key: str) -> Row | None:
        """Give the row, or None."""

    async def apply(self, operations: Sequence[Operation]) -> list[str]:
        """Do all or none, in one transaction of one partition; give the new etags ("" for a delete).

        Raises: AlreadyExistsError, ChangedError, NotFoundError, ValueError where the rules of a transaction are broken.
        """

    async def scan(
        self, partition: str, *, after: str = "", before: str = "", limit: int = 1000, prefix: str = ""
    ) -> list[Row]:
        """Give at most `limit` rows by ascending key, with after < key < before and keys that begin with `prefix`."""

    async def partitions(self, *, after: str = "", limit: int = 1000) -> list[Row]:
        """Give at most `limit` rows over all partitions, by (partition, key), partition > after. For repair only."""


class Blobs(Protocol):
    """The hub's own blobs, by name."""

    async def put(
        self, name: str, content: bytes, *, absent: bool = False, content_type: str = "application/json"
    ) -> None:
        """Write; with `absent` raise AlreadyExistsError where it is there."""

    async def get(self, name: str) -> bytes:
        """Read, or raise NotFoundError."""

    async def delete(self, name: str) -> None:
        """Remove; what is not there is no error."""

    def names(self, prefix: str) -> AsyncIterator[str]:
        """Give the names that begin with `prefix`, in order."""


class Queue(Protocol):
    """A queue of text messages, each a hint and never the record."""

    async def send(self, text: str, *, delay: float = 0.0) -> None:
        """Put a message that becomes visible after `delay` seconds (0 to 7 days; it never expires)."""

    async def depth(self) -> tuple[int, float]:
        """Give (approximate number of messages, age in seconds of the oldest visible one, 0.0 for none)."""


class Store(Protocol):
    """All that the hub keeps, by name."""

    def table(self, name: str) -> Table:
        """Give the table of that name (letters and digits); it is created at its first use."""

    def queue(self, name: str) -> Queue:
        """Give the queue of that name; it is created at its first use."""

    @property
    def blobs(self) -> Blobs:
        """The hub's own container."""

    def container(self, name: str) -> Blobs:
        """Give another container of the hub's account."""

    async def tables(self) -> list[str]:
        """Give the names of the tables that exist."""

    async def drop(self, name: str) -> None:
        """Remove a table and all in it (retention)."""

    async def close(self) -> None:
        """Let go of connections."""
