"""What the hub tells of its work: whole traces, counted events, by the shipped code in memory."""

from collections import Counter
from collections.abc import Callable
from typing import Any

from shared.telemetry.names import ATTRIBUTES, METRICS, SPANS
from shared.telemetry.recording import Buffer, Number, Span

World = Any
PUBLISHED = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
AUTOMATION = """
name: told
on:
  - event: {type: com.example.ready}
do:
  train: {job: jobs/train.yml, register: {model: arrival-delay, from: model}}
"""


def spans(caught: Buffer) -> tuple[list[Span], list[Number]]:
    records = caught.take()
    return [one for one in records if isinstance(one, Span)], [one for one in records if isinstance(one, Number)]


async def test_a_burst_is_one_trace_from_its_first_file_to_the_last_job(world: World, caught: Buffer) -> None:
    files = [world.blob_event(f"flights/2013-01/EWR/{n:03}.csv", f"0x{n}", number=n) for n in range(30)]
    await world.send(*files, world.blob_event("flights/2013-01/_SUCCESS", "0xFFF", number=30))
    await world.run(10)
    for _ in range(2):
        world.azureml.end_jobs()
        await world.run(60)
    (activity,) = await world.activities()
    found, numbers = spans(caught)
    assert {span.place.trace for span in found if not span.name.startswith(("event ModelR", "decide"))} == {
        activity.cause.claims[0]
    }
    steps = [f"step {step.name}" for step in activity.steps]
    told = {span.name for span in found}
    assert {"event BlobCreated", *steps, "job delay-train check", "job delay-train train"} <= told
    inner = {span.place.span: span for span in found}
    chain = ["job delay-train train", "step train", "activity delay-train", "collect delay-train", "event BlobCreated"]
    at = next(span for span in found if span.name == chain[0])
    for name in chain[1:]:
        at = inner[at.place.parent]
        assert at.name == name
    assert at.place.parent == ""
    collect = next(span for span in found if span.name == "collect delay-train")
    assert len(collect.links) == 19
    counted: Counter[tuple[str, str]] = Counter()
    for number in numbers:
        if number.name == "hub.decisions":
            counted[number.name, str(number.attributes["outcome"])] += int(number.value)
    assert counted["hub.decisions", "collected"] == 30
    assert counted["hub.decisions", "marked"] == 1


async def test_jobs_models_and_data_carry_the_trace(world: World, caught: Buffer) -> None:
    await world.send(
        world.blob_event("flights/2013-01/a.csv", "0x1"), world.blob_event("flights/2013-01/_SUCCESS", "0x2")
    )
    await world.run(10)
    for _ in range(2):
        world.azureml.end_jobs()
        await world.run(60)
    found, _ = spans(caught)
    at = {span.name: span.place.traceparent for span in found}
    tagged = {request.name.split("-")[-2]: request.tags["traceparent"] for request in world.azureml.requests}
    assert tagged == {"check": at["job delay-train check"], "train": at["job delay-train train"]}
    (model,) = world.azureml.models.values()
    assert model.tags["traceparent"] == at["activity delay-train"]


async def test_an_event_that_brings_a_trace_has_its_activity_in_it(
    world_of: Callable[[str], World], caught: Buffer
) -> None:
    world = world_of(AUTOMATION)
    event = {
        "specversion": "1.0",
        "id": "1",
        "source": "/pipelines/etl",
        "type": "com.example.ready",
        "subject": "flights",
        "time": world.now.isoformat(),
        "traceparent": PUBLISHED,
        "data": {},
    }
    await world.send(event)
    await world.run(5)
    (activity,) = await world.activities()
    assert activity.traceparent.split("-")[1] == PUBLISHED.split("-")[1]
    found, _ = spans(caught)
    root = next(span for span in found if span.name.startswith("event "))
    assert (root.place.trace, root.place.parent) == (PUBLISHED.split("-")[1], PUBLISHED.split("-")[2])
    assert root.attributes["hub.activity"] == activity.id


async def test_a_failed_activity_says_why_and_a_retry_is_a_span_of_its_own(world: World, caught: Buffer) -> None:
    world.azureml.fate = "Failed"
    await world.send(
        world.blob_event("flights/2013-01/a.csv", "0x1"), world.blob_event("flights/2013-01/_SUCCESS", "0x2")
    )
    await world.run(10)
    world.azureml.end_jobs()
    await world.run(60)
    found, numbers = spans(caught)
    failed = {span.name: span for span in found if span.error}
    assert {"job delay-train check", "step check", "activity delay-train"} == set(failed)
    assert "it broke" in failed["activity delay-train"].error
    statuses = [number.attributes["status"] for number in numbers if number.name == "hub.activities"]
    assert statuses == ["failed"]


async def test_what_is_recorded_has_names_that_are_listed(world: World, caught: Buffer) -> None:
    await world.send(
        world.blob_event("flights/2013-01/a.csv", "0x1"),
        world.blob_event("flights/2013-01/_SUCCESS", "0x2"),
        {"id": "broken"},
    )
    await world.run(10)
    world.azureml.end_jobs()
    await world.run(120)
    await world.hub.sweep.run()
    found, numbers = spans(caught)
    assert {span.name.partition(" ")[0] for span in found} <= set(SPANS)
    assert {key for span in found for key in span.attributes} <= set(ATTRIBUTES)
    for number in numbers:
        assert set(number.attributes) == set(METRICS[number.name].attributes), number.name
    seen = {number.name for number in numbers}
    assert {"hub.events", "hub.decisions", "hub.step.latency", "hub.dead_letters", "hub.sweeps"} <= seen
    assert {"hub.unfinished", "hub.queue.age", "hub.queue.length"} <= seen
