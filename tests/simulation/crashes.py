"""Tells a path again and again, with a fault at each of its writes in turn, and compares the ends."""

import random
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path as Folder
from typing import Final

from tests.simulation.ending import check, ending
from tests.simulation.paths import Path
from tests.simulation.stage import LEASE, Stage

FAULTS: Final = ("before", "after", "refused", "unheard")
"""The instance dies right before or right after a write; or lives on, and the store refused, or was not heard."""
SHORT: Final = timedelta(minutes=2)
"""How long the host hides the message of an instance that died: still over every grace of the hub, and fewer looks."""
_SAMPLE: Final = 12


async def told(folder: Folder, path: Path, crash: tuple[int, str] | None = None, lease: timedelta = SHORT) -> Stage:
    """Tell the story of a path, with a fault in it; the invariants are checked at its end."""
    stage = Stage(folder, path.automations, path.settings, crash=crash, lease=lease)
    await path.story(stage)
    await check(stage)
    for step, most in path.most.items():
        assert stage.azureml.groups[step] <= most, f"{stage.azureml.groups[step]} jobs of {step} ran at once"
    return stage


def chosen(whole: Stage, seed: int) -> Iterator[tuple[int, str]]:
    """Give every point at which a crash makes a difference, and a seeded few of the faults that an instance survives.

    A crash before a write differs from one after the write before it only where something was made outside between
    the two.
    """
    draw = random.Random(seed)
    for number in range(1, whole.writes + 1):
        yield number, "after"
        if number == 1 or number - 1 in whole.effects:
            yield number, "before"
        if draw.randrange(_SAMPLE) == 0:
            yield number, draw.choice(("refused", "unheard"))


def every(whole: Stage) -> Iterator[tuple[int, str]]:
    """Give every fault at every write."""
    for number in range(1, whole.writes + 1):
        for how in FAULTS:
            yield number, how


async def enumerate_crashes(
    folder: Folder, path: Path, *, seed: int, all_of_them: bool = False
) -> tuple[int, Sequence[str]]:
    """Give how many faults were tried, and what went wrong, a sentence each."""
    lease = LEASE if all_of_them else SHORT
    whole = await told(folder, path, lease=lease)
    wanted = await ending(whole)
    assert whole.writes > 10
    wrong: list[str] = []
    faults = list(every(whole) if all_of_them else chosen(whole, seed))
    for number, how in faults:
        try:
            found = await ending(await told(folder, path, (number, how), lease))
            differing = {name: (found[name], wanted[name]) for name in wanted if found[name] != wanted[name]}
            assert not differing, f"it is so, and should be so: {differing}"
        except AssertionError as error:
            wrong.append(f"{how} write {number}, {whole.journal[number - 1]}: {error}")
    return len(faults), wrong
