"""The hub in memory and its API, for all tests; settings of property tests: no deadline an example, for machines are
slow now and then; a failure prints its seed."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from tests.unit.api import desk as desks
from tests.unit.flow.world import World

settings.register_profile("hub", deadline=None, print_blob=True)
settings.load_profile("hub")


@pytest.fixture
def world(tmp_path: Path) -> Any:
    """A hub in memory, and the clouds around it."""
    return World(tmp_path)


@pytest.fixture
def world_of(tmp_path: Path) -> Callable[[str], Any]:
    """Makes a hub with these automations."""
    return lambda automations: World(tmp_path, automations)


@pytest.fixture
def desk(tmp_path: Path) -> Any:
    """A hub in memory and its API."""
    return desks.Desk(tmp_path)


@pytest.fixture
def signed_in(tmp_path: Path) -> Any:
    """The same where the platform's authentication is on."""

    class SignedIn(desks.Desk):
        environment = {"WEBSITE_AUTH_ENABLED": "True"}  # noqa: RUF012

    return SignedIn(tmp_path)


@pytest.fixture
def principal() -> Any:
    """Makes the header by which the platform names who is signed in."""
    return desks.principal
