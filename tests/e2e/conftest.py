"""Whole laptop clouds whose team has tiny files and quick jobs."""

from pathlib import Path

import pytest

TEAM = Path(__file__).parent / "team"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give whole clouds more time than other tests: on a busy machine each step of theirs takes longer."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.timeout(600))


@pytest.fixture(scope="module")
def laptop_root() -> Path:
    """The rules and jobs beside these tests."""
    return TEAM
