"""For every path through the engine: a crash right before and right after each single write, and the same end state."""

import os
import random
from pathlib import Path as Folder

import pytest

from tests.simulation.crashes import enumerate_crashes
from tests.simulation.paths import PATHS

SEED = int(os.environ.get("SEED") or random.SystemRandom().randrange(10**6))


@pytest.mark.parametrize("name", PATHS)
async def test_a_crash_at_any_write_changes_nothing(name: str, tmp_path: Folder) -> None:
    _, wrong = await enumerate_crashes(tmp_path, PATHS[name], seed=SEED)
    assert not wrong, f"{len(wrong)} with SEED={SEED}, such as {wrong[:3]}"
