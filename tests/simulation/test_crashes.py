"""For every path through the engine: a crash right before and right after each single write, and the same end state."""

from pathlib import Path as Folder

import pytest

from tests.simulation.ending import check, ending
from tests.simulation.paths import PATHS, Path
from tests.simulation.stage import Stage

FAULTS = ("before", "after", "refused", "unheard")


async def told(folder: Folder, path: Path, crash: tuple[int, str] | None) -> Stage:
    stage = Stage(folder, path.automations, path.settings, crash=crash)
    await path.story(stage)
    await check(stage)
    return stage


@pytest.mark.parametrize("name", PATHS)
async def test_a_crash_at_any_write_changes_nothing(name: str, tmp_path: Folder) -> None:
    path = PATHS[name]
    whole = await told(tmp_path, path, None)
    wanted = await ending(whole)
    assert whole.writes > 10
    for number in range(1, whole.writes + 1):
        for how in FAULTS:
            try:
                stage = await told(tmp_path, path, (number, how))
                assert await ending(stage) == wanted
            except AssertionError as error:
                raise AssertionError(f"{how} write {number}, {whole.journal[number - 1]}: {error}") from error
