"""The switches: the whole hub, or one automation, kept back by somebody. What would begin is held, never dropped."""

from dataclasses import dataclass
from datetime import datetime

from shared.ledger.protocol import Delete, NotFoundError, Row, Store, Upsert, Value
from shared.ledger.records import SCHEMA

HUB = "hub"
_PARTITION = "switch"


def automation_switch(name: str) -> str:
    """Name the switch of one automation."""
    return f"automation:{name}"


@dataclass(frozen=True, slots=True)
class Pause:
    """Who paused it, when and why. `name` is `hub` or `automation:<name>`."""

    name: str
    who: str
    reason: str
    at: datetime


class Switches:
    """Pauses in force."""

    def __init__(self, store: Store) -> None:
        self._table = store.table("switches")

    async def pause(self, pause: Pause) -> None:
        """Pause; a second pause takes the place of the first."""
        cells: dict[str, Value] = {
            "schema": SCHEMA,
            "who": pause.who,
            "reason": pause.reason,
            "at": pause.at.isoformat(),
        }
        await self._table.apply([Upsert(Row(_PARTITION, pause.name, cells))])

    async def resume(self, name: str) -> bool:
        """End a pause; False where there was none."""
        try:
            await self._table.apply([Delete(_PARTITION, name)])
        except NotFoundError:
            return False
        return True

    async def all(self) -> dict[str, Pause]:
        """Give the pauses by name."""
        rows = await self._table.scan(_PARTITION)
        return {
            row.key: Pause(
                row.key, str(row.cells["who"]), str(row.cells["reason"]), datetime.fromisoformat(str(row.cells["at"]))
            )
            for row in rows
        }
