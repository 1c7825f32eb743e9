"""A hub that has done much: a page asks a bounded number of bounded questions, and answers soon."""

from datetime import timedelta
from typing import Any

import pytest
from msgspec import structs

from shared.ledger.memory import MemoryTable
from shared.ledger.protocol import Row

ACTIVITIES = 100_000
PAGES = (
    *("", "activities", "activities?status=failed", "activities?status=refused", "activities?automation=delay-train"),
    *("automations", "collections", "holds", "endpoints", "models", "drift", "events", "dead-letters"),
    *("notifications", "audit"),
)


async def fill(desk: Any) -> None:
    """Put activities of thirty days into the ledger: one of each hour is entered, the others lie there like it."""
    await desk.send(
        desk.blob_event("flights/2013-01/a.csv", "0x1"), desk.blob_event("flights/2013-01/_SUCCESS", "0xF", number=2)
    )
    await desk.run(10)
    await desk.finish()
    (model,) = await desk.activities()
    table, hours = desk.store.table("activities"), 30 * 24
    for hour in range(hours):
        at = desk.now - timedelta(hours=hour)
        status = "failed" if hour % 20 == 7 else "succeeded"
        identifier = f"{at:%Y%m%dt%H%M%S}-{hour:010x}"
        await desk.hub.activities.open(structs.replace(model, id=identifier, status=status, created=at, updated=at))
        await desk.hub.activities.close(identifier)
        partition = identifier[:8]
        rows, keys = table._rows[partition], table._keys[partition]
        known = next(key for key in keys if key.endswith(identifier))
        for number in range(1, ACTIVITIES // hours + 1):
            key = f"{known}-{number:04}"
            rows[key] = Row(partition, key, rows[known].cells, "1")
            keys.append(key)
        keys.sort()
    assert sum(len(rows) for rows in table._rows.values()) > 0.99 * ACTIVITIES


async def test_a_hundred_thousand_activities_make_no_page_slow(browser: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = browser.desk
    await fill(desk)
    await browser.sign_in()
    asked: list[tuple[str, int]] = []
    scan, get = MemoryTable.scan, MemoryTable.get

    async def counted_scan(self: MemoryTable, partition: str, **given: Any) -> list[Row]:
        found = await scan(self, partition, **given)
        asked.append((self.name, len(found)))
        return found

    async def counted_get(self: MemoryTable, partition: str, key: str) -> Row | None:
        asked.append((self.name, 1))
        return await get(self, partition, key)

    monkeypatch.setattr(MemoryTable, "scan", counted_scan)
    monkeypatch.setattr(MemoryTable, "get", counted_get)
    for path in PAGES:
        asked.clear()
        page = await browser.get(path)
        assert page.status == 200
        assert len(page.text) < 400_000, path
        assert len(asked) <= 120, f"{path}: {len(asked)} questions"
        assert sum(rows for _, rows in asked) <= 6000, f"{path}: {sum(rows for _, rows in asked)} rows"
        assert max((rows for _, rows in asked), default=0) <= 1000, path
