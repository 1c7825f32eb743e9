"""A crash at any write of a promotion: another instance goes on, and the model is promoted once."""

from datetime import timedelta
from pathlib import Path

from shared.ledger.journal import UndecidedError
from shared.ledger.records import File
from tests.unit.flow.test_promote import FakeTargets, rewire
from tests.unit.flow.world import START, World

RULE = """
name: delay-promote
on: [{model-registered: {model: arrival-delay}}]
do: {promote: {to: {workspace: production, resource-group: live}}}
"""


class Crash(BaseException):
    """The instance dies here."""


async def told(folder: Path, at: int, when: str) -> tuple[int, World, FakeTargets]:
    """Promote a model, with a crash before or after the write of this number; give how many writes there were."""
    world, targets, writes = World(folder, RULE), FakeTargets(), 0
    for number in range(40):
        path = f"models/3/{number}.bin"
        world.data.lying.append(File(account="landing", container="models", path=path, etag="0x1", size=1, time=START))
    rewire(world, targets)

    async def hook(moment: str, _: str) -> None:
        nonlocal writes
        writes += moment == "before"
        if moment == when and writes == at:
            writes += 1
            raise Crash

    world.store.hook = hook
    event = world.model_event("arrival-delay", "3")
    delivered = False
    for _ in range(40):
        try:
            if not delivered:
                await world.send(event)
                delivered = True
            await world.run(120)
            await world.hub.sweep.run()
        except Crash:
            rewire(world, targets)
        except UndecidedError:
            world.now += timedelta(minutes=2)
    return writes, world, targets


async def test_it_is_promoted_once_wherever_it_crashes(tmp_path: Path) -> None:
    count, _, _ = await told(tmp_path / "calm", 0, "never")
    assert count > 10
    for when in ("before", "after"):
        for at in range(1, count + 1):
            _, world, targets = await told(tmp_path / f"{when}-{at}", at, when)
            where = f"{when} write {at}"
            assert [one.status for one in await world.activities()] == ["succeeded"], where
            assert len(targets.versions) == 1, where
            assert {target for _, target in world.data.copies} == {
                f"production/blobs/promoted/arrival-delay/3/{number}.bin" for number in range(40)
            }, where
