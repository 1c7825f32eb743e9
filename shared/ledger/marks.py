"""What a trigger remembers between events and ticks: which parts of an all-of came, when a schedule was decided.

One row a trigger, changed by etag. What is about to begin stands in the row first (`firing`), so that a crash between
the row and the activity is made good by whoever looks next, with the same events.
"""

from datetime import datetime
from typing import Any

import msgspec

from shared.ledger.cells import pack, unpack
from shared.ledger.protocol import AlreadyExistsError, ChangedError, Insert, NotFoundError, Replace, Row, Store, Value
from shared.ledger.records import SCHEMA


class Waiting(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An event that waits for others of its all-of: its claim, its time, the kinds it meets, and itself."""

    claim: str
    time: datetime
    kinds: tuple[int, ...]
    event: dict[str, Any] = {}


class Fired(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What has begun: when, the activity, and the claims of its events, which are used up."""

    at: datetime
    activity: str
    claims: tuple[str, ...]


class Mark(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one trigger remembers. `decided` and `met` are times of a schedule or of an expected event.

    `over` are the last openings of an all-of: an event that is told of again, after a crash, belongs to its own.
    """

    decided: datetime | None = None
    met: tuple[datetime, ...] = ()
    waiting: tuple[Waiting, ...] = ()
    firing: tuple[tuple[Waiting, ...], ...] = ()
    over: tuple[Fired, ...] = ()

    def activity_of(self, claim: str) -> str:
        """Give the activity that an event has taken part in, "" for none."""
        return next((one.activity for one in self.over if claim in one.claims), "")


class Marks:
    """The rows of triggers."""

    def __init__(self, store: Store) -> None:
        self._table = store.table("triggers")
        self._blobs = store.blobs

    async def read(self, automation: str, trigger: int) -> tuple[Mark, str]:
        """Give what the trigger remembers and the etag; an empty mark and "" where there is nothing."""
        row = await self._table.get(automation, str(trigger))
        if row is None:
            return Mark(), ""
        return msgspec.json.decode(await unpack(row.cells, self._blobs, "m0"), type=Mark), row.etag

    async def write(self, automation: str, trigger: int, mark: Mark, etag: str) -> str:
        """Write it if nobody else has since; give the new etag. Raises ChangedError."""
        cells: dict[str, Value] = {"schema": SCHEMA}
        cells |= await pack(msgspec.json.encode(mark), self._blobs, f"triggers/{automation}-{trigger}", "m0")
        row = Row(automation, str(trigger), cells, etag)
        try:
            return (await self._table.apply([Replace(row) if etag else Insert(row)]))[0]
        except (AlreadyExistsError, NotFoundError) as error:
            raise ChangedError(f"trigger {trigger} of {automation} was written meanwhile: {error}") from None
