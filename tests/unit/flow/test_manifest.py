"""A burst that a manifest describes: it begins when all that is listed came, and says what it waits for meanwhile."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from shared.deciding.collecting import Facts, Wait, decide
from shared.ledger.unfinished import Unfinished

DO = "do: {job: {job: jobs/train.yml, inputs: {data: '${{ files }}'}}}"


def automation(more: str = "if-incomplete: hold") -> str:
    until = "until: {manifest: 'in/{day}/manifest.json'}"
    collect = f"collect: {{by: [day], quiet: 2m, max-wait: 2h, {until}, {more}}}"
    return f"name: listed\non: [{{blob-created: {{container: landing, path: 'in/{{day}}/*.csv', {collect}}}}}]\n{DO}"


def manifest(world: Any, *files: Any, etag: str = "0xM", number: int = 1) -> dict[str, object]:
    world.data.contents["in/1/manifest.json"] = json.dumps({"files": list(files)}).encode()
    event: dict[str, object] = world.blob_event("in/1/manifest.json", etag, number=number)
    return event


async def waits_for(world: Any) -> str:
    (entry,) = await Unfinished(world.store).all("collection")
    head, _ = await world.hub.collections.head(entry.name)
    gathered = await world.hub.collections.gathered(entry.name, head.generation)
    facts = Facts(
        files=gathered.count,
        size=gathered.size,
        opened=head.opened,
        arrived=gathered.arrived,
        marker=gathered.marked,
        missing=gathered.missing,
    )
    verdict = decide(await world.hub.rulebook.rule(head), facts, world.now)
    assert isinstance(verdict, Wait)
    return verdict.reason


async def test_it_waits_for_every_file_of_the_list_and_then_begins_at_once(world_of: Callable[[str], Any]) -> None:
    world = world_of(automation())
    await world.send(world.blob_event("in/1/a.csv", "0xA"))
    await world.run(600)
    assert await waits_for(world) == "its manifest has not come"
    listed = [{"name": "a.csv", "size": 10, "etag": '"0xA"'}, {"name": "b.csv", "size": 10}, "c.csv"]
    await world.send(manifest(world, *listed))
    await world.run(600)
    assert await waits_for(world) == "its manifest lacks b.csv, c.csv"
    await world.send(world.blob_event("in/1/b.csv", "0xB"))
    await world.run(600)
    assert await waits_for(world) == "its manifest lacks c.csv"
    assert await world.activities() == []
    await world.send(world.blob_event("in/1/c.csv", "0xC"))
    await world.run(2)
    (activity,) = await world.activities()
    assert (activity.files.count, activity.cause.closed_by) == (3, "all that its manifest lists came")


async def test_a_manifest_that_comes_first_or_with_all_is_enough(world_of: Callable[[str], Any]) -> None:
    world = world_of(automation())
    await world.send(manifest(world, "a.csv"), world.blob_event("in/1/a.csv", "0xA"))
    await world.run(2)
    assert [activity.files.count for activity in await world.activities()] == [1]


async def test_another_content_than_the_listed_one_is_waited_for(world_of: Callable[[str], Any]) -> None:
    world = world_of(automation())
    await world.send(
        world.blob_event("in/1/a.csv", "0xOLD", number=1), manifest(world, {"name": "a.csv", "etag": "0xNEW"})
    )
    await world.run(60)
    assert await waits_for(world) == "its manifest lacks a.csv (etag 0xOLD, 0xNEW is listed)"
    await world.send(world.blob_event("in/1/a.csv", "0xNEW", number=2))
    await world.run(2)
    (activity,) = await world.activities()
    assert [file.etag for file in await world.hub.rulebook._files(activity.files)] == ["0xNEW"]


async def test_a_broken_manifest_is_named_and_a_mended_one_takes_its_place(world_of: Callable[[str], Any]) -> None:
    world = world_of(automation())
    broken = manifest(world, number=1)
    await world.send(world.blob_event("in/1/a.csv", "0xA"), broken)
    await world.run(60)
    assert (await waits_for(world)).startswith("its manifest lacks in/1/manifest.json lists no files: ")
    await world.send(manifest(world, "a.csv", etag="0xM2", number=2))
    await world.run(2)
    assert [activity.status for activity in await world.activities()] == ["running"]


@pytest.mark.parametrize(
    ("more", "statuses", "reason"),
    [
        (
            "if-incomplete: hold",
            [],
            "held: its manifest lacks b.csv within 2h; close it by hand, or the rest closes it",
        ),
        ("if-incomplete: run", ["running"], "its manifest lacks b.csv within 2h"),
        ("if-incomplete: fail", ["failed"], "incomplete: its manifest lacks b.csv within 2h"),
    ],
)
async def test_what_never_comes_is_held_run_without_or_failed(
    world_of: Callable[[str], Any], more: str, statuses: list[str], reason: str
) -> None:
    world = world_of(automation(more))
    await world.send(world.blob_event("in/1/a.csv", "0xA"), manifest(world, "a.csv", "b.csv"))
    await world.run(3 * 3600)
    activities = await world.activities()
    assert [activity.status for activity in activities] == statuses
    if activities:
        assert activities[0].cause.closed_by == reason
        assert activities[0].reason == (reason if statuses == ["failed"] else "")
    else:
        assert await waits_for(world) == reason
