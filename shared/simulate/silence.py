"""Keeps what is only pretended out of the log and of the measurements, which tell of what really happens."""

import contextlib
import logging
from collections.abc import Iterator
from typing import Final

from shared.telemetry import recording

_OURS: Final = "shared"


@contextlib.contextmanager
def silence() -> Iterator[None]:
    """Keep quiet what the hub's code says in this context, and in no other."""
    _listen()
    before = recording.pretended.set(True)
    try:
        yield
    finally:
        recording.pretended.reset(before)


def _heard(record: logging.LogRecord) -> bool:
    return not recording.pretended.get()


def _listen() -> None:
    """Have every logger of the hub ask: a filter of a parent is not asked for the lines of its children."""
    for name, logger in logging.root.manager.loggerDict.items():
        if isinstance(logger, logging.Logger) and name.partition(".")[0] == _OURS and _heard not in logger.filters:
            logger.addFilter(_heard)
