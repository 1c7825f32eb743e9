"""Dead letters: what could not be delivered, read or worked on ends here, where people see it and can send it again.

Kinds: `event-grid` (Event Grid gave up delivering it), `events` and `work` (poison messages of the hub's queues),
`quarantine` (events that could not be read) and `notify` (messages to people that could not be delivered).
"""

import contextlib
import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, Literal

import msgspec

from shared.ledger.protocol import AlreadyExistsError, Delete, NotFoundError, Row, Store, Upsert, Value
from shared.ledger.records import SCHEMA
from shared.telemetry import recording

Kind = Literal["event-grid", "events", "work", "quarantine", "notify"]
_PARTITION: Final = "dead"
_END: Final = 9_999_999_999_999


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One dead letter. `replayed` is when somebody last sent it again."""

    id: str
    kind: Kind
    at: datetime
    reason: str
    subject: str = ""
    type: str = ""
    attempts: int = 0
    replayed: datetime | None = None
    replayed_by: str = ""


class DeadLetters:
    """The dead letters, newest first."""

    def __init__(self, store: Store) -> None:
        self._table = store.table("deadletters")
        self._blobs = store.blobs

    async def record(
        self, kind: Kind, content: bytes, at: datetime, reason: str, *, once: bool = False, **more: Any
    ) -> DeadLetter:
        """Keep one; the same content of a moment is one, with `once` of any. `more`: subject, type, attempts."""
        digest = hashlib.sha256(kind.encode() + b"\0" + content).hexdigest()[:12]
        if once:
            at = await self._first(digest, at)
        moment = int(at.timestamp() * 1000)
        letter = DeadLetter(id=f"{_END - moment:013}-{digest}", kind=kind, at=at, reason=reason[:2000], **more)
        if once and (known := await self._table.get(_PARTITION, letter.id)) is not None:
            return _letter(known)
        await self._blobs.put(_name(letter.id), content)
        await self._write(letter)
        recording.number("hub.dead_letters", kind=kind)
        return letter

    async def _first(self, digest: str, at: datetime) -> datetime:
        """Give when this content was first kept; from now on that is this moment."""
        try:
            await self._blobs.put(_first_name(digest), at.isoformat().encode(), absent=True, content_type="text/plain")
        except AlreadyExistsError:
            return datetime.fromisoformat((await self._blobs.get(_first_name(digest))).decode())
        return at

    async def get(self, identifier: str) -> tuple[DeadLetter, bytes]:
        """Give one with its content, or raise NotFoundError."""
        row = await self._table.get(_PARTITION, identifier)
        if row is None:
            raise NotFoundError(f"there is no dead letter {identifier!r}")
        return _letter(row), await self._blobs.get(_name(identifier))

    async def newest(self, *, limit: int, after: str = "") -> list[DeadLetter]:
        """Give the newest, those older than the id `after`."""
        return [_letter(row) for row in await self._table.scan(_PARTITION, after=after, limit=limit)]

    async def replayed(self, letter: DeadLetter, who: str, at: datetime) -> None:
        """Mark that it was sent again."""
        await self._write(msgspec.structs.replace(letter, replayed=at, replayed_by=who))

    async def drop(self, before: datetime, *, limit: int) -> int:
        """Drop at most `limit` of those from before a time; give how many went."""
        after = f"{_END - int(before.timestamp() * 1000):013}-~"
        rows = await self._table.scan(_PARTITION, after=after, limit=limit)
        for row in rows:
            await self._blobs.delete(_name(row.key))
            await self._blobs.delete(_first_name(row.key.rpartition("-")[2]))
            with contextlib.suppress(NotFoundError):
                await self._table.apply([Delete(_PARTITION, row.key)])
        return len(rows)

    async def _write(self, letter: DeadLetter) -> None:
        cells: dict[str, Value] = {"schema": SCHEMA, "letter": msgspec.json.encode(letter)}
        await self._table.apply([Upsert(Row(_PARTITION, letter.id, cells))])


def _name(identifier: str) -> str:
    return f"dead/{identifier}"


def _first_name(digest: str) -> str:
    return f"dead/first-{digest}"


def _letter(row: Row) -> DeadLetter:
    text = row.cells["letter"]
    return msgspec.json.decode(text if isinstance(text, bytes) else b"", type=DeadLetter)


def of_event_grid(event: Mapping[str, Any]) -> tuple[str, datetime]:
    """Give why Event Grid gave up on an event and when, from the fields it adds to a dead-lettered one."""
    reason = str(event.get("deadLetterReason") or event.get("deadletterreason") or "unknown")
    outcome = str(event.get("lastDeliveryOutcome") or event.get("lastdeliveryoutcome") or "")
    text = str(event.get("lastDeliveryAttemptTime") or event.get("lastdeliveryattempttime") or "")
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = datetime.fromtimestamp(0, UTC)
    return f"{reason}{f', last outcome {outcome}' if outcome else ''}", moment if moment.tzinfo else moment.replace(
        tzinfo=UTC
    )
