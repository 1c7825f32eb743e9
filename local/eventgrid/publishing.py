"""Reads what publishers send, in Event Grid's schema or as CloudEvents; refuses what the service refuses.

Required fields: https://learn.microsoft.com/azure/event-grid/event-schema,
https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md.
"""

import base64
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from urllib.parse import unquote

import msgspec

from local.eventgrid.schemas import decode
from local.eventgrid.subscriptions import CLOUD_EVENTS, EVENT_GRID

_NAMES: Final = {EVENT_GRID: "EventGridEvent", CLOUD_EVENTS: "CloudEventV10"}
_REQUIRED: Final = {
    EVENT_GRID: ("id", "subject", "eventType", "eventTime", "dataVersion"),
    CLOUD_EVENTS: ("id", "source", "specversion", "type"),
}
_KNOWN: Final = frozenset(
    {"id", "topic", "subject", "data", "eventType", "eventTime", "metadataVersion", "dataVersion"}
)
"""What an event in Event Grid's schema may hold; CloudEvents may hold extensions."""
_MAX_EVENTS: Final = 5000


class PublishError(ValueError):
    """The request is refused with 400; the text is what the publisher reads, `code` what is wrong."""

    code = "InputJsonInvalid"


def read_events(
    body: bytes, headers: Mapping[str, str], schemas: Sequence[str], topic: str
) -> tuple[str, list[dict[str, Any]]]:
    """Read the events of a request and their schema; raises PublishError. `topic` is set in Event Grid's schema."""
    content = headers.get("content-type", "").partition(";")[0].strip().lower()
    if "ce-specversion" in headers and not content.startswith("application/cloudevents"):
        return _checked(CLOUD_EVENTS, [_binary(body, headers)], schemas, topic)
    try:
        given = decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise PublishError(f"Unexpected token when reading JSON: {error}.") from None
    events = given if isinstance(given, list) else [given]
    if not all(isinstance(event, dict) for event in events):
        raise PublishError("Unexpected token when reading JSON. Expected: StartObject, actual: another one.")
    cloud = content.startswith("application/cloudevents") or (bool(events) and "specversion" in events[0])
    schema = CLOUD_EVENTS if cloud and CLOUD_EVENTS in schemas else EVENT_GRID if EVENT_GRID in schemas else schemas[0]
    if isinstance(given, list) == (content == "application/cloudevents+json"):
        expected, actual = ("StartObject", "StartArray") if isinstance(given, list) else ("StartArray", "StartObject")
        if schema == CLOUD_EVENTS or expected == "StartArray":
            raise PublishError(f"Unexpected token when reading JSON. Expected: {expected}, actual: {actual}.")
    return _checked(schema, events, schemas, topic)


def _checked(
    schema: str, events: list[dict[str, Any]], schemas: Sequence[str], topic: str
) -> tuple[str, list[dict[str, Any]]]:
    if schema not in schemas:
        raise PublishError(f"This resource is configured for '{_NAMES[schemas[0]]}' schema, not '{_NAMES[schema]}'.")
    if len(events) > _MAX_EVENTS:
        raise PublishError(f"{len(events)} events in a request: at most {_MAX_EVENTS} are allowed.")
    for number, event in enumerate(events):
        _check(schema, event, number)
        if schema == EVENT_GRID:
            given = event.get("topic")
            if given and str(given).lower() != topic.lower():
                raise PublishError(f"The property 'topic' of event [{number}] must be empty or {topic}.")
            event["topic"] = topic
            event.setdefault("metadataVersion", "1")
    return schema, events


def _check(schema: str, event: Mapping[str, Any], number: int) -> None:
    configured = f"This resource is configured for '{_NAMES[schema]}' schema."
    unexpected = [name for name in event if name not in _KNOWN] if schema == EVENT_GRID else []
    if unexpected:
        raise PublishError(
            f"{configured} Received unexpected property '{unexpected[0]}' in JSON which does not conform to the "
            "expected schema."
        )
    for name in _REQUIRED[schema]:
        value = event.get(name)
        if not isinstance(value, str) or (not value and name != "dataVersion"):
            raise PublishError(f"{configured} The property '{name}' of event [{number}] is required, as text.")
    if schema == CLOUD_EVENTS and event["specversion"] != "1.0":
        raise PublishError(f"{configured} The property 'specversion' of event [{number}] must be '1.0'.")
    time = event.get("eventTime" if schema == EVENT_GRID else "time")
    if time is not None and not _is_time(time):
        raise PublishError(f"{configured} The time of event [{number}] is no RFC 3339 time.")


def _is_time(text: object) -> bool:
    try:
        datetime.fromisoformat(str(text))
    except ValueError:
        return False
    return True


def _binary(body: bytes, headers: Mapping[str, str]) -> dict[str, Any]:
    """Read a CloudEvent whose attributes are headers."""
    event: dict[str, Any] = {
        name[3:].lower(): unquote(value) for name, value in headers.items() if name.lower().startswith("ce-")
    }
    kind = headers.get("content-type", "")
    if kind:
        event["datacontenttype"] = kind
    if not body:
        return event
    if not kind or kind.partition(";")[0].strip().lower().endswith(("/json", "+json")):
        try:
            event["data"] = json.loads(body)
        except ValueError as error:
            raise PublishError(f"The data is no JSON, as its content-type says: {error}") from None
        return event
    try:
        event["data"] = body.decode()
    except UnicodeDecodeError:
        event["data_base64"] = base64.b64encode(body).decode()
    return event
