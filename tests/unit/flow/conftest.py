"""The hub in memory, for every test of this folder."""

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

_spec = importlib.util.spec_from_file_location("flow_world", Path(__file__).parent / "world.py")
assert _spec is not None
assert _spec.loader is not None
_module = importlib.util.module_from_spec(_spec)
sys.modules["flow_world"] = _module
_spec.loader.exec_module(_module)


@pytest.fixture
def world(tmp_path: Path) -> Any:
    return _module.World(tmp_path)


@pytest.fixture
def world_of(tmp_path: Path) -> Callable[[str], Any]:
    """Makes a hub with these automations."""
    return lambda automations: _module.World(tmp_path, automations)
