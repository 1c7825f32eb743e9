"""Output bindings, written after the function has succeeded: queue messages and blobs."""

import base64
import contextlib
import json
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError
from azure.storage.queue.aio import QueueServiceClient

from local.functions import datums
from local.functions.connections import blob_service, queue_service
from local.functions.settings import resolve
from local.functions.worker import FunctionSpec, Result

if TYPE_CHECKING:
    from azure.storage.blob.aio import BlobServiceClient


class Outputs:
    """Writes the outputs of functions."""

    def __init__(self, settings: Mapping[str, str], *, base64_messages: bool) -> None:
        self._settings = settings
        self._base64 = base64_messages
        self._queues: dict[str, QueueServiceClient] = {}
        self._blobs: dict[str, BlobServiceClient] = {}

    async def close(self) -> None:
        """Let go of the connections."""
        for queues in self._queues.values():
            await queues.close()
        for blobs in self._blobs.values():
            await blobs.close()

    def check(self, specs: Sequence[FunctionSpec]) -> None:
        """Raise AppError, naming the function and the setting, where an output could never be written."""
        for spec in specs:
            for binding in spec.outputs:
                where = f"function {spec.name!r}"
                if binding["type"] == "queue":
                    resolve(binding["queueName"], self._settings, where)
                    self._queue_service(binding, where)
                else:
                    resolve(binding["path"], self._settings, where)
                    self._blob_service(binding, where)

    def _queue_service(self, binding: Mapping[str, Any], where: str) -> QueueServiceClient:
        name = str(binding.get("connection") or "AzureWebJobsStorage")
        if name not in self._queues:
            self._queues[name] = queue_service(self._settings, name, where)
        return self._queues[name]

    def _blob_service(self, binding: Mapping[str, Any], where: str) -> "BlobServiceClient":
        name = str(binding.get("connection") or "AzureWebJobsStorage")
        if name not in self._blobs:
            self._blobs[name] = blob_service(self._settings, name, where)
        return self._blobs[name]

    async def commit(self, spec: FunctionSpec, result: Result) -> None:
        """Write all outputs of a call; the first that fails fails the call."""
        values = dict(result.outputs)
        for binding in spec.outputs:
            datum = result.returned if binding["name"] == "$return" else values.get(binding["name"])
            if datum is None or datum.value is None:
                continue
            if binding["type"] == "queue":
                await self._queue(spec, binding, datum)
            else:
                await self._blob(spec, binding, datum)

    async def _queue(self, spec: FunctionSpec, binding: Mapping[str, Any], datum: Any) -> None:
        where = f"function {spec.name!r}"
        name = str(resolve(binding["queueName"], self._settings, where)).lower()
        client = self._queue_service(binding, where).get_queue_client(name)
        for text in _messages(datum):
            message = base64.b64encode(text).decode() if self._base64 else text.decode()
            try:
                await client.send_message(message, timeout=10)
            except ResourceNotFoundError:
                with contextlib.suppress(ResourceExistsError):
                    await client.create_queue(timeout=10)
                await client.send_message(message, timeout=10)

    async def _blob(self, spec: FunctionSpec, binding: Mapping[str, Any], datum: Any) -> None:
        where = f"function {spec.name!r}"
        path = str(resolve(binding["path"], self._settings, where))
        container, _, name = path.partition("/")
        if not name or re.search(r"[{}]", path):
            raise ValueError(
                f"{where}: blob path {path!r} is not container/name (binding expressions are not known here)"
            )
        client = self._blob_service(binding, where).get_container_client(container)
        content = datums.content(datum)
        try:
            await client.upload_blob(name, content, overwrite=True, timeout=30)
        except ResourceNotFoundError:
            with contextlib.suppress(ResourceExistsError):
                await client.create_container(timeout=10)
            await client.upload_blob(name, content, overwrite=True, timeout=30)


def _messages(datum: Any) -> list[bytes]:
    if datum.type != "json":
        return [datums.content(datum)]
    value = json.loads(datum.value)
    items = value if isinstance(value, list) else [value]
    return [str(item["body"] if isinstance(item, dict) and "body" in item else item).encode() for item in items]
