"""The queue trigger on real Azurite: batches, failures, poison, broken messages, long runs.

Sources: https://learn.microsoft.com/azure/azure-functions/functions-bindings-storage-queue, and QueueListener and
QueueProcessor (Azure/azure-webjobs-sdk, Azure/azure-sdk-for-net sdk/storage); each test names the part.
"""

import asyncio
import base64
import itertools
import time
from datetime import timedelta
from typing import Any

import pytest

from local.config import HUB_ACCOUNT, Cloud
from local.functions.queues import QueueListener
from local.functions.settings import QueueOptions
from local.functions.worker import FunctionSpec, Result
from tests.integration.functions.hosting import until


@pytest.fixture
def own(starts) -> Any:
    """A host whose queue nobody else uses."""
    return starts()


def waiting(queue: Any) -> list[str]:
    try:
        return [str(one.content) for one in queue.peek_messages(max_messages=32)]
    except Exception:
        return []


def left(queue: Any) -> int:
    return int(queue.get_queue_properties().approximate_message_count)


def test_a_message_runs_once_and_is_gone(host, send) -> None:
    """QueueProcessor.CompleteProcessingMessageAsync: deleted after success; messages are base64 by default."""
    queue = host.queue()
    sent = send(queue, "hallo ✈")
    (seen,) = until(lambda: [one for one in host.seen("work") if one.get("id") == sent])
    assert (seen["text"], seen["dequeue"]) == ("hallo ✈", 1)
    until(lambda: left(queue) == 0)


def test_a_failing_message_comes_again_after_the_visibility_timeout_then_goes_to_poison_as_it_was(host, send) -> None:
    """QueueProcessor: released with host.json's visibilityTimeout (here 1 s) below maxDequeueCount (here 3), then
    copied to `<queue>-poison` and deleted.
    """
    queue, poison = host.queue(), host.queue("-poison")
    sent = send(queue, "fail always")
    until(lambda: base64.b64encode(b"fail always").decode() in waiting(poison))
    seen = [one for one in host.seen("work") if one.get("id") == sent]
    assert [one["dequeue"] for one in seen] == [1, 2, 3]
    assert all(later["at"] - earlier["at"] >= 1 for earlier, later in itertools.pairwise(seen))
    until(lambda: left(queue) == 0)


def test_a_poison_message_never_expires(host, send) -> None:
    """QueueProcessor.CopyMessageToPoisonQueueAsync: added with TimeSpan.MaxValue as time to live."""
    poison = host.queue("-poison")
    send(host.queue(), "fail for ever")
    content = base64.b64encode(b"fail for ever").decode()
    until(lambda: content in waiting(poison))
    kept = next(one for one in poison.peek_messages(max_messages=32) if one.content == content)
    assert kept.expires_on.year == 9999


@pytest.mark.parametrize("content", ["no base64!", "äö", base64.b64encode(b"\xff\xfe").decode()[:-1] + "*"])
def test_a_message_that_is_not_base64_goes_to_poison_without_running(host, send, content: str) -> None:
    """https://learn.microsoft.com/azure/azure-functions/functions-bindings-storage-queue#message-encoding; its decoding
    handler in the storage extension (azure-sdk-for-net#21449).
    """
    poison, queue = host.queue("-poison"), host.queue()
    before = len(host.seen("work"))
    send(queue, content, plain=True)
    until(lambda: content in waiting(poison))
    assert len(host.seen("work")) == before
    until(lambda: left(queue) == 0)


def test_a_queue_that_comes_later_is_found(own, send) -> None:
    """QueueListener.ExecuteAsync: a queue that is not there backs off and is looked for again."""
    queue = own.queue()
    assert own.ask("/admin/host/ping").status == 200
    time.sleep(1)
    send(queue, "late queue")
    until(lambda: [one for one in own.seen("work") if one["text"] == "late queue"])


