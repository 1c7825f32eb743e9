"""What comes into a collection a second time, as a crash left it undecided, is not gathered for long."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from shared.ledger.gathered import Member

RULE = """
name: batch
on:
  - blob-created:
      container: landing
      path: "in/{batch}/*.csv"
      collect: {by: [batch], quiet: 1h, max-wait: 2h, max-files: 3}
do: {notify: {to: [ops], message: "they came"}}
"""


async def three(world: Any, *, first: int = 0) -> Any:
    """Give the activity of a batch's three files, and the name of its collection."""
    await world.send(*(world.blob_event(f"in/a/{n}.csv", f"0x{n}") for n in range(first, first + 3)))
    await world.run(90)
    activity = (await world.activities())[0]
    return activity, activity.cause.collection


async def again(world: Any, name: str, part: str, *files: Any) -> None:
    """Given that a delivery whose files were gathered by an instance that died is decided by another one."""
    head, _ = await world.hub.collections.head(name)
    member = Member(arrived=world.now, files=files)
    await world.hub.collections.put(name, member, part, head, world.now, timedelta(hours=1))


async def test_a_generation_of_what_was_taken_before_ends_soon_and_opens_nothing(
    world_of: Callable[[str], Any],
) -> None:
    world = world_of(RULE)
    activity, name = await three(world)
    files = await world.hub.collections.frozen(f"collections/{name}/1.json")
    for time in range(5):  # more often than lists are compared
        await again(world, name, f"again-{time}", *files[: 1 + time % 3])
        assert (await world.hub.collections.head(name))[0].state == "open"
        for _ in range(3):
            await world.run(60)
            await world.hub.sweep.run()
        head, _ = await world.hub.collections.head(name)
        assert (head.state, head.generation) == ("idle", time + 3)
    assert [one.id for one in await world.activities()] == [activity.id]


async def test_one_that_holds_something_new_waits_for_the_rest(world_of: Callable[[str], Any]) -> None:
    world = world_of(RULE)
    _, name = await three(world)
    files = await world.hub.collections.frozen(f"collections/{name}/1.json")
    await again(world, name, "again", files[0])
    await world.send(world.blob_event("in/a/3.csv", "0x3"))
    for _ in range(5):
        await world.run(60)
        await world.hub.sweep.run()
    assert (await world.hub.collections.head(name))[0].state == "open"
    await world.run(2 * 3600)
    second, _ = await world.activities()
    assert (second.files.count, second.cause.generation) == (1, 2)
