"""The probe: a blob of the hub's own that travels the whole way, from storage by Event Grid to the ledger, timed."""

import json
from datetime import datetime
from typing import Final

import msgspec

from shared.data import Data
from shared.deciding.matching import PROBE
from shared.events.model import BlobCreated, Event
from shared.ledger.protocol import Row, Store, Upsert, Value
from shared.ledger.records import SCHEMA
from shared.telemetry import recording

_PARTITION: Final = "probe"


class Probe(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The last probe that was sent, and the last that came back with the seconds it took."""

    sent: datetime | None = None
    came: datetime | None = None
    latency: float | None = None


class Probes:
    """Sends probes, and takes note of those that come back."""

    def __init__(self, store: Store, data: Data, account: str, container: str) -> None:
        self._table = store.table("probes")
        self._data = data
        self._place = (account, container)

    async def send(self, now: datetime) -> None:
        """Write the probe's blob; there is one blob, overwritten each time."""
        account, container = self._place
        if not account:
            return
        await self._write("sent", {"at": now.isoformat()})
        content = json.dumps({"sent": now.isoformat()}).encode()
        await self._data.write(account, container, f"{PROBE}latest.json", content)

    async def came(self, event: Event, now: datetime) -> None:
        """Take note of a probe that came back; the way began when storage wrote it."""
        if isinstance(event.facts, BlobCreated):
            latency = (now - event.time).total_seconds()
            await self._write("came", {"at": now.isoformat(), "latency": latency})
            recording.number("hub.probe.latency", max(0.0, latency))

    async def last(self) -> Probe:
        """Give when the last one was sent and came back."""
        rows = {row.key: row.cells for row in await self._table.scan(_PARTITION)}
        sent, came = rows.get("sent"), rows.get("came")
        return Probe(
            sent=datetime.fromisoformat(str(sent["at"])) if sent else None,
            came=datetime.fromisoformat(str(came["at"])) if came else None,
            latency=float(came["latency"]) if came and isinstance(came["latency"], int | float) else None,
        )

    async def _write(self, key: str, cells: dict[str, Value]) -> None:
        await self._table.apply([Upsert(Row(_PARTITION, key, {"schema": SCHEMA, **cells}))])
