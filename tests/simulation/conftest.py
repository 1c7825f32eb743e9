"""Every test of this folder happens on the stage."""

from collections.abc import Iterator

import pytest

from tests.simulation.stage import staged


@pytest.fixture(autouse=True)
def _on_stage() -> Iterator[None]:
    with staged():
        yield
