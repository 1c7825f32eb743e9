"""The file of subscriptions: what is in the project can be used, and mistakes are named."""

from pathlib import Path
from typing import Any

import pytest

from local.eventgrid.subscriptions import SubscriptionError, load, read

TOPICS = {
    "storage": {"topicType": "Microsoft.Storage.StorageAccounts"},
    "cloud": {"inputSchema": "CloudEventSchemaV1_0"},
}
QUEUE = {"type": "StorageQueue", "queue": "q"}


def test_the_projects_subscriptions_route_as_the_design_says() -> None:
    routes = load()
    blobs, workspace, _ = routes.subscriptions
    assert (blobs.topic, blobs.destination.queue, blobs.container) == ("storage", "hub-events", "hub-dead-letters")
    assert (workspace.topic, workspace.destination.function) == ("workspace", "events_push")
    created = {"eventType": "Microsoft.Storage.BlobCreated", "subject": "/blobServices/default/containers/%s/blobs/a"}
    for container, taken in (
        ("landing", True),
        ("scoring", True),
        ("scored", False),
        ("collected", False),
        ("landing2", False),
    ):
        assert blobs.filter.takes({**created, "subject": created["subject"] % container}) is taken
    assert routes.topics["storage"].account == "landing"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"name": "ab"}, "3 to 64 letters"),
        ({"name": "a b c"}, "3 to 64 letters"),
        ({"topic": "nothing"}, "'nothing' is none of storage, cloud"),
        ({"destination": {}}, "its destination must be"),
        ({"destination": {"type": "WebHook", "endpointUrl": "https://example.com"}}, "its destination must be"),
        ({"retryPolicy": {"maxDeliveryAttempts": 31}}, "from 1 to 30"),
        ({"retryPolicy": {"eventTimeToLiveInMinutes": 0}}, "from 1 to 1440"),
        ({"retryPolicy": {"eventTimeToLiveInMinutes": "5"}}, "from 1 to 1440"),
        ({"eventDeliverySchema": "Custom"}, "'Custom' is none of"),
        ({"topic": "cloud"}, "cannot be delivered in EventGridSchema"),
        ({"deadletter": {}}, "unknown keys"),
        ({"filter": {"advancedFilters": [{"operatorType": "X"}]}}, "'X' is unknown"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_subscription(given: dict[str, Any], message: str) -> None:
    one = {"name": "mine", "topic": "storage", "destination": QUEUE, **given}
    with pytest.raises(SubscriptionError, match=message) as caught:
        read({"topics": TOPICS, "subscriptions": [one]})
    assert f"subscription {one['name']!r}" in str(caught.value)


def test_a_batch_has_the_documented_limits() -> None:
    hook = {"type": "WebHook", "endpointUrl": "http://127.0.0.1:1/", "maxEventsPerBatch": 5000}
    one = {"name": "mine", "topic": "storage", "destination": hook}
    [found] = read({"topics": TOPICS, "subscriptions": [one]}).subscriptions
    assert (found.destination.max_events, found.destination.preferred_kilobytes) == (5000, 64)
    with pytest.raises(SubscriptionError, match="from 1 to 5000"):
        read({"topics": TOPICS, "subscriptions": [{**one, "destination": {**hook, "maxEventsPerBatch": 5001}}]})


def test_a_name_is_there_once(tmp_path: Path) -> None:
    one = {"name": "mine", "topic": "storage", "destination": QUEUE}
    with pytest.raises(SubscriptionError, match="there twice"):
        read({"topics": TOPICS, "subscriptions": [one, one]})


def test_a_file_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    with pytest.raises(SubscriptionError, match=r"missing\.json cannot be read"):
        load(tmp_path / "missing.json")
    broken = tmp_path / "broken.json"
    broken.write_text("{")
    with pytest.raises(SubscriptionError, match=r"broken\.json is no JSON"):
        load(broken)
