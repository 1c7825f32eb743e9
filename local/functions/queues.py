"""The queue trigger: batches, back-off while idle, visibility renewed while a function runs, poison messages.

As the extension does (https://learn.microsoft.com/azure/azure-functions/functions-bindings-storage-queue): up to
`batchSize` messages are taken at once, and more when the running ones are down to `newBatchThreshold`; a failing one
becomes visible again after `visibilityTimeout`; after `maxDequeueCount` tries, or at once where it is not base64, it
goes to `<queue>-poison`.
"""

import asyncio
import base64
import binascii
import contextlib
import logging
from collections.abc import Mapping
from typing import Any, Final

from azure.core.exceptions import AzureError, ResourceExistsError, ResourceNotFoundError

from local.functions import datums
from local.functions.connections import queue_service
from local.functions.invoker import Invoker
from local.functions.settings import QueueOptions, resolve
from local.functions.worker import FunctionSpec, InvocationError

logger = logging.getLogger("host.queues")

VISIBILITY: Final = 600.0
"""Seconds for which a message is hidden while its function runs; renewed half-way."""
_SHORTEST: Final = 0.1
_DRAIN: Final = 3.0
"""Seconds that functions have to end when the host stops; then their messages are given back."""


class QueueListener:
    """Listens to one queue for one function."""

    def __init__(
        self,
        spec: FunctionSpec,
        settings: Mapping[str, str],
        options: QueueOptions,
        invoker: Invoker,
        visibility: float = VISIBILITY,
    ) -> None:
        where = f"function {spec.name!r}"
        trigger = spec.trigger
        self.queue = str(resolve(trigger["queueName"], settings, where)).lower()
        self._service = queue_service(settings, str(trigger.get("connection") or "AzureWebJobsStorage"), where)
        self._client = self._service.get_queue_client(self.queue)
        self._spec, self._options, self._invoker, self._visibility = spec, options, invoker, visibility
        self._tasks: set[asyncio.Task[None]] = set()
        self._freed = asyncio.Event()

    async def run(self) -> None:
        """Listen until cancelled."""
        pause = _SHORTEST
        while True:
            room = self._options.batch_size + self._options.new_batch_threshold - len(self._tasks)
            if self._tasks and len(self._tasks) > self._options.new_batch_threshold:
                self._freed.clear()
                await self._freed.wait()
                continue
            receiving = asyncio.create_task(self._receive(min(self._options.batch_size, room)))
            try:
                messages = await asyncio.shield(receiving)
            except asyncio.CancelledError:
                await asyncio.gather(*(self._give_back(message) for message in await receiving))
                raise
            for message in messages:
                task = asyncio.create_task(self._handle(message))
                self._tasks.add(task)
                task.add_done_callback(self._done)
            if messages:
                pause = _SHORTEST
                continue
            await asyncio.sleep(pause)
            pause = min(pause * 2, self._options.max_polling_interval.total_seconds())

    def _done(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        self._freed.set()

    async def _receive(self, most: int) -> list[Any]:
        try:
            pages = self._client.receive_messages(
                messages_per_page=most, max_messages=most, visibility_timeout=int(self._visibility), timeout=10
            )
            return [message async for message in pages]
        except AzureError as error:
            if getattr(error, "status_code", 0) != 404:
                logger.warning("queue %s does not answer: %s", self.queue, type(error).__name__)
            return []

    async def _handle(self, message: Any) -> None:
        try:
            if (message.dequeue_count or 1) > self._options.max_dequeue_count:
                await self._poison(message)
                return
            text = self._text(message)
            if text is None:
                logger.warning("queue %s: message %s is not base64: to poison", self.queue, message.id)
                await self._poison(message)
                return
            renewing = asyncio.create_task(self._renew(message))
            try:
                await self._invoker.call(self._spec, *datums.queue(text, message))
            finally:
                renewing.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await renewing
            await self._client.delete_message(message, timeout=10)
        except InvocationError:
            await self._release(message)
        except asyncio.CancelledError:
            await self._give_back(message)
            raise
        except AzureError as error:
            logger.warning("queue %s: message %s: %s", self.queue, message.id, type(error).__name__)

    def _text(self, message: Any) -> str | None:
        if not self._options.base64:
            return str(message.content)
        try:
            return base64.b64decode(str(message.content), validate=True).decode()
        except (binascii.Error, UnicodeDecodeError, ValueError):
            return None

    async def _renew(self, message: Any) -> None:
        while True:
            await asyncio.sleep(self._visibility / 2)
            with contextlib.suppress(AzureError):
                hidden = int(self._visibility)
                updated = await self._client.update_message(message, visibility_timeout=hidden, timeout=10)
                message.pop_receipt = updated.pop_receipt

    async def _release(self, message: Any) -> None:
        if (message.dequeue_count or 1) >= self._options.max_dequeue_count:
            await self._poison(message)
            return
        seconds = int(self._options.visibility_timeout.total_seconds())
        with contextlib.suppress(AzureError):
            await self._client.update_message(message, visibility_timeout=seconds, timeout=10)

    async def _give_back(self, message: Any) -> None:
        """Let another host have at once what this one has no time for any more."""
        with contextlib.suppress(AzureError):
            await self._client.update_message(message, visibility_timeout=0, timeout=10)

    async def _poison(self, message: Any) -> None:
        poison = self._service.get_queue_client(f"{self.queue}-poison")
        try:
            await poison.send_message(message.content, time_to_live=-1, timeout=10)
        except ResourceNotFoundError:
            with contextlib.suppress(ResourceExistsError):
                await poison.create_queue(timeout=10)
            await poison.send_message(message.content, time_to_live=-1, timeout=10)
        await self._client.delete_message(message, timeout=10)
        logger.error("queue %s: message %s is in %s-poison", self.queue, message.id, self.queue)

    async def close(self) -> None:
        """Let running functions end for a while, then let go."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_DRAIN)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._service.close()
