"""Deliveries to webhooks and queues: handshake, headers, ladder, dead letters, restarts.

Where a test names no other source, it is https://learn.microsoft.com/azure/event-grid/delivery-and-retry.
"""

import json
from typing import Any

import aiohttp
from azure.storage.blob import BlobServiceClient

from local.config import HUB_ACCOUNT, Cloud
from local.eventgrid.grid import Grid
from tests.integration.eventgrid.conftest import Queue, Receiver, Serve, subscription, until


def event(number: int = 0, kind: str = "Microsoft.MachineLearningServices.ModelRegistered") -> dict[str, Any]:
    return {
        "id": f"id-{number}",
        "subject": f"models/m:{number}",
        "eventType": kind,
        "eventTime": "2026-01-01T00:00:00.0000000Z",
        "data": {"ModelName": "m", "ModelVersion": number},
        "dataVersion": "2",
        "metadataVersion": "1",
    }


async def publish(grid: Grid, *events: dict[str, Any], topic: str = "workspace", key: str | None = None) -> int:
    address = f"http://127.0.0.1:{grid.cloud.eventgrid_port}/topics/{topic}/api/events"
    headers = {"aeg-sas-key": grid.cloud.keys["topic"] if key is None else key}
    async with aiohttp.ClientSession() as session, session.post(address, json=list(events), headers=headers) as answer:
        return answer.status


async def control(grid: Grid, method: str, path: str, body: Any = None) -> Any:
    address = f"http://127.0.0.1:{grid.cloud.eventgrid_port}/control/{path}"
    async with aiohttp.ClientSession() as session, session.request(method, address, json=body) as answer:
        return await answer.json()


def hook(receiver: Receiver, **more: Any) -> dict[str, Any]:
    destination = {"type": "WebHook", "endpointUrl": receiver.url, **more.pop("destination", {})}
    return subscription("hook", "workspace", destination, **more)


def counts(grid: Grid, name: str = "hook") -> dict[str, int]:
    return grid.journal.counts(name)


def dead_letters(cloud: Cloud, name: str) -> list[tuple[str, list[dict[str, Any]]]]:
    with BlobServiceClient.from_connection_string(cloud.direct_connection_string(HUB_ACCOUNT)) as service:
        container = service.get_container_client("hub-dead-letters")
        names = [blob.name for blob in container.list_blobs(name_starts_with=f"{name.upper()}/")]
        return [(blob, json.loads(container.download_blob(blob).readall())) for blob in names]


async def test_a_webhook_agrees_first_and_then_gets_arrays_of_one(serve: Serve, receiver: Receiver) -> None:
    async with serve(hook(receiver)) as grid:
        assert await publish(grid, event(1), event(2)) == 200
        await until(lambda: len(receiver.events) == 2)
    headers, body = receiver.requests[0]
    assert headers["aeg-event-type"] == "SubscriptionValidation"
    assert body[0]["eventType"] == "Microsoft.EventGrid.SubscriptionValidationEvent"
    assert set(body[0]["data"]) == {"validationCode", "validationUrl"}
    for headers, body in receiver.notifications:
        assert len(body) == 1
        assert headers["aeg-subscription-name"] == "HOOK"
        assert headers["aeg-delivery-count"] == "0"
        assert headers["aeg-metadata-version"] == "1"
        assert headers["aeg-data-version"] == "2"
    assert {one["id"] for one in receiver.events} == {"id-1", "id-2"}
    assert all(one["topic"].endswith("/workspaces/laptop") for one in receiver.events)


async def test_the_key_is_checked(serve: Serve, receiver: Receiver) -> None:
    async with serve(hook(receiver)) as grid:
        assert await publish(grid, event(), key="wrong") == 401
        assert await publish(grid, event(), key="") == 401
        assert await publish(grid, event(), topic="nothing") == 404


async def test_filters_choose_and_what_nobody_wants_is_not_kept(serve: Serve, receiver: Receiver) -> None:
    wanted = {"includedEventTypes": ["Microsoft.MachineLearningServices.RunCompleted"]}
    async with serve(hook(receiver, filter=wanted)) as grid:
        await publish(grid, event(1), event(2, "Microsoft.MachineLearningServices.RunCompleted"))
        await until(lambda: len(receiver.events) == 1)
        assert [one.id for one in grid.journal.find()] == ["id-2"]


