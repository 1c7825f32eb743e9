"""What each model version scored: one row a batch run whose results were checked, by model and version."""

from datetime import datetime
from typing import Final

import msgspec

from shared.ledger.protocol import Row, Store, Upsert, Value
from shared.ledger.records import SCHEMA

_MOST: Final = 1000


class Scoring(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A batch run whose results count: by which model (`name:version`), where they lie, and how many rows they have."""

    model: str
    activity: str
    attempt: int
    automation: str
    at: datetime
    output: str
    files: int = 0
    rows: int = 0
    run: str = ""
    endpoint: str = ""
    deployment: str = ""


class Scorings:
    """The batch runs of model versions."""

    def __init__(self, store: Store) -> None:
        self._table = store.table("scorings")

    async def add(self, scoring: Scoring) -> None:
        """Enter a run; the same again changes nothing."""
        key = f"{scoring.activity}-{scoring.attempt}"
        cells: dict[str, Value] = {"schema": SCHEMA, "scoring": msgspec.json.encode(scoring)}
        await self._table.apply([Upsert(Row(scoring.model, key, cells))])

    async def of(self, model: str, version: str) -> list[Scoring]:
        """Give the runs of a model version, the oldest first, at most 1,000."""
        rows = await self._table.scan(f"{model}:{version}", limit=_MOST)
        return [msgspec.json.decode(_text(row), type=Scoring) for row in rows]


def _text(row: Row) -> bytes:
    text = row.cells["scoring"]
    return text if isinstance(text, bytes) else b"{}"
