"""Whole laptop clouds whose team has tiny files and quick jobs."""

from pathlib import Path

import pytest

TEAM = Path(__file__).parent / "team"


@pytest.fixture(scope="module")
def laptop_root() -> Path:
    """The rules and jobs beside these tests."""
    return TEAM
