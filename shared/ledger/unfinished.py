"""The index of what is unfinished: the sweep reads it, never the whole ledger.

An entry is written before the thing it names is opened and goes last, and only if nobody has written it anew since it
was read. So whatever is open is in the index; an entry too many costs one look.
"""

import asyncio
import hashlib
from dataclasses import dataclass
from typing import Final

from shared.ledger.protocol import ChangedError, Delete, NotFoundError, Row, Store, Upsert
from shared.ledger.records import SCHEMA

SHARDS: Final = 8


@dataclass(frozen=True, slots=True)
class Entry:
    """Something unfinished: `kind` is activity or collection, `name` its id."""

    kind: str
    name: str
    etag: str


def _partition(name: str) -> str:
    return f"u{hashlib.sha256(name.encode()).digest()[0] % SHARDS}"


class Unfinished:
    """The index of what is unfinished."""

    def __init__(self, store: Store) -> None:
        self._table = store.table("unfinished")

    async def add(self, kind: str, name: str) -> None:
        """Enter it (again, where it is there)."""
        await self._table.apply([Upsert(Row(_partition(name), f"{kind}:{name}", {"schema": SCHEMA}))])

    async def get(self, kind: str, name: str) -> Entry | None:
        """Give the entry as it is now."""
        row = await self._table.get(_partition(name), f"{kind}:{name}")
        return Entry(kind, name, row.etag) if row else None

    async def remove(self, entry: Entry) -> None:
        """Take it out, unless it was entered anew since it was read."""
        try:
            await self._table.apply([Delete(_partition(entry.name), f"{entry.kind}:{entry.name}", entry.etag)])
        except (ChangedError, NotFoundError):
            return

    async def all(self, kind: str, *, limit: int = 1000) -> list[Entry]:
        """Give at most `limit` entries a shard."""
        scans = await asyncio.gather(
            *(self._table.scan(f"u{n}", prefix=f"{kind}:", limit=limit) for n in range(SHARDS))
        )
        return [Entry(kind, row.key.partition(":")[2], row.etag) for rows in scans for row in rows]
