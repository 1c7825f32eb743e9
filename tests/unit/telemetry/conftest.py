"""A hub in memory whose telemetry is caught, and given back afterwards to nobody."""

from collections.abc import Iterator

import pytest

from shared.telemetry import recording
from shared.telemetry.recording import Buffer


@pytest.fixture
def caught() -> Iterator[Buffer]:
    """What is recorded; of events that open nothing, no spans."""
    buffer = Buffer(share=0.0)
    recording.use(buffer)
    yield buffer
    recording.use(None)
