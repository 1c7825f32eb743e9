"""How often an idle queue is asked: less and less, at most every `maxPollingInterval`.

https://learn.microsoft.com/azure/azure-functions/functions-bindings-storage-queue-trigger#polling-algorithm
"""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from local.config import AZURITE_KEY
from local.functions import queues
from local.functions.queues import QueueListener
from local.functions.settings import QueueOptions
from local.functions.worker import FunctionSpec

STORE = f"AccountName=a;AccountKey={AZURITE_KEY};QueueEndpoint=http://127.0.0.1:1/a;"


async def pauses(monkeypatch: pytest.MonkeyPatch, found: list[int], count: int) -> list[float]:
    """Give the pauses of a listener that finds so many messages each time, and then none."""
    trigger = {"type": "queueTrigger", "name": "m", "queueName": "q", "connection": "STORE"}
    options = QueueOptions(max_polling_interval=timedelta(seconds=2))
    listener = QueueListener(FunctionSpec("f", "f", [trigger]), {"STORE": STORE}, options, None)  # type: ignore[arg-type]  # nothing is called
    seen: list[float] = []
    asked = iter(found)

    async def receive(most: int) -> list[Any]:
        return [object()] * min(most, next(asked, 0))

    async def handle(message: Any) -> None:
        return

    async def sleep(seconds: float) -> None:
        seen.append(seconds)
        if len(seen) == count:
            raise EOFError

    monkeypatch.setattr(listener, "_receive", receive)
    monkeypatch.setattr(listener, "_handle", handle)
    with monkeypatch.context() as patched:
        patched.setattr(queues.asyncio, "sleep", sleep)
        with pytest.raises(EOFError):
            await listener.run()
    await asyncio.sleep(0)
    await listener.close()
    return seen


async def test_an_idle_queue_is_asked_less_and_less(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = await pauses(monkeypatch, [], 8)
    assert seen == [0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0, 2.0]


async def test_a_message_begins_it_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    assert await pauses(monkeypatch, [0, 0, 0, 1, 0, 0], 5) == [0.1, 0.2, 0.4, 0.1, 0.2]
