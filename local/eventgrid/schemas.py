"""An event in the schema of a subscription: Event Grid's, or CloudEvents 1.0.

https://learn.microsoft.com/azure/event-grid/event-schema and https://learn.microsoft.com/azure/event-grid/cloud-event-schema.
"""

from typing import Any

import msgspec

from local.eventgrid.journal import Stored
from local.eventgrid.subscriptions import CLOUD_EVENTS, EVENT_GRID

encode = msgspec.json.Encoder().encode
decode = msgspec.json.Decoder().decode


def in_schema(event: Stored, schema: str) -> bytes:
    """Give the JSON of an event in a schema."""
    if event.schema == schema:
        return event.body
    given = decode(event.body)
    return encode(_to_cloud_event(given) if schema == CLOUD_EVENTS else _to_event_grid(given, event.topic))


def _to_cloud_event(event: dict[str, Any]) -> dict[str, Any]:
    return {
        "source": event.get("topic", ""),
        "subject": event.get("subject", ""),
        "type": event["eventType"],
        "time": event.get("eventTime", ""),
        "id": event["id"],
        "data": event.get("data"),
        "specversion": "1.0",
    }


def _to_event_grid(event: dict[str, Any], topic: str) -> dict[str, Any]:
    return {
        "topic": topic,
        "subject": event.get("subject", ""),
        "eventType": event["type"],
        "eventTime": event.get("time", ""),
        "id": event["id"],
        "data": event.get("data"),
        "dataVersion": "",
        "metadataVersion": "1",
    }


def dead_letter(
    event: bytes, schema: str, *, reason: str, attempts: int, outcome: str, published: str, last: str
) -> dict[str, Any]:
    """Give an event with what a dead letter tells beside it.

    https://learn.microsoft.com/azure/event-grid/delivery-and-retry#delivery-event-formats
    """
    found: dict[str, Any] = decode(event)
    added = {
        "deadLetterReason": reason,
        "deliveryAttempts": attempts,
        "lastDeliveryOutcome": outcome,
        "publishTime": published,
        "lastDeliveryAttemptTime": last,
    }
    if schema == EVENT_GRID:
        return {**found, **added}
    return {**found, **{name.lower(): value for name, value in added.items()}}
