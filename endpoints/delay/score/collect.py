"""Keeps what a deployment was asked and answered: JSON lines in a folder or a blob container, for later monitoring.

Lines are CloudEvents as Azure ML's data collector writes them (inputs with outputs), so that either is read alike:
https://learn.microsoft.com/azure/machine-learning/concept-data-collection
"""

import atexit
import json
import logging
import os
import random
import threading
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections import deque
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Self

MOST_WAITING: Final = 20_000
"""Requests kept while storage does not answer; older ones are given up, and counted."""
BATCH: Final = 500
TIMEOUT: Final = 10.0

_log = logging.getLogger("collect")


class Collector:
    """Gathers rows and writes them away from a thread of its own: a request never waits for storage."""

    def __init__(
        self, target: str, *, sas: str = "", share: float = 1.0, seconds: float = 10.0, source: str = ""
    ) -> None:
        """Begin. `target` is a folder or a container's URL, `share` of the requests, `seconds` between writes."""
        self._target, self._sas, self._share, self._seconds, self._source = target, sas, share, seconds, source
        self._waiting: deque[dict[str, Any]] = deque()
        self._lost = 0
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._ended = False
        self._thread = threading.Thread(target=self._write_on, name="collect", daemon=True)
        self._thread.start()
        atexit.register(self.close)

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Self | None:
        """Read COLLECT_TO (nothing is kept without it), COLLECT_SAS, COLLECT_SHARE, COLLECT_SECONDS."""
        target = environ.get("COLLECT_TO", "")
        if not target:
            return None
        return cls(
            target.rstrip("/"),
            sas=environ.get("COLLECT_SAS", "").lstrip("?"),
            share=float(environ.get("COLLECT_SHARE") or 1.0),
            seconds=float(environ.get("COLLECT_SECONDS") or 10.0),
            source=environ.get("COLLECT_SOURCE", ""),
        )

    def add(self, rows: list[dict[str, Any]]) -> None:
        """Take the rows of a request."""
        if random.random() >= self._share:  # noqa: S311 (a sample, no secret)
            return
        event = {
            "specversion": "1.0",
            "id": str(uuid.uuid4()),
            "source": self._source,
            "type": "azureml.inference.inputs_outputs",
            "datacontenttype": "application/json",
            "time": datetime.now(UTC).isoformat(),
            "data": rows,
        }
        with self._lock:
            self._waiting.append(event)
            while len(self._waiting) > MOST_WAITING:
                self._waiting.popleft()
                self._lost += 1
            full = len(self._waiting) >= BATCH
        if full:
            self._wake.set()

    def close(self) -> None:
        """Write what is left; waits one timeout at most."""
        self._ended = True
        self._wake.set()
        self._thread.join(TIMEOUT)

    def _write_on(self) -> None:
        while not self._ended:
            self._wake.wait(self._seconds)
            self._wake.clear()
            self._write()

    def _write(self) -> None:
        while True:
            with self._lock:
                batch = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
                lost, self._lost = self._lost, 0
            if lost:
                _log.warning("%d requests were not kept: storage did not answer for too long", lost)
            if not batch:
                return
            try:
                self._put("".join(f"{json.dumps(event, default=_plain)}\n" for event in batch).encode())
            except (OSError, ValueError) as error:
                # The address may hold a signature: only the kind of failure is told.
                status = f" {error.code}" if isinstance(error, urllib.error.HTTPError) else ""
                _log.warning("%d requests wait: storage failed with %s%s", len(batch), type(error).__name__, status)
                with self._lock:
                    self._waiting.extendleft(reversed(batch))
                return

    def _put(self, content: bytes) -> None:
        now = datetime.now(UTC)
        path = f"{now:%Y/%m/%d/%H}/{now:%M%S}-{uuid.uuid4().hex[:12]}.jsonl"
        if not self._target.startswith(("http://", "https://")):
            file = Path(self._target) / path
            file.parent.mkdir(parents=True, exist_ok=True)
            partial = file.with_suffix(".partial")
            partial.write_bytes(content)
            partial.replace(file)
            return
        headers = {"x-ms-blob-type": "BlockBlob", "x-ms-version": "2023-11-03", "Content-Type": "application/x-ndjson"}
        url = f"{self._target}/{path}"
        if self._sas:
            url = f"{url}?{self._sas}"
        else:
            headers["Authorization"] = f"Bearer {identity_token(os.environ)}"
        request = urllib.request.Request(url, data=content, headers=headers, method="PUT")  # noqa: S310 (checked above)
        with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:  # noqa: S310
            answer.read()


def identity_token(environ: Mapping[str, str]) -> str:
    """Give a token of the deployment's managed identity for storage; raises ValueError where there is no identity.

    Online deployments have MSI_ENDPOINT and MSI_SECRET, other hosts IDENTITY_ENDPOINT and IDENTITY_HEADER.
    """
    if environ.get("MSI_ENDPOINT"):
        address, version, headers = environ["MSI_ENDPOINT"], "2017-09-01", {"secret": environ.get("MSI_SECRET", "")}
    elif environ.get("IDENTITY_ENDPOINT"):
        address, version = environ["IDENTITY_ENDPOINT"], "2019-08-01"
        headers = {"X-IDENTITY-HEADER": environ.get("IDENTITY_HEADER", "")}
    else:
        raise ValueError("no COLLECT_SAS and no managed identity")
    query = {"resource": "https://storage.azure.com/", "api-version": version}
    if client := environ.get("UAI_CLIENT_ID", ""):
        query["clientid" if version == "2017-09-01" else "client_id"] = client
    if not address.startswith(("http://", "https://")):
        raise ValueError("the identity's endpoint is no URL")
    request = urllib.request.Request(f"{address}?{urllib.parse.urlencode(query)}", headers=headers)  # noqa: S310
    with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:  # noqa: S310
        return str(json.loads(answer.read())["access_token"])


def _plain(value: Any) -> Any:
    """Give numbers of NumPy as plain ones."""
    return value.item() if hasattr(value, "item") else str(value)
