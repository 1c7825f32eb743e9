"""Activities in the ledger: opened once, saved by etag, listed newest first by day."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Final

from shared.ledger.cells import pack, unpack
from shared.ledger.protocol import AlreadyExistsError, Blobs, Insert, NotFoundError, Queue, Replace, Row, Store, Value
from shared.ledger.records import SCHEMA, Activity, decode, encode
from shared.ledger.unfinished import Unfinished

_DAY: Final = 86_400
MAX_DELAY: Final = timedelta(days=6)
"""A queue message can wait seven days at most; the due time is in the row, the message is armed again."""


def address(identifier: str) -> tuple[str, str]:
    """Give partition and key of an id: a partition a day, the newest first in it."""
    day, clock = identifier[:8], identifier[9:15]
    seconds = int(clock[:2]) * 3600 + int(clock[2:4]) * 60 + int(clock[4:6])
    return day, f"{_DAY - seconds:05}-{identifier}"


class Activities:
    """The activities, and the messages that wake them."""

    def __init__(self, store: Store, work: Queue) -> None:
        self._table = store.table("activities")
        self._blobs = store.blobs
        self._unfinished = Unfinished(store)
        self._work = work

    async def open(self, activity: Activity) -> bool:
        """Enter an activity and wake it; False where it was there. After a crash anywhere inside, call it again."""
        await self._unfinished.add("activity", activity.id)
        partition, key = address(activity.id)
        try:
            await self._table.apply([Insert(Row(partition, key, await cells(activity, self._blobs)))])
        except AlreadyExistsError:
            return False
        await self.wake(activity.id, timedelta(0))
        return True

    async def enter(self, identifier: str) -> None:
        """Put it (again) into the index of what is unfinished, before it is written as such."""
        await self._unfinished.add("activity", identifier)

    async def load(self, identifier: str) -> tuple[Activity, str]:
        """Give the activity and its etag, or raise NotFoundError."""
        try:
            partition, key = address(identifier)
        except ValueError:
            raise NotFoundError(f"no activity {identifier!r}: an id looks like 20130201t093000-3f9a1c7b2e") from None
        row = await self._table.get(partition, key)
        if row is None:
            raise NotFoundError(f"no activity {identifier!r} in the ledger")
        return await _activity(row, self._blobs), row.etag

    async def save(self, activity: Activity, etag: str) -> str:
        """Write the activity if nobody else has since `etag`; give the new one. Raises ChangedError."""
        partition, key = address(activity.id)
        row = Row(partition, key, await cells(activity, self._blobs), etag)
        return (await self._table.apply([Replace(row)]))[0]

    async def wake(self, identifier: str, delay: timedelta, armed_for: str = "") -> None:
        """Have the engine look at it after a delay, at most MAX_DELAY (the sweep wakes what is due later).

        The message is a hint: one lost or doubled changes nothing. One that was armed for a due time is dropped when
        the activity is due at another; without it the engine looks at once.
        """
        await self._work.send(f"activity:{identifier}:{armed_for}", delay=min(delay, MAX_DELAY).total_seconds())

    async def close(self, identifier: str) -> None:
        """Take a finished activity out of the index of what is unfinished: its very last write."""
        entry = await self._unfinished.get("activity", identifier)
        if entry:
            await self._unfinished.remove(entry)

    async def newest(self, now: datetime, *, until: datetime, before: str = "") -> AsyncIterator[Activity]:
        """Give activities from the newest on, back to `until`, starting after the id `before`."""
        day = datetime.strptime(before[:8], "%Y%m%d").replace(tzinfo=UTC) if before else now.astimezone(UTC)
        after = address(before)[1] if before else ""
        while f"{day:%Y%m%d}" >= f"{until.astimezone(UTC):%Y%m%d}":
            while rows := await self._table.scan(f"{day:%Y%m%d}", after=after, limit=200):
                for row in rows:
                    yield await _activity(row, self._blobs)
                after = rows[-1].key
            day, after = day - timedelta(days=1), ""


async def cells(activity: Activity, blobs: Blobs) -> dict[str, Value]:
    """Give what its row holds; what no row could hold goes to a blob first."""
    columns: dict[str, Value] = {"schema": SCHEMA, "status": activity.status, "automation": activity.automation}
    return columns | await pack(encode(activity), blobs, f"activities/{activity.id}")


async def _activity(row: Row, blobs: Blobs) -> Activity:
    return decode(Activity, await unpack(row.cells, blobs))
