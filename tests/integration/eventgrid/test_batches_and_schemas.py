"""Output batching, both schemas on the way out, both handshakes, and what is too large for a queue.

Sources: https://learn.microsoft.com/azure/event-grid/delivery-and-retry#output-batching,
https://learn.microsoft.com/azure/event-grid/end-point-validation-cloud-events-schema,
https://learn.microsoft.com/azure/event-grid/end-point-validation-event-grid-events-schema.
"""

import asyncio

import aiohttp

from local.config import Cloud
from tests.integration.eventgrid.conftest import Queue, Receiver, Serve, subscription, until
from tests.integration.eventgrid.test_delivery import counts, dead_letters, event, hook, publish

CLOUD_EVENTS = "CloudEventSchemaV1_0"


async def test_events_that_wait_together_go_together(serve: Serve, receiver: Receiver) -> None:
    receiver.handshake = False
    async with serve(hook(receiver, destination={"maxEventsPerBatch": 10})) as grid:
        await publish(grid, *(event(number) for number in range(25)))
        receiver.handshake = True
        await until(lambda: len(receiver.events) == 25)
    sizes = [len(body) for _, body in receiver.notifications]
    assert sorted(sizes) == [5, 10, 10]


async def test_a_batch_keeps_its_preferred_size_but_for_a_single_event(serve: Serve, receiver: Receiver) -> None:
    receiver.handshake = False
    one = hook(receiver, destination={"maxEventsPerBatch": 100, "preferredBatchSizeInKilobytes": 4})
    small = [{**event(number), "data": "x" * 1500} for number in range(4)]
    large = {**event(9), "data": "x" * 10_000}
    async with serve(one) as grid:
        await publish(grid, *small, large)
        receiver.handshake = True
        await until(lambda: len(receiver.events) == 5)
    assert sorted(len(body) for _, body in receiver.notifications) == [1, 2, 2]


async def test_a_batch_is_all_or_nothing(serve: Serve, receiver: Receiver) -> None:
    receiver.handshake = False
    receiver.statuses = [500]
    async with serve(hook(receiver, destination={"maxEventsPerBatch": 10}), scale=100) as grid:
        await publish(grid, *(event(number) for number in range(3)))
        receiver.handshake = True
        await until(lambda: counts(grid).get("delivered") == 3)
    assert len(receiver.events) == 6
    assert counts_by_id(receiver) == {"id-0": 2, "id-1": 2, "id-2": 2}


def counts_by_id(receiver: Receiver) -> dict[str, int]:
    ids = [one["id"] for one in receiver.events]
    return {one: ids.count(one) for one in ids}


async def test_cloud_events_go_singly_as_an_object_and_batched_as_an_array(serve: Serve, receiver: Receiver) -> None:
    single = hook(receiver, eventDeliverySchema=CLOUD_EVENTS)
    batched = {
        **hook(receiver, eventDeliverySchema=CLOUD_EVENTS, destination={"maxEventsPerBatch": 10}),
        "name": "batched",
    }
    async with serve(single, batched) as grid:
        await publish(grid, event(1))
        await until(lambda: len(receiver.notifications) == 2)
    bodies = {headers["content-type"].partition(";")[0]: body for headers, body in receiver.notifications}
    one = bodies["application/cloudevents+json"]
    assert bodies["application/cloudevents-batch+json"] == [one]
    assert set(one) == {"id", "source", "subject", "type", "time", "data", "specversion"}
    assert one["source"].endswith("/workspaces/laptop")
    assert one["type"] == "Microsoft.MachineLearningServices.ModelRegistered"


async def test_without_agreement_nothing_is_delivered(serve: Serve, receiver: Receiver) -> None:
    receiver.handshake = False
    both = [hook(receiver), {**hook(receiver, eventDeliverySchema=CLOUD_EVENTS), "name": "cloud"}]
    async with serve(*both) as grid:
        await publish(grid, event(1))
        await until(lambda: len(receiver.requests) >= 4)
        assert receiver.events == []
        receiver.handshake = True
        await until(lambda: len(receiver.events) == 2)


async def test_a_person_can_agree_by_opening_the_validation_address(serve: Serve, receiver: Receiver) -> None:
    receiver.handshake = False
    async with serve(hook(receiver)) as grid:
        await publish(grid, event(1))
        await until(lambda: len(receiver.requests) >= 1)
        address = receiver.requests[0][1][0]["data"]["validationUrl"]
        async with aiohttp.ClientSession() as session:
            async with session.get(address + "x") as answer:
                assert answer.status == 404
            async with session.get(address) as answer:
                assert answer.status == 200
        await until(lambda: len(receiver.events) == 1)


async def test_what_is_over_64_kilobytes_in_base64_is_dead_lettered(
    serve: Serve, queue: Queue, storage_cloud: Cloud
) -> None:
    """https://learn.microsoft.com/rest/api/storageservices/put-message: a message has at most 64 KB."""
    to_queue = subscription(
        "too-large",
        "workspace",
        {"type": "StorageQueue", "queue": queue.name},
        deadLetter={"container": "hub-dead-letters"},
    )
    fits, exceeds = {**event(1), "data": "x" * 48_000}, {**event(2), "data": "x" * 50_000}
    async with serve(to_queue, scale=1000) as grid:
        await publish(grid, fits, exceeds)
        assert [one["id"] for one in await queue.take(1)] == ["id-1"]
        await until(lambda: counts(grid, "too-large").get("deadLettered") == 1)
    [(_, [letter])] = await asyncio.to_thread(dead_letters, storage_cloud, "too-large")
    assert letter["id"] == "id-2"
    assert letter["deadLetterReason"] == "UndeliverableEvent"
    assert letter["lastDeliveryOutcome"] == "RequestEntityTooLarge"


async def test_a_queue_that_is_missing_is_tried_again_until_it_is_there(serve: Serve, storage_cloud: Cloud) -> None:
    from azure.storage.queue.aio import QueueClient

    name = "made-later"
    async with QueueClient.from_connection_string(storage_cloud.connection_string("hubstorage"), name) as client:
        async with serve(
            subscription("later", "workspace", {"type": "StorageQueue", "queue": name}), scale=1000
        ) as grid:
            await publish(grid, event(1))
            await until(lambda: counts(grid, "later").get("failedAttempts", 0) >= 1)
            await client.create_queue()
            assert len(await Queue(name, client).take(1)) == 1


async def test_dead_letters_of_cloud_events_have_lower_case_names(
    serve: Serve, receiver: Receiver, storage_cloud: Cloud
) -> None:
    receiver.always = 401
    one = hook(receiver, eventDeliverySchema=CLOUD_EVENTS, deadLetter={"container": "hub-dead-letters"})
    async with serve({**one, "name": "cloud-letters"}, scale=1000) as grid:
        await publish(grid, event(1))
        await until(lambda: counts(grid, "cloud-letters").get("deadLettered") == 1)
    [(_, [letter])] = await asyncio.to_thread(dead_letters, storage_cloud, "cloud-letters")
    assert letter["specversion"] == "1.0"
    assert letter["deadletterreason"] == "UndeliverableEvent"
    assert letter["lastdeliveryoutcome"] == "Unauthorized"
    assert {"deliveryattempts", "publishtime"} <= set(letter)


async def test_dead_letters_wait_for_their_container_and_are_given_up_after_four_hours(
    serve: Serve, receiver: Receiver
) -> None:
    receiver.always = 400
    one = hook(receiver, deadLetter={"container": "not-there"})
    async with serve(one, scale=5000) as grid:
        await publish(grid, event(1))
        await until(lambda: counts(grid).get("dropped") == 1, seconds=15)
