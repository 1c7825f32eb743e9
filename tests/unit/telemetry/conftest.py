"""A hub in memory whose telemetry is caught, and given back afterwards to nobody."""

import importlib.util
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from shared.telemetry import recording
from shared.telemetry.recording import Buffer

_spec = importlib.util.spec_from_file_location("telemetry_world", Path(__file__).parent.parent / "flow" / "world.py")
assert _spec is not None
assert _spec.loader is not None
_module = importlib.util.module_from_spec(_spec)
sys.modules["telemetry_world"] = _module
_spec.loader.exec_module(_module)


@pytest.fixture
def world(tmp_path: Path) -> Any:
    return _module.World(tmp_path)


@pytest.fixture
def world_of(tmp_path: Path) -> Callable[[str], Any]:
    """Makes a hub with these automations."""
    return lambda automations: _module.World(tmp_path, automations)


@pytest.fixture
def caught() -> Iterator[Buffer]:
    """What is recorded; of events that open nothing, no spans."""
    buffer = Buffer(share=0.0)
    recording.use(buffer)
    yield buffer
    recording.use(None)
