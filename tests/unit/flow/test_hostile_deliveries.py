"""Deliveries at the limits of what Event Grid sends: the longest names, the largest events, all broken but one."""

from collections.abc import Callable
from typing import Any

DO = "do: {job: {job: jobs/train.yml, inputs: {data: '${{ files }}'}}}"
COLLECT = "collect: {quiet: 1m, max-wait: 1h}"
BURST = f"name: burst\non: [{{blob-created: {{container: landing, path: 'in/**', {COLLECT}}}}}]\n{DO}"
DO_ANY = "do: {job: {job: jobs/train.yml, inputs: {data: 'azureml:x:1'}}}"
ANY = f"name: pushed\non: [{{event: {{type: com.example.*}}}}]\n{DO_ANY}"


async def test_hundreds_of_files_with_names_of_1024_characters_are_one_burst(world_of: Callable[[str], Any]) -> None:
    world = world_of(BURST)
    paths = [f"in/{'é' * 500}/{'%41' * 170}/{number:04}"[:1024].ljust(1024, "x") for number in range(250)]
    paths = [f"{path[:-4]}{number:04}" for number, path in enumerate(paths)]
    await world.send(*({**world.blob_event(path, f"0x{n}"), "id": f"{n}"} for n, path in enumerate(paths)))
    await world.run(70)
    (activity,) = await world.activities()
    files = await world.hub.rulebook._files(activity.files)
    assert sorted(file.path for file in files) == sorted(paths), "as they are, percent signs too"


async def test_an_event_of_nearly_a_megabyte_starts_its_activity(world_of: Callable[[str], Any]) -> None:
    world = world_of(ANY)
    text = "".join(chr(0x4E00 + number * 7919 % 20_000) for number in range(150_000))
    event = {"id": "1", "source": "ci", "type": "com.example.pushed", "specversion": "1.0", "data": {"text": text}}
    await world.send(event)
    await world.run(5)
    (activity,) = await world.activities()
    assert (activity.status, activity.cause.event["data"]["text"]) == ("running", text)
    await world.send(event)
    assert len(await world.activities()) == 1


async def test_an_all_of_of_many_large_events_keeps_every_one(world_of: Callable[[str], Any]) -> None:
    parts = "[{event: {type: com.example.part}}, {event: {type: com.example.go}}]"
    world = world_of(f"name: both\non: [{{all-of: {{within: 1d, of: {parts}}}}}]\n{DO_ANY}")
    text = "x" * 60_000
    for number in range(40):
        body = {"text": f"{number}{text}"}
        part = {"id": f"{number}", "source": "ci", "type": "com.example.part", "specversion": "1.0", "data": body}
        await world.send(part)
    await world.send({"id": "go", "source": "ci", "type": "com.example.go", "specversion": "1.0"})
    await world.run(5)
    (activity,) = await world.activities()
    assert (len(activity.events), activity.cause.count) == (41, 41)


async def test_one_good_event_among_hundreds_of_broken_ones_is_taken(world_of: Callable[[str], Any]) -> None:
    world = world_of(BURST)
    hostile = ["in/../x", "in/a\0b", "in/" + "x" * 1100, "/in/x", ""]
    events = [{**world.blob_event(path, f"0x{n}"), "id": f"{n}"} for n in range(40) for path in hostile]
    events[100:100] = [world.blob_event("in/good", "0x1")]
    await world.send(*events)
    await world.run(70)
    (activity,) = await world.activities()
    assert [file.path for file in await world.hub.rulebook._files(activity.files)] == ["in/good"]
    letters = await world.hub.letters.newest(limit=1000)
    assert {letter.kind for letter in letters} == {"quarantine"}
    assert len({letter.reason for letter in letters}) >= 4
