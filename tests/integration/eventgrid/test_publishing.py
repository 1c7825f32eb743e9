"""The unmodified EventGridPublisherClient publishes to topics; what the service refuses is refused alike."""

import asyncio
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest
from azure.core.credentials import AzureKeyCredential, AzureSasCredential
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError
from azure.core.messaging import CloudEvent
from azure.eventgrid import EventGridEvent, EventGridPublisherClient, generate_sas
from azure.eventgrid.aio import EventGridPublisherClient as AsyncPublisherClient

from local.eventgrid.grid import Grid
from tests.integration.eventgrid.conftest import Receiver, Serve, subscription, until


def hook(receiver: Receiver, topic: str, schema: str = "CloudEventSchemaV1_0") -> dict[str, Any]:
    destination = {"type": "WebHook", "endpointUrl": receiver.url}
    return subscription("hook", topic, destination, eventDeliverySchema=schema)


def address(grid: Grid, topic: str) -> str:
    return f"http://127.0.0.1:{grid.cloud.eventgrid_port}/topics/{topic}/api/events"


def key(grid: Grid) -> AzureKeyCredential:
    return AzureKeyCredential(grid.cloud.keys["topic"])


def pushed() -> CloudEvent:
    return CloudEvent(type="Git.Push", source="/repos/hub", data={"branch": "main"}, subject="main")


def classic() -> EventGridEvent:
    return EventGridEvent(subject="main", event_type="Git.Push", data={"branch": "main"}, data_version="1.0")


async def test_the_async_client_publishes_cloud_events(serve: Serve, receiver: Receiver) -> None:
    async with serve(hook(receiver, "hub")) as grid:
        async with AsyncPublisherClient(address(grid, "hub"), key(grid)) as client:
            await client.send([pushed(), pushed()])
        await until(lambda: len(receiver.requests) == 3)
    handshake, *_ = receiver.requests
    assert handshake[0]["webhook-request-origin"] == "eventgrid.azure.net"
    headers, body = receiver.notifications[0]
    assert headers["content-type"] == "application/cloudevents+json; charset=utf-8"
    assert (body["type"], body["source"], body["subject"]) == ("Git.Push", "/repos/hub", "main")
    assert body["data"] == {"branch": "main"}


async def test_the_sync_client_publishes_either_schema_to_the_hubs_topic(serve: Serve, receiver: Receiver) -> None:
    async with serve(hook(receiver, "hub")) as grid:
        with closing(EventGridPublisherClient(address(grid, "hub"), key(grid))) as client:
            await asyncio.to_thread(client.send, pushed())
            await asyncio.to_thread(client.send, classic())
        await until(lambda: len(receiver.events) == 2)
    assert {body["type"] for body in receiver.events} == {"Git.Push"}
    assert {body["specversion"] for body in receiver.events} == {"1.0"}
    assert {body["source"].rpartition("/")[2] for body in receiver.events} == {"hub"}


async def test_a_classic_topic_delivers_its_own_schema(serve: Serve, receiver: Receiver) -> None:
    async with serve(hook(receiver, "classic", "EventGridSchema")) as grid:
        async with AsyncPublisherClient(address(grid, "classic"), key(grid)) as client:
            await client.send([classic()])
        await until(lambda: len(receiver.events) == 1)
    [event] = receiver.events
    assert event["topic"].endswith("/providers/Microsoft.EventGrid/topics/classic")
    assert event["dataVersion"] == "1.0"


async def test_a_sas_token_is_checked(serve: Serve, receiver: Receiver) -> None:
    async with serve(hook(receiver, "hub")) as grid:
        secret = grid.cloud.keys["topic"]
        later, earlier = datetime.now(UTC) + timedelta(hours=1), datetime.now(UTC) - timedelta(hours=1)
        for expiry, signing, allowed in (
            (later, secret, True),
            (later.replace(tzinfo=None), secret, True),
            (earlier, secret, False),
            (later, secret[::-1].replace("=", "A"), False),
        ):
            token = generate_sas(address(grid, "hub"), signing, expiry)
            async with AsyncPublisherClient(address(grid, "hub"), AzureSasCredential(token)) as client:
                if allowed:
                    await client.send(pushed())
                else:
                    with pytest.raises(ClientAuthenticationError):
                        await client.send(pushed())
        other = generate_sas(address(grid, "classic"), secret, later)
        async with AsyncPublisherClient(address(grid, "hub"), AzureSasCredential(other)) as client:
            with pytest.raises(ClientAuthenticationError):
                await client.send(pushed())


async def test_a_topic_refuses_the_other_schema_as_the_service_does(serve: Serve, receiver: Receiver) -> None:
    """The texts: https://github.com/Azure/azure-sdk-for-python/issues/16055."""
    async with serve(hook(receiver, "classic", "EventGridSchema")) as grid:
        async with AsyncPublisherClient(address(grid, "classic"), key(grid)) as client:
            with pytest.raises(
                HttpResponseError, match=r"configured for 'EventGridEvent' schema.*unexpected"
            ) as caught:
                await client.send(pushed())
        assert caught.value.status_code == 400
        async with AsyncPublisherClient(address(grid, "cloud"), key(grid)) as client:
            with pytest.raises(HttpResponseError, match="configured for 'CloudEventV10' schema"):
                await client.send(classic())


async def test_more_than_a_megabyte_is_refused(serve: Serve, receiver: Receiver) -> None:
    """https://learn.microsoft.com/azure/event-grid/quotas-limits: 1 MB an event and a request."""
    async with serve(hook(receiver, "hub")) as grid:
        big = CloudEvent(type="T", source="/s", data="x" * (1024 * 1024))
        with closing(EventGridPublisherClient(address(grid, "hub"), key(grid))) as client:
            with pytest.raises(HttpResponseError) as caught:
                await asyncio.to_thread(client.send, big)
    assert caught.value.status_code == 413


@pytest.fixture
def binary_headers() -> dict[str, str]:
    return {
        "ce-specversion": "1.0",
        "ce-type": "Git.Push",
        "ce-source": "/repos/hub",
        "ce-id": "1",
        "ce-subject": "caf%C3%A9",
        "ce-branch": "main",
        "content-type": "application/json",
    }


async def test_a_cloud_event_in_binary_mode(serve: Serve, receiver: Receiver, binary_headers: dict[str, str]) -> None:
    """https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md"""
    async with serve(hook(receiver, "hub")) as grid:
        headers = {**binary_headers, "aeg-sas-key": grid.cloud.keys["topic"]}
        async with aiohttp.ClientSession(headers=headers) as session:
            async with session.post(address(grid, "hub"), data=b'{"a": 1}') as answer:
                assert answer.status == 200
            del session.headers["ce-type"]
            async with session.post(address(grid, "hub"), data=b'{"a": 1}') as answer:
                assert answer.status == 400
                error = (await answer.json())["error"]
        await until(lambda: len(receiver.events) == 1)
    assert error["code"] == "BadRequest"
    assert error["details"][0]["code"] == "InputJsonInvalid"
    assert "'type'" in error["message"]
    [event] = receiver.events
    assert event["subject"] == "café"
    assert event["branch"] == "main"
    assert event["data"] == {"a": 1}
