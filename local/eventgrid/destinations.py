"""How events reach a destination: a queue message each, or a request to a webhook after its handshake.

A result is the status of the answer: 0 where nobody listens, 408 where there was no answer within 30 s.
"""

import logging
import time
import uuid
from collections.abc import Sequence
from typing import Any, Final, Protocol
from urllib.parse import quote, urlsplit

import aiohttp

from local.config import Cloud
from local.eventgrid.journal import Stored
from local.eventgrid.ladder import ANSWER_TIMEOUT
from local.eventgrid.operations import ticks
from local.eventgrid.schemas import decode, encode, in_schema
from local.eventgrid.storage import Storage, StorageRefusedError
from local.eventgrid.subscriptions import CLOUD_EVENTS, Subscription

logger = logging.getLogger("eventgrid.delivery")

MAX_MESSAGE: Final = 64 * 1024
"""Bytes of a queue message, base64 included
(https://learn.microsoft.com/rest/api/storageservices/put-message)."""
ORIGIN: Final = "eventgrid.azure.net"


class Destination(Protocol):
    """Where the events of a subscription go. `resource`: whether it is an Azure resource; `port`: who listens."""

    resource: bool
    port: int

    async def send(self, events: Sequence[Stored], attempts: int) -> int:
        """Send events after `attempts` failed tries; gives the status."""

    async def ready(self) -> bool:
        """Do what comes before the first delivery; tells whether events may be sent now."""


class QueueDestination:
    """A queue of the hub's account: one message an event."""

    resource = True

    def __init__(self, subscription: Subscription, cloud: Cloud, storage: Storage) -> None:
        self._subscription = subscription
        self._storage = storage
        self.port = cloud.queue_port

    async def ready(self) -> bool:
        """A queue needs no handshake."""
        return True

    async def send(self, events: Sequence[Stored], attempts: int) -> int:
        """Send one message for the one event."""
        destination = self._subscription.destination
        content = in_schema(events[0], self._subscription.schema)
        if (len(content) + 2) // 3 * 4 > MAX_MESSAGE:
            return 413
        try:
            await self._storage.put_message(destination.queue, content, destination.message_seconds)
        except StorageRefusedError as error:
            return error.status
        except TimeoutError:
            return 408
        except aiohttp.ClientError:
            return 0
        return 201


class WebhookDestination:
    """A function of the host, or any address: asked to agree first, then sent arrays of events."""

    resource = False

    def __init__(self, subscription: Subscription, cloud: Cloud, session: aiohttp.ClientSession, topic: str) -> None:
        self._subscription = subscription
        self._session = session
        self._topic = topic
        self._agreed = False
        self.validation_code = str(uuid.uuid4())
        self._validation_url = (
            f"http://127.0.0.1:{cloud.eventgrid_port}/validate/{subscription.name}?id={self.validation_code}"
        )
        function = subscription.destination.function
        self._address = subscription.destination.webhook or (
            f"http://127.0.0.1:{cloud.hub_port}/runtime/webhooks/eventgrid"
            f"?functionName={quote(function)}&code={cloud.keys['eventgrid']}"
        )
        self.port = urlsplit(self._address).port or 80

    def agree(self) -> None:
        """Take the endpoint as validated: somebody opened its validation address."""
        self._agreed = True

    async def ready(self) -> bool:
        """Ask the endpoint to agree, once
        (https://learn.microsoft.com/azure/event-grid/end-point-validation-event-grid-events-schema).
        """
        if not self._agreed:
            cloud_events = self._subscription.schema == CLOUD_EVENTS
            try:
                self._agreed = await (self._ask_options() if cloud_events else self._ask_validation())
            except (aiohttp.ClientError, TimeoutError, ValueError):
                return False
        return self._agreed

    async def _ask_options(self) -> bool:
        headers = {"WebHook-Request-Origin": ORIGIN}
        async with self._session.options(self._address, headers=headers, timeout=_ANSWER) as answer:
            allowed = answer.headers.get("WebHook-Allowed-Origin", "")
            agreed = answer.status in range(200, 300) and allowed in {"*", ORIGIN}
            if not agreed:
                self._refused(f"OPTIONS was answered {answer.status} with WebHook-Allowed-Origin {allowed!r}")
            return agreed

    async def _ask_validation(self) -> bool:
        event = {
            "id": str(uuid.uuid4()),
            "topic": self._topic,
            "subject": "",
            "data": {"validationCode": self.validation_code, "validationUrl": self._validation_url},
            "eventType": "Microsoft.EventGrid.SubscriptionValidationEvent",
            "eventTime": ticks(time.time_ns()),
            "metadataVersion": "1",
            "dataVersion": "2",
        }
        headers = {
            "aeg-event-type": "SubscriptionValidation",
            "aeg-subscription-name": self._subscription.name.upper(),
            "aeg-delivery-count": "0",
            "aeg-metadata-version": "1",
            "aeg-data-version": "2",
            "content-type": "application/json; charset=utf-8",
        }
        body = encode([event])
        async with self._session.post(self._address, data=body, headers=headers, timeout=_ANSWER) as answer:
            text = await answer.read()
            response: Any = decode(text) if answer.status == 200 and text else {}
        agreed = isinstance(response, dict) and response.get("validationResponse") == self.validation_code
        if not agreed:
            self._refused(f"its answer to the validation event was {answer.status} without the validation code")
        return agreed

    def _refused(self, why: str) -> None:
        logger.warning("subscription %s: the endpoint has not agreed yet: %s", self._subscription.name, why)

    async def send(self, events: Sequence[Stored], attempts: int) -> int:
        """Send events in one request."""
        cloud_events = self._subscription.schema == CLOUD_EVENTS
        bodies = [in_schema(event, self._subscription.schema) for event in events]
        single = cloud_events and not self._subscription.destination.batches
        body = bodies[0] if single else b"[" + b",".join(bodies) + b"]"
        headers = {
            "aeg-event-type": "Notification",
            "aeg-subscription-name": self._subscription.name.upper(),
            "aeg-delivery-count": str(attempts),
            "content-type": "application/json; charset=utf-8",
        }
        if cloud_events:
            kind = "cloudevents" if single else "cloudevents-batch"
            headers["content-type"] = f"application/{kind}+json; charset=utf-8"
        else:
            headers["aeg-metadata-version"] = "1"
            headers["aeg-data-version"] = str(decode(bodies[0]).get("dataVersion", ""))
        try:
            async with self._session.post(self._address, data=body, headers=headers, timeout=_ANSWER) as answer:
                await answer.read()
                return answer.status
        except TimeoutError:
            return 408
        except aiohttp.ClientError:
            return 0


_ANSWER: Final = aiohttp.ClientTimeout(total=ANSWER_TIMEOUT)
