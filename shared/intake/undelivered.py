"""Reads what never reached the hub or could not be worked on, and keeps it as dead letters that people see."""

import json
import logging
from datetime import datetime
from typing import Any, Final

from shared.ledger.deadletters import DeadLetters, Kind, of_event_grid
from shared.ledger.protocol import Store

logger = logging.getLogger(__name__)

CONTAINER: Final = "hub-dead-letters"
"""Where the event subscriptions leave what Event Grid could not deliver."""
_A_LOOK: Final = 200


class Undelivered:
    """Keeps poison messages, and moves Event Grid's dead letters into the ledger."""

    def __init__(self, store: Store, letters: DeadLetters, container: str = CONTAINER) -> None:
        self._blobs = store.container(container)
        self._letters = letters

    async def poison(self, kind: Kind, body: bytes, now: datetime) -> None:
        """Keep a message that failed time after time."""
        subject, name = _about(body)
        letter = await self._letters.record(
            kind, body, now, "it failed as often as host.json allows; the log says why", subject=subject, type=name
        )
        logger.error("a message of queue %s is a dead letter now: %s", kind, letter.id)

    async def collect(self) -> int:
        """Move what Event Grid left in its container, each event once; give how many there were."""
        count = 0
        names = []
        async for name in self._blobs.names(""):
            names.append(name)
            if len(names) == _A_LOOK:
                break
        for name in names:
            for event in _events(await self._blobs.get(name)):
                reason, moment = of_event_grid(event)
                body = json.dumps(event).encode()
                subject, kind = _about(body)
                attempts = event.get("deliveryAttempts", event.get("deliveryattempts", 0))
                await self._letters.record(
                    "event-grid",
                    body,
                    moment,
                    f"Event Grid gave up: {reason}",
                    subject=subject,
                    type=kind,
                    attempts=attempts if isinstance(attempts, int) else 0,
                )
                count += 1
            await self._blobs.delete(name)
        if count:
            logger.error("Event Grid could not deliver %d events: they are dead letters now", count)
        return count


def _events(content: bytes) -> list[dict[str, Any]]:
    try:
        read = json.loads(content)
    except ValueError:
        return [{"body": content[:30_000].decode(errors="replace"), "deadLetterReason": "its content is no JSON"}]
    items = read if isinstance(read, list) else [read]
    return [item if isinstance(item, dict) else {"body": str(item)} for item in items]


def _about(body: bytes) -> tuple[str, str]:
    """Give subject and type where the body is one event."""
    try:
        read = json.loads(body)
    except ValueError:
        return "", ""
    event = read[0] if isinstance(read, list) and read else read
    if not isinstance(event, dict):
        return "", ""
    return str(event.get("subject") or "")[:1024], str(event.get("eventType") or event.get("type") or "")[:256]
