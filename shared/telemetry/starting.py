"""Starts telemetry: at once what records, and in the background, once the first event is served, what sends."""

import atexit
import logging
import threading
from collections.abc import Mapping
from typing import Final

from shared.telemetry import choice as choices
from shared.telemetry import logs, recording
from shared.telemetry.choice import Choice
from shared.telemetry.recording import Buffer, Number

logger = logging.getLogger(__name__)

REST: Final = 1.0
"""Seconds after the first record (so after the first event was decided) until OpenTelemetry is imported."""
_BETWEEN: Final = 0.5
_PATIENCE: Final = 2.0


class Pump(threading.Thread):
    """Imports the SDK, then hands on what is recorded. Where that fails, it says so and nothing is recorded more."""

    def __init__(self, choice: Choice, buffer: Buffer) -> None:
        super().__init__(name="hub-telemetry", daemon=True)
        self._choice = choice
        self._buffer = buffer
        self._over = threading.Event()
        self.started = threading.Event()

    def run(self) -> None:
        """Send until the process ends."""
        if self._over.wait(REST):
            return
        try:
            self._pump()
        except Exception:
            recording.use(None)
            logs.detach()
            logger.exception("telemetry is off: its exporter did not start")

    def _pump(self) -> None:
        from shared.telemetry import exporters
        from shared.telemetry.sdk import Sdk

        sdk = Sdk(self._choice, exporters.make(self._choice))
        self.started.set()
        while not self._over.is_set():
            self._buffer.filled.wait()
            self._over.wait(_BETWEEN)
            sdk.hand_on(self._buffer.take())
            if self._buffer.dropped:
                sdk.hand_on([Number("hub.telemetry.dropped", self._buffer.dropped, {})])
                self._buffer.dropped = 0
        sdk.flush(_PATIENCE)

    def end(self) -> None:
        """Send what is left, if that is quick."""
        self._over.set()
        self._buffer.filled.set()
        if self.started.is_set():
            self.join(2 * _PATIENCE)


_pump: Pump | None = None


def start(environment: Mapping[str, str], hub_id: str) -> None:
    """Record from now on where the settings name an exporter. Never raises: a hub without telemetry still works."""
    global _pump  # noqa: PLW0603 - one for the process, as the loggers are
    if _pump is not None:
        return
    try:
        choice = choices.read(environment, hub_id)
    except ValueError as error:
        logger.error("telemetry is off: %s", error)
        return
    if choice.kind == "none":
        return
    buffer = Buffer(choice.share, lambda: _pump.start() if _pump else None)
    _pump = Pump(choice, buffer)
    atexit.register(_pump.end)
    recording.use(buffer)
    logs.attach(quiet=choice.kind == "azure")
    logger.info("telemetry goes to %s", choice.kind)
