"""Deliveries of many events: their parts go in together, and a sweep that decides one of them alone loses nothing."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from shared.backfill import backfill
from shared.events.identity import claim
from shared.events.parsing import parse
from shared.ledger.journal import UndecidedError, shard_of
from shared.ledger.protocol import StoreError
from shared.ledger.records import Outcome, Taken
from shared.replay import Replayer


async def test_a_sweep_between_claim_and_effect_loses_no_file(world: Any) -> None:
    """Given a delivery that is slow, and a sweep of another instance that finds its first part and decides it."""
    files = [world.blob_event(f"flights/2013-01/{n}.csv", f"0x{n}", number=n) for n in range(60)]
    collections = world.hub.intake._collections
    put, swept = collections.put, []

    async def slow(*arguments: Any) -> int:
        if not swept:
            swept.append(0)
            parts = await world.hub.journal.stale(world.now + timedelta(minutes=2))
            await world.hub.intake._decide(parts[:1])
        return int(await put(*arguments))

    collections.put = slow
    await world.send(*files)
    collections.put = put
    await world.send(world.blob_event("flights/2013-01/_SUCCESS", "0xFF", number=99))
    await world.run(200)
    (activity,) = await world.activities()
    assert activity.files.count == 60


async def test_a_head_that_closed_since_it_was_seen_takes_nothing_with_it(world: Any) -> None:
    """Given a collection that closes moments after this instance saw it open."""
    for burst in range(4):
        files = [world.blob_event(f"flights/2013-01/{burst}-{n}.csv", f"0x{burst}{n}", number=n) for n in range(3)]
        await world.send(*files)
        await world.send(world.blob_event("flights/2013-01/_SUCCESS", f"0xF{burst}", number=90 + burst))
        await world.run(6)
    await world.run(600)
    assert sum(activity.files.count for activity in await world.activities()) == 12


async def test_deliveries_that_cross_leave_nothing_open(world: Any) -> None:
    """Given two deliveries that share a file, and the second comes while the first is being decided.

    Then the second does what it alone was told of at once, and only the shared file is left to the first.
    """
    files = [world.blob_event(f"flights/2013-01/{n}.csv", f"0x{n}", number=n) for n in range(40)]
    of_shard: dict[str, list[Any]] = {}
    for file, event in zip(files, parse(json.dumps(files), world.now), strict=True):
        of_shard.setdefault(shard_of(claim(event)), []).append(file)
    here, there = [some for some in of_shard.values() if len(some) > 1][:2]
    collections = world.hub.intake._collections
    put, crossed = collections.put, []

    async def slow(*arguments: Any) -> int:
        if not crossed:
            crossed.append(0)
            with pytest.raises(UndecidedError):
                await world.hub.intake.accept(json.dumps([here[0], *there]), world.now, "queue")
        return int(await put(*arguments))

    collections.put = slow
    await world.send(*here)
    collections.put = put
    assert await world.hub.journal.stale(world.now + timedelta(minutes=2)) == []
    again = await world.hub.intake.accept(json.dumps([here[0], *there]), world.now, "queue")
    assert (again.new, again.known) == (0, 1 + len(there))
    await world.send(world.blob_event("flights/2013-01/_SUCCESS", "0xFF", number=99))
    await world.run(200)
    (activity,) = await world.activities()
    assert activity.files.count == len(here) + len(there)


ON = "name: {}\non: [{}]\ndo: {{job: {{job: jobs/train.yml, inputs: {{data: 'azureml:x:1'}}}}}}\n"


async def test_what_one_backfill_had_decided_no_other_decides_once_more(world_of: Callable[[str], Any]) -> None:
    """Given a file that no rule wanted when it came, and two rules since that want it."""
    trigger = "{blob-created: {container: landing, path: 'in/*'}}"
    world = world_of(ON.format("one", trigger) + "---\n" + ON.format("two", trigger))
    (event,) = parse(json.dumps([world.blob_event("in/a.csv", "0x1", number=1)]), world.now)
    ignored = (Outcome(what="ignored", reason="no rule wanted it then"),)
    taken = Taken(claim=claim(event), event=event.raw, via="queue", outcomes=ignored)
    await world.hub.journal.claim([taken], world.now, decided=True)
    came = []
    for name in ("one", "two"):
        world.now += timedelta(hours=1)
        rule = world.hub.rulebook.automation(name)
        found = await backfill(world.hub, rule, [event], "ann", world.now, do=True)
        came.append((found.again, found.known))
        await world.run(5)
    assert came == [(1, 0), (0, 1)]
    assert sorted(one.automation for one in await world.activities()) == ["one", "two"]


async def test_an_event_without_a_time_that_is_replayed_begins_once(world_of: Callable[[str], Any]) -> None:
    """Given that the instance dies once the activity is opened, and that the sweep decides the event again."""
    world = world_of(ON.format("told", "{event: {type: acme.done}}"))
    body = json.dumps({"specversion": "1.0", "id": "1", "source": "/acme", "type": "acme.done", "data": {}})
    await world.hub.intake.accept(body, world.now, "push")
    await world.run(5)
    first = {one.id for one in await world.activities()}
    (known,) = parse(body, world.now)
    world.now += timedelta(minutes=30)
    decide = world.hub.journal.decide

    async def died(*_: Any) -> None:
        raise StoreError("the instance died")

    world.hub.journal.decide = died
    replayer = Replayer(world.hub, "ann", world.now)
    chosen = await replayer.event(claim(known))
    with pytest.raises(StoreError):
        await replayer.send(chosen, "once-more")
    world.hub.journal.decide = decide
    world.now += timedelta(minutes=2)
    await world.hub.intake.sweep(world.now)
    assert len({one.id for one in await world.activities()} - first) == 1
