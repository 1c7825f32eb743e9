"""Output bindings, written after the function has succeeded: queue messages and blobs."""

import base64
import contextlib
import json
import re
from collections.abc import Mapping
from typing import Any

from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError

from local.functions import datums
from local.functions.connections import blob_service, queue_service
from local.functions.settings import resolve
from local.functions.worker import FunctionSpec, Result


class Outputs:
    """Writes the outputs of functions."""

    def __init__(self, settings: Mapping[str, str], *, base64_messages: bool) -> None:
        self._settings = settings
        self._base64 = base64_messages

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
        async with queue_service(
            self._settings, str(binding.get("connection") or "AzureWebJobsStorage"), where
        ) as all_:
            client = all_.get_queue_client(name)
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
        async with blob_service(self._settings, str(binding.get("connection") or "AzureWebJobsStorage"), where) as all_:
            await all_.get_blob_client(container, name).upload_blob(datums.content(datum), overwrite=True, timeout=30)


def _messages(datum: Any) -> list[bytes]:
    if datum.type != "json":
        return [datums.content(datum)]
    value = json.loads(datum.value)
    items = value if isinstance(value, list) else [value]
    return [str(item["body"] if isinstance(item, dict) and "body" in item else item).encode() for item in items]
