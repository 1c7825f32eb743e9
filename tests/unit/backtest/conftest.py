"""Fixtures of these tests."""

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest

_spec = importlib.util.spec_from_file_location("backtest_desk", Path(__file__).parent.parent / "api" / "desk.py")
assert _spec is not None
assert _spec.loader is not None
desk_module = importlib.util.module_from_spec(_spec)
sys.modules["backtest_desk"] = desk_module
_spec.loader.exec_module(desk_module)


@pytest.fixture
def desk(tmp_path: Path) -> Any:
    """A hub in memory and its API."""
    return desk_module.Desk(tmp_path)


@pytest.fixture
def signed_in(tmp_path: Path) -> Any:
    """The same where the platform's authentication is on."""

    class SignedIn(desk_module.Desk):  # type: ignore[misc,name-defined]
        environment = {"WEBSITE_AUTH_ENABLED": "True"}  # noqa: RUF012

    return SignedIn(tmp_path)


@pytest.fixture
def principal() -> Any:
    """Makes the header by which the platform names who is signed in."""
    return desk_module.principal
