"""What a topic takes and refuses, as a table (Microsoft Learn: event-schema, cloud-event-schema)."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from local.eventgrid import sas
from local.eventgrid.publishing import PublishError, read_events
from local.eventgrid.subscriptions import CLOUD_EVENTS, EVENT_GRID

CLASSIC: dict[str, Any] = {
    "id": "1",
    "subject": "s",
    "eventType": "T",
    "eventTime": "2026-01-01T00:00:00Z",
    "data": None,
    "dataVersion": "",
}
CLOUD: dict[str, Any] = {"id": "1", "source": "/s", "specversion": "1.0", "type": "T"}
JSON = "application/json"
STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json; charset=utf-8"


def read(body: Any, content: str = JSON, schema: str = EVENT_GRID) -> list[dict[str, Any]]:
    return read_events(json.dumps(body).encode(), {"content-type": content}, [schema], "/topic")[1]


def test_an_event_gets_its_topic_and_metadata_version() -> None:
    [event] = read([CLASSIC])
    assert (event["topic"], event["metadataVersion"]) == ("/topic", "1")
    assert read([{**CLASSIC, "topic": "/TOPIC"}])


def test_cloud_events_come_singly_or_many() -> None:
    assert len(read(CLOUD, STRUCTURED, CLOUD_EVENTS)) == 1
    assert len(read([CLOUD, CLOUD], BATCH, CLOUD_EVENTS)) == 2
    assert read([{**CLOUD, "myextension": 1, "time": None}], BATCH, CLOUD_EVENTS)[0]["myextension"] == 1


@pytest.mark.parametrize(
    ("body", "content", "schema", "message"),
    [
        ([{**CLASSIC, "id": ""}], JSON, EVENT_GRID, "'id' of event .0. is required"),
        ([CLASSIC, {**CLASSIC, "subject": None}], JSON, EVENT_GRID, "'subject' of event .1. is required"),
        ([{**CLASSIC, "eventTime": "yesterday"}], JSON, EVENT_GRID, "no RFC 3339 time"),
        ([{**CLASSIC, "extra": 1}], JSON, EVENT_GRID, "unexpected property 'extra'"),
        ([{**CLASSIC, "topic": "/other"}], JSON, EVENT_GRID, "must be empty or /topic"),
        (CLASSIC, JSON, EVENT_GRID, "Expected: StartArray, actual: StartObject"),
        ([1], JSON, EVENT_GRID, "Expected: StartObject"),
        ([CLASSIC] * 5001, JSON, EVENT_GRID, "at most 5000"),
        ([CLOUD], STRUCTURED, CLOUD_EVENTS, "Expected: StartObject, actual: StartArray"),
        (CLOUD, BATCH, CLOUD_EVENTS, "Expected: StartArray, actual: StartObject"),
        ({**CLOUD, "specversion": "0.3"}, STRUCTURED, CLOUD_EVENTS, "'specversion' of event .0. must be '1.0'"),
        ({**CLOUD, "type": 5}, STRUCTURED, CLOUD_EVENTS, "'type' of event .0. is required"),
    ],
)  # fmt: skip
def test_what_is_refused_names_its_place(body: Any, content: str, schema: str, message: str) -> None:
    with pytest.raises(PublishError, match=message):
        read(body, content, schema)


def test_what_is_no_json_is_refused() -> None:
    with pytest.raises(PublishError, match="Unexpected token when reading JSON"):
        read_events(b"{", {}, [EVENT_GRID], "/topic")


@pytest.mark.parametrize(
    ("headers", "body", "expected"),
    [
        ({"content-type": "application/json"}, b"[1]", {"data": [1]}),
        ({"content-type": "text/plain"}, b"text", {"data": "text"}),
        ({"content-type": "application/octet-stream"}, b"\xff", {"data_base64": "/w=="}),
        ({}, b"", {}),
    ],
)
def test_binary_mode_keeps_the_data_by_its_type(headers: dict[str, str], body: bytes, expected: dict[str, Any]) -> None:
    ce = {f"ce-{name}": value for name, value in CLOUD.items()}
    _, [event] = read_events(body, {**ce, **headers}, [CLOUD_EVENTS], "/topic")
    assert {name: value for name, value in event.items() if name.startswith("data") and name != "datacontenttype"} == (
        expected
    )


def test_a_sas_token_in_the_form_of_other_languages() -> None:
    """The .NET sample writes the expiry as 10/25/2030 5:06:39 PM."""
    key = "c2VjcmV0LXNlY3JldC1zZWNyZXQ="
    unsigned = "r=http%3a%2f%2fh%2ftopics%2fhub%2fapi%2fevents&e=10%2f25%2f2030+5%3a06%3a39+PM"
    from base64 import b64decode
    from urllib.parse import quote

    token = f"{unsigned}&s={quote(sas._sign(unsigned, b64decode(key)))}"
    resource = "http://h/topics/hub/api/events"
    assert sas.is_valid(token, key, resource, datetime(2030, 10, 25, 17, 6, 38, tzinfo=UTC))
    assert not sas.is_valid(token, key, resource, datetime(2030, 10, 25, 17, 6, 39, tzinfo=UTC))
    assert not sas.is_valid(token, key, "http://h/topics/other/api/events", datetime(2030, 1, 1, tzinfo=UTC))
    assert not sas.is_valid("", key, resource)
    assert not sas.is_valid("r=x&e=y&s=z", key, resource)
