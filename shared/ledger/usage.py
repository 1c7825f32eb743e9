"""What limits count: a row an automation, a row a concurrency group, a row for the hub's storm breaker.

All lie in one partition, so that one transaction reserves in all of them or in none.
"""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final

import msgspec

from shared.ledger.protocol import AlreadyExistsError, ChangedError, Insert, NotFoundError, Replace, Row, Store, Value
from shared.ledger.records import SCHEMA

_PARTITION: Final = "limits"
KEPT: Final = 500
"""Openings, spends and waiting activities that a row keeps; the oldest go first."""


class Spent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What an activity costs: estimated when it opened, actual once it ended."""

    activity: str
    at: datetime
    estimated: Decimal
    currency: str
    actual: Decimal | None = None


class Usage(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What runs, waits and ran for one automation or group; times by activity. `took`: seconds of the last runs."""

    running: dict[str, datetime] = {}
    waiting: dict[str, datetime] = {}
    openings: list[datetime] = []
    last_start: datetime | None = None
    last_end: datetime | None = None
    spent: list[Spent] = []
    took: list[float] = []
    arrived: list[datetime] = []
    tripped: datetime | None = None
    trips: int = 0


class UsageRow(msgspec.Struct, kw_only=True):
    """A row as it was read: its key, its content, and its etag ("" where it is not there yet)."""

    key: str
    usage: Usage
    etag: str = ""


class Usages:
    """The rows that limits count on."""

    def __init__(self, store: Store) -> None:
        self._table = store.table("limits")

    async def read(self, key: str) -> UsageRow:
        """Give a row, empty where there is none."""
        row = await self._table.get(_PARTITION, key)
        if row is None:
            return UsageRow(key=key, usage=Usage())
        text = row.cells["usage"]
        usage = msgspec.json.decode(text if isinstance(text, bytes) else b"", type=Usage)
        return UsageRow(key=key, usage=usage, etag=row.etag)

    async def write(self, rows: Sequence[UsageRow]) -> None:
        """Write all rows, if none of them was written since it was read. Raises ChangedError."""
        operations: list[Insert | Replace] = []
        for row in rows:
            _trim(row.usage)
            cells: dict[str, Value] = {"schema": SCHEMA, "usage": msgspec.json.encode(row.usage)}
            kept = Row(_PARTITION, row.key, cells, row.etag)
            operations.append(Replace(kept) if row.etag else Insert(kept))
        try:
            await self._table.apply(operations)
        except (AlreadyExistsError, NotFoundError) as error:
            raise ChangedError(f"the limits were written meanwhile: {error}") from None


def _trim(usage: Usage) -> None:
    del usage.openings[:-KEPT], usage.spent[:-KEPT], usage.took[:-10]
    for name in list(usage.waiting)[KEPT:]:
        del usage.waiting[name]
