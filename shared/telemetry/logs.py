"""Log lines of the hub, with the activity they are about: a handler that records them for the exporter."""

import logging
from typing import Final

from shared.telemetry import places, recording
from shared.telemetry.recording import Line, Value

OURS: Final = ("shared", "functions")
"""The loggers of the hub; what libraries say stays with the host."""


class Lines(logging.Handler):
    """Records log lines; `quiet`: only warnings and worse go to the host too, which would keep all a second time."""

    def __init__(self, *, quiet: bool) -> None:
        super().__init__(logging.INFO)
        self._quiet = quiet

    def emit(self, record: logging.LogRecord) -> None:
        """Record one line; with it the activity, automation and step that were being worked on."""
        try:
            attributes: dict[str, Value] = {**places.about(), "logger": record.name}
            text = record.getMessage()
            if record.exc_info:
                text = f"{text}\n{logging.Formatter().formatException(record.exc_info)}"
            recording.put(Line(record.created, record.levelno, record.name, text, attributes, places.current()))
        except Exception:  # noqa: BLE001 - a line that cannot be recorded must not end what it tells of
            self.handleError(record)
        if self._quiet and record.levelno >= logging.WARNING:
            logging.getLogger().handle(record)


def attach(*, quiet: bool) -> None:
    """Record the hub's lines from now on, once however often this is called."""
    for name in OURS:
        logger = logging.getLogger(name)
        if not any(isinstance(handler, Lines) for handler in logger.handlers):
            logger.addHandler(Lines(quiet=quiet))
            logger.propagate = not quiet
            if logger.level == logging.NOTSET:
                logger.setLevel(logging.INFO)


def detach() -> None:
    """Record them no more."""
    for name in OURS:
        logger = logging.getLogger(name)
        logger.handlers = [handler for handler in logger.handlers if not isinstance(handler, Lines)]
        logger.propagate = True