def test_at_most_batch_size_and_threshold_run_at_once(own, send) -> None:
    """host.json extensions.queues: at most batchSize (4) plus newBatchThreshold (2) messages run at once."""
    queue = own.queue()
    for number in range(14):
        send(queue, f"wait 0.7 {number}")
    until(lambda: len([one for one in own.seen("work") if one.get("ended")]) == 14, 30)
    moments = [(one["at"], -1 if one.get("ended") else 1) for one in own.seen("work")]
    running, most = 0, 0
    for _, change in sorted(moments):
        running += change
        most = max(most, running)
    assert 4 <= most <= 6
    assert len(moments) == 28, "each ran once"


def test_a_message_that_runs_when_the_host_is_asked_to_stop_is_finished(starts, send) -> None:
    """QueueListener.StopAsync waits for what runs."""
    host = starts()
    queue = host.queue()
    send(queue, "wait 1.5")
    until(lambda: host.seen("work"))
    host.process.terminate()
    assert host.process.wait(20) == 0
    assert left(queue) == 0


def test_a_message_of_a_killed_host_is_not_lost(starts, send) -> None:
    """QueueListener: a message is hidden for ten minutes while it runs, and deleted only after success."""
    host = starts()
    queue = host.queue()
    sent = send(queue, "wait 60")
    until(lambda: host.seen("work"))
    host.process.kill()
    host.process.wait(20)
    assert left(queue) == 1
    assert [one.id for one in queue.receive_messages()] == [], f"{sent} is still hidden"


class Slow:
    """Stands where the invoker does: a function that takes its time."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.calls = seconds, 0

    async def call(self, *given: Any) -> Result:
        self.calls += 1
        await asyncio.sleep(self.seconds)
        return Result()


async def test_a_long_run_keeps_its_message_hidden(azurite: Cloud, send) -> None:
    """QueueListener.CreateUpdateMessageVisibilityTimer: renewed half-way through ten minutes (here 2 s)."""
    spec = FunctionSpec("work", "work", [{"type": "queueTrigger", "queueName": "renewed", "connection": "STORE"}])
    slow = Slow(6.5)
    settings = {"STORE": azurite.connection_string(HUB_ACCOUNT)}
    options = QueueOptions(max_polling_interval=timedelta(milliseconds=200))
    listener: Any = QueueListener(spec, settings, options, slow, visibility=2)  # type: ignore[arg-type]  # a stand-in
    from azure.storage.queue import QueueClient

    queue = QueueClient.from_connection_string(settings["STORE"], "renewed")
    await asyncio.to_thread(send, queue, "long")
    running = asyncio.create_task(listener.run())
    await asyncio.sleep(8.5)
    running.cancel()
    await listener.close()
    assert slow.calls == 1, "it never became visible while it ran"
    assert await asyncio.to_thread(left, queue) == 0, "and was deleted with its renewed receipt"


async def test_a_host_that_stops_gives_back_what_it_was_working_on(azurite: Cloud, send) -> None:
    """JobHost.StopAsync drains: what is not done then is another host's at once, not after ten minutes."""
    from azure.storage.queue import QueueClient

    spec = FunctionSpec("work", "work", [{"type": "queueTrigger", "queueName": "given-back", "connection": "STORE"}])
    slow = Slow(600)
    settings = {"STORE": azurite.connection_string(HUB_ACCOUNT)}
    options = QueueOptions(batch_size=4, new_batch_threshold=2)
    listener: Any = QueueListener(spec, settings, options, slow)  # type: ignore[arg-type]  # a stand-in
    queue = QueueClient.from_connection_string(settings["STORE"], "given-back")
    for number in range(8):
        await asyncio.to_thread(send, queue, str(number))
    running = asyncio.create_task(listener.run())
    while slow.calls < 4:  # noqa: ASYNC110 (the stand-in knows no event)
        await asyncio.sleep(0.05)
    running.cancel()
    await asyncio.wait([running], timeout=10)
    await listener.close()
    assert len(await asyncio.to_thread(queue.peek_messages, 32)) == 8, "all are visible"
