"""What limits count: a row an automation, a row a concurrency group, a row for the hub's storm breaker.

All lie in one partition, so that one transaction reserves in all of them or in none.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

import msgspec

from shared.ledger.cells import pack, unpack
from shared.ledger.protocol import AlreadyExistsError, ChangedError, Insert, NotFoundError, Replace, Row, Store, Value
from shared.ledger.records import SCHEMA

_PARTITION: Final = "limits"
KEPT: Final = 10_000
"""Openings that a row keeps: as many as a rate can ask for; the oldest go first."""
_WAITING: Final = 2_000
_SINGLE: Final = 500
"""Costs that stand by themselves. Older ones that are known are summed up by the quarter of an hour, in which no
calendar of the world begins a day."""
_QUARTER: Final = timedelta(minutes=15)
_LONGEST: Final = timedelta(days=40)
"""Costs older than this are of no budget's period any more: the longest is a month."""


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
        self._blobs = store.blobs

    async def read(self, key: str) -> UsageRow:
        """Give a row, empty where there is none."""
        row = await self._table.get(_PARTITION, key)
        if row is None:
            return UsageRow(key=key, usage=Usage())
        usage = msgspec.json.decode(await unpack(row.cells, self._blobs, "usage"), type=Usage)
        return UsageRow(key=key, usage=usage, etag=row.etag)

    async def write(self, rows: Sequence[UsageRow]) -> None:
        """Write all rows, if none of them was written since it was read. Raises ChangedError."""
        operations: list[Insert | Replace] = []
        for row in rows:
            _trim(row.usage)
            cells: dict[str, Value] = {"schema": SCHEMA}
            cells |= await pack(msgspec.json.encode(row.usage), self._blobs, "limits", "usage")
            kept = Row(_PARTITION, row.key, cells, row.etag)
            operations.append(Replace(kept) if row.etag else Insert(kept))
        try:
            await self._table.apply(operations)
        except (AlreadyExistsError, NotFoundError) as error:
            raise ChangedError(f"the limits were written meanwhile: {error}") from None


def _trim(usage: Usage) -> None:
    del usage.openings[:-KEPT], usage.took[:-10]
    for name in list(usage.waiting)[_WAITING:]:
        del usage.waiting[name]
    if len(usage.spent) > _SINGLE or (usage.spent and usage.spent[-1].at - usage.spent[0].at > _LONGEST):
        usage.spent = _summed(usage.spent)


def _summed(spent: list[Spent]) -> list[Spent]:
    """Leave out what is too old to count, and sum up what is known and not among the newest."""
    newest = max(one.at for one in spent)
    sums: dict[tuple[datetime, str], Spent] = {}
    single: list[Spent] = []
    for place, one in enumerate(spent):
        if newest - one.at > _LONGEST:
            continue
        if one.actual is None or place >= len(spent) - _SINGLE:
            single.append(one)
            continue
        at = one.at - (one.at - datetime.min.replace(tzinfo=one.at.tzinfo)) % _QUARTER
        known = sums.get((at, one.currency))
        amount = one.actual + ((known.actual or Decimal(0)) if known else Decimal(0))
        sums[at, one.currency] = Spent(activity="", at=at, estimated=amount, currency=one.currency, actual=amount)
    return [*sums.values(), *single]
