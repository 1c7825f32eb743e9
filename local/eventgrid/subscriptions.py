"""Topics and subscriptions, read from the file that Bicep loads too; what Event Grid would refuse is refused."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from local.config import LANDING_ACCOUNT, REPOSITORY
from local.eventgrid.filters import Filter, FilterError, read_filter

FILE: Final = REPOSITORY / "infra" / "subscriptions.json"
EVENT_GRID: Final = "EventGridSchema"
CLOUD_EVENTS: Final = "CloudEventSchemaV1_0"
SCHEMAS: Final = (EVENT_GRID, CLOUD_EVENTS)
MAX_ATTEMPTS: Final = 30
MAX_MINUTES: Final = 1440


class SubscriptionError(ValueError):
    """The file cannot be used; the text names the file, the subscription and what was expected."""


@dataclass(frozen=True, slots=True)
class Destination:
    """Where events go: a queue of the hub's account, a function of the host, or an address (`webhook`)."""

    queue: str = ""
    function: str = ""
    webhook: str = ""
    message_seconds: int = 604_800
    """How long a queue message lives: 7 days unless said otherwise."""
    max_events: int = 1
    preferred_kilobytes: int = 64

    @property
    def batches(self) -> bool:
        """Whether several events may go in one request."""
        return self.max_events > 1


@dataclass(frozen=True, slots=True)
class Subscription:
    """One subscription; times in seconds, `container` for dead letters is "" where they are dropped."""

    name: str
    topic: str
    destination: Destination
    schema: str = EVENT_GRID
    filter: Filter = field(default_factory=Filter)
    max_attempts: int = MAX_ATTEMPTS
    time_to_live: float = MAX_MINUTES * 60.0
    container: str = ""


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic, the schemas in which it takes events, and the storage account whose writes raise them ("" if none)."""

    name: str
    schemas: tuple[str, ...] = (EVENT_GRID,)
    account: str = ""


@dataclass(frozen=True, slots=True)
class Routes:
    """All topics and subscriptions."""

    topics: Mapping[str, Topic]
    subscriptions: tuple[Subscription, ...]


def load(path: Path = FILE) -> Routes:
    """Read the file; raises SubscriptionError."""
    try:
        given = json.loads(path.read_text())
    except OSError as error:
        raise SubscriptionError(f"{path} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise SubscriptionError(f"{path} is no JSON: {error}") from None
    try:
        return read(given)
    except SubscriptionError as error:
        raise SubscriptionError(f"{path}: {error}") from None


def read(given: Mapping[str, Any]) -> Routes:
    """Read what the file holds; raises SubscriptionError."""
    topics = {name: _topic(name, one) for name, one in (given.get("topics") or {}).items()}
    found: list[Subscription] = []
    for one in given.get("subscriptions") or ():
        name = str(one.get("name", ""))
        try:
            subscription = _subscription(one, topics)
        except (SubscriptionError, FilterError) as error:
            raise SubscriptionError(f"subscription {name!r}: {error}") from None
        if any(other.name == name for other in found):
            raise SubscriptionError(f"subscription {name!r} is there twice")
        found.append(subscription)
    return Routes(topics, tuple(found))


def _topic(name: str, given: Mapping[str, Any]) -> Topic:
    schema = str(given.get("inputSchema", EVENT_GRID))
    schemas = tuple(given.get("laptopInputSchemas") or (schema,))
    for one in (schema, *schemas):
        if one not in SCHEMAS:
            raise SubscriptionError(f"topic {name!r}: inputSchema {one!r} is none of {', '.join(SCHEMAS)}")
    account = LANDING_ACCOUNT if given.get("topicType") == "Microsoft.Storage.StorageAccounts" else ""
    return Topic(name, schemas, str(given.get("laptopAccount", account)))


def _subscription(given: Mapping[str, Any], topics: Mapping[str, Topic]) -> Subscription:
    unknown = set(given) - _KEYS
    if unknown:
        raise SubscriptionError(f"unknown keys {sorted(unknown)}: expected are {sorted(_KEYS)}")
    name, topic = str(given.get("name", "")), str(given.get("topic", ""))
    if not (3 <= len(name) <= 64 and name.replace("-", "").isalnum() and name.isascii()):
        raise SubscriptionError("its name must have 3 to 64 letters, digits and hyphens")
    if topic not in topics:
        raise SubscriptionError(f"topic {topic!r} is none of {', '.join(topics)}")
    schema = str(given.get("eventDeliverySchema", EVENT_GRID))
    if schema not in SCHEMAS:
        raise SubscriptionError(f"eventDeliverySchema {schema!r} is none of {', '.join(SCHEMAS)}")
    if schema == EVENT_GRID and topics[topic].schemas == (CLOUD_EVENTS,):
        raise SubscriptionError("a topic of CloudEvents cannot be delivered in EventGridSchema")
    policy = given.get("retryPolicy") or {}
    return Subscription(
        name,
        topic,
        _destination(given.get("destination") or {}),
        schema,
        read_filter(given.get("filter") or {}),
        _within(policy, "maxDeliveryAttempts", 1, MAX_ATTEMPTS, MAX_ATTEMPTS),
        _within(policy, "eventTimeToLiveInMinutes", 1, MAX_MINUTES, MAX_MINUTES) * 60.0,
        str((given.get("deadLetter") or {}).get("container", "")),
    )


def _destination(given: Mapping[str, Any]) -> Destination:
    kind = given.get("type")
    if kind == "StorageQueue" and given.get("queue"):
        seconds = _within(given, "queueMessageTimeToLiveInSeconds", 1, 2**31 - 1, 604_800)
        return Destination(queue=str(given["queue"]), message_seconds=seconds)
    most = _within(given, "maxEventsPerBatch", 1, 5000, 1)
    kilobytes = _within(given, "preferredBatchSizeInKilobytes", 1, 1024, 64)
    if kind == "AzureFunction" and given.get("function"):
        return Destination(function=str(given["function"]), max_events=most, preferred_kilobytes=kilobytes)
    if kind == "WebHook" and str(given.get("endpointUrl", "")).startswith(("http://127.0.0.1:", "http://localhost:")):
        return Destination(webhook=str(given["endpointUrl"]), max_events=most, preferred_kilobytes=kilobytes)
    raise SubscriptionError(
        "its destination must be {type: StorageQueue, queue}, {type: AzureFunction, function} "
        "or {type: WebHook, endpointUrl of this machine}"
    )


def _within(given: Mapping[str, Any], name: str, least: int, most: int, otherwise: int) -> int:
    value = given.get(name, otherwise)
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise SubscriptionError(f"{name} is {value!r}: a number from {least} to {most} is expected")
    return value


_KEYS: Final = frozenset(
    {"name", "topic", "destination", "eventDeliverySchema", "filter", "retryPolicy", "deadLetter", "description"}
)
