"""Turns what a trigger got into the data that the bindings of azure.functions read."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from azure.functions.meta import Datum


def http(method: str, url: str, headers: Mapping[str, str], query: Mapping[str, str], route: Mapping[str, str],
         body: bytes) -> Datum:  # fmt: skip
    """Give the datum of an HTTP request."""
    return Datum(
        {
            "method": Datum(method, "string"),
            "url": Datum(url, "string"),
            "headers": {name: Datum(value, "string") for name, value in headers.items()},
            "query": {name: Datum(value, "string") for name, value in query.items()},
            "params": {name: Datum(value, "string") for name, value in route.items()},
            "body": Datum(body, "bytes"),
        },
        "http",
    )


def event(body: Mapping[str, Any]) -> Datum:
    """Give the datum of one Event Grid event."""
    return Datum(json.dumps(body), "json")


def timer(schedule: Mapping[str, Any], *, past_due: bool) -> Datum:
    """Give the datum of a tick."""
    return Datum(json.dumps({"IsPastDue": past_due, "ScheduleStatus": schedule, "Schedule": {}}), "json")


def queue(text: str, message: Any) -> tuple[Datum, dict[str, Datum]]:
    """Give the datum and metadata of a queue message (azure.storage.queue)."""
    metadata = {
        "Id": Datum(str(message.id), "string"),
        "DequeueCount": Datum(json.dumps(message.dequeue_count), "json"),
        "ExpirationTime": _time(message.expires_on),
        "InsertionTime": _time(message.inserted_on),
        "NextVisibleTime": _time(message.next_visible_on),
        "PopReceipt": Datum(str(message.pop_receipt), "string"),
    }
    return Datum(text, "string"), metadata


def _time(moment: datetime | None) -> Datum:
    return Datum(json.dumps(moment.isoformat() if moment else ""), "json")


def content(datum: Any) -> bytes:
    """Give the bytes of an output's datum."""
    value = datum.value
    return bytes(value) if isinstance(value, bytes | bytearray) else str(value).encode()


def text(value: str) -> Datum:
    """Give the datum of a text."""
    return Datum(value, "string")
