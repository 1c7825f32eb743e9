"""An event that one version of the hub cannot read is kept apart, and decided once a later version can."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from shared.events import parsing
from shared.events.model import Broken, Event
from shared.intake import accept
from shared.replay import Replayer
from tests.unit.flow.world import AUTOMATION, ENVIRONMENT

Parsed = list[Event | Broken]


def older(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have intake read as a version that does not know CopyBlob."""
    read = parsing.parse

    def parse(body: bytes | str, now: Any) -> Parsed:
        return [
            Broken("api CopyBlob is not known to this version", dict(event.raw))
            if isinstance(event, Event) and event.data.get("api") == "CopyBlob"
            else event
            for event in read(body, now)
        ]

    monkeypatch.setattr(accept, "parse", parse)


def burst(world: Any) -> list[dict[str, Any]]:
    copied = world.blob_event("flights/2013-01/copied.csv", "0xC")
    copied["data"]["api"] = "CopyBlob"
    return [copied, world.blob_event("flights/2013-01/put.csv", "0xA")]


@pytest.mark.parametrize("way", ["dead letter", "span"])
async def test_what_was_quarantined_is_decided_after_an_upgrade(
    world_of: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    monkeypatch.setitem(ENVIRONMENT, "HUB_ACCOUNT_LANDING", "UseDevelopmentStorage=true")
    world = world_of(AUTOMATION)
    began = world.now
    with monkeypatch.context() as yesterday:
        older(yesterday)
        await world.send(*burst(world))
        await world.send(burst(world)[0])
    (letter,) = await world.hub.letters.newest(limit=10)
    assert (letter.kind, letter.reason) == ("quarantine", "api CopyBlob is not known to this version")
    world.hub = world.start()  # the upgrade
    world.now += timedelta(seconds=3)
    replayer = Replayer(world.hub, "ann", world.now)
    if way == "dead letter":
        chosen = await replayer.dead_letter(letter.id)
    else:
        chosen = await replayer.span(began, world.now, "quarantined")
    sent = await replayer.send(chosen, "")
    assert (sent.new, sent.broken) == (1, 0)
    await world.send(*burst(world), world.blob_event("flights/2013-01/_SUCCESS", "0xF"))
    await world.run(10)
    (activity,) = await world.activities()
    files = await world.hub.rulebook._files(activity.files)
    assert sorted(file.path for file in files) == ["flights/2013-01/copied.csv", "flights/2013-01/put.csv"]
    if way == "dead letter":
        assert (await world.hub.letters.get(letter.id))[0].replayed_by == "ann"