async def test_everything_can_be_delivered_again(serve: Serve, receiver: Receiver) -> None:
    async with serve(hook(receiver)) as grid:
        await publish(grid, *(event(number) for number in range(5)))
        await until(lambda: len(receiver.events) == 5)
        assert await control(grid, "POST", "redeliver") == {"deliveries": 5}
        await until(lambda: len(receiver.events) == 10)
        assert await control(grid, "POST", "redeliver", {"subject": "models/m:3"}) == {"deliveries": 1}
        await until(lambda: len(receiver.events) == 11)
        await until(lambda: counts(grid)["delivered"] == 11)
        assert receiver.events[-1]["id"] == "id-3"


async def test_what_was_not_delivered_is_delivered_after_a_restart(serve: Serve, receiver: Receiver) -> None:
    receiver.always = 500
    async with serve(hook(receiver), scale=5) as grid:
        await publish(grid, event(1))
        await until(lambda: counts(grid).get("failedAttempts") == 1)
    receiver.always = 200
    async with serve(hook(receiver), scale=5) as grid:
        await until(lambda: counts(grid).get("delivered") == 1)
    assert [headers["aeg-delivery-count"] for headers, _ in receiver.notifications] == ["0", "1"]


async def test_a_queue_gets_one_message_an_event(serve: Serve, queue: Queue) -> None:
    to_queue = subscription("workspace", "workspace", {"type": "StorageQueue", "queue": queue.name})
    async with serve(to_queue) as grid:
        await publish(grid, event(1), event(2))
        found = await queue.take(2)
    assert {one["id"] for one in found} == {"id-1", "id-2"}


async def test_a_status_that_is_never_retried_is_dead_lettered_at_once(
    serve: Serve, receiver: Receiver, storage_cloud: Cloud
) -> None:
    receiver.always = 400
    one = hook(receiver, deadLetter={"container": "hub-dead-letters"})
    async with serve({**one, "name": "never-retried"}, scale=1000) as grid:
        await publish(grid, event(1))
        await until(lambda: counts(grid, "never-retried").get("deadLettered") == 1)
    [(name, [letter])] = dead_letters(storage_cloud, "never-retried")
    assert len(receiver.events) == 1
    assert name.count("/") == 5
    assert name.endswith(".json")
    added = {name: letter.pop(name) for name in _ADDED}
    assert letter == {**event(1), "topic": letter["topic"]}
    assert added["deadLetterReason"] == "UndeliverableEvent"
    assert added["deliveryAttempts"] == 1
    assert added["lastDeliveryOutcome"] == "BadRequest"
    assert added["publishTime"] <= added["lastDeliveryAttemptTime"]


_ADDED = ("deadLetterReason", "deliveryAttempts", "lastDeliveryOutcome", "publishTime", "lastDeliveryAttemptTime")


async def test_without_a_container_it_is_dropped(serve: Serve, receiver: Receiver) -> None:
    receiver.always = 413
    async with serve(hook(receiver), scale=1000) as grid:
        await publish(grid, event(1))
        await until(lambda: counts(grid).get("dropped") == 1)


async def test_attempts_have_a_limit(serve: Serve, receiver: Receiver, storage_cloud: Cloud) -> None:
    receiver.always = 500
    one = hook(receiver, deadLetter={"container": "hub-dead-letters"}, retryPolicy={"maxDeliveryAttempts": 3})
    async with serve({**one, "name": "three-times"}, scale=2000) as grid:
        await publish(grid, event(1))
        await until(lambda: counts(grid, "three-times").get("deadLettered") == 1)
    [(_, [letter])] = dead_letters(storage_cloud, "three-times")
    assert letter["deadLetterReason"] == "MaxDeliveryAttemptsExceeded"
    assert letter["deliveryAttempts"] == 3
    assert [headers["aeg-delivery-count"] for headers, _ in receiver.notifications] == ["0", "1", "2"]


async def test_a_destination_that_starts_late_is_served_at_once(serve: Serve, receiver: Receiver) -> None:
    """Here the laptop deviates: the ladder would wait 10 s."""
    from aiohttp import web

    from local.ports import free_base

    port = free_base(1)
    one = {"type": "WebHook", "endpointUrl": f"http://127.0.0.1:{port}/hook"}
    async with serve(subscription("late", "workspace", one)) as grid:
        await publish(grid, event(1))
        application = web.Application()
        application.router.add_route("*", "/hook", receiver.handle)
        runner = web.AppRunner(application, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        await until(lambda: len(receiver.events) == 1, seconds=5)
        await runner.cleanup()
