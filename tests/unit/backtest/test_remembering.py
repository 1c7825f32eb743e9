"""What a pretended hub only remembers, it decides as one that keeps everything in the ledger."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from shared.automations.loading import load
from shared.events.model import Event
from shared.events.parsing import parse_one
from shared.intake.read import Read
from shared.ledger.collections import Collections
from shared.ledger.journal import Journal
from shared.simulate import world as worlds
from shared.simulate.run import usual
from tests.unit.backtest import spans

EVENTS = 700
BEGAN = datetime(2013, 2, 1, 6, tzinfo=UTC)


async def told(desk: Any, rules: str, history: spans.Span) -> dict[str, Any]:
    """Give all that a world of these rules has decided about a span."""
    folder = desk.root / "automations"
    for old in folder.iterdir():
        old.unlink()
    (folder / "rules.yml").write_text(rules)
    catalogue = load(folder, desk.root)
    assert not catalogue.invalid
    world = worlds.World(desk.hub.settings, catalogue, BEGAN, usual)
    claims: set[str] = set()
    for stored in history.parts:
        taken = await history.read(stored)
        claims.update(one.claim for one in taken)
        events = [parse_one(one.event, stored.received) for one in taken]
        await world.deliver([Read.of(event) for event in events if isinstance(event, Event)], stored.received, "test")
    await world.run_until(history.ended + worlds._TICK * 60 * 48)
    activities = {}
    for activity in await world.activities():
        said = msgspec.to_builtins(activity)
        if activity.files.blob:  # lists of merged activities are named by etags, which count all writes
            said["files"]["blob"] = (await world.store.blobs.get(activity.files.blob)).decode()
        activities[activity.id] = said
    outcomes = {claim: found[0].outcomes for claim in claims if (found := await world.hub.journal.get(claim))}
    return {"activities": activities, "outcomes": outcomes, "holds": world.steps.holds, "looks": world._looks}


@pytest.mark.parametrize("seed", [1, 2])
async def test_all_is_decided_as_with_a_ledger(desk: Any, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    history = spans.Span(desk.store, BEGAN, seed, EVENTS)
    await history.write()
    rules = (spans.BEFORE, spans.asked())[seed % 2]
    remembered = await told(desk, rules, history)
    monkeypatch.setattr(worlds, "Remembered", Journal)
    monkeypatch.setattr(worlds, "Remembering", Collections)
    kept = await told(desk, rules, history)
    assert len(kept["activities"]) > 150
    assert len({one["automation"] for one in kept["activities"].values()}) == 11
    for part in kept:
        assert remembered[part] == kept[part], part
