"""However a laptop cloud ends, nothing of it stays, and the next start finishes what was cut.

What Azurite had taken and not written to disk when it had to end may be lost: it is written again, as by its user.
"""

import signal
import time
from collections.abc import Callable

from local.testing import LaptopCloud
from tests.e2e.drops import Drop, check_one_of_each, outcome


def nothing_is_left(laptop: LaptopCloud, seconds: float) -> None:
    """Check that within so many seconds no process of the cloud runs and nothing listens on its ports."""
    end = time.monotonic() + seconds
    while (left := (laptop.processes(), laptop.open_ports())) != ([], []):
        assert time.monotonic() < end, left
        time.sleep(0.05)


def test_ctrl_c_in_the_middle_of_a_burst(start_laptop: Callable[..., LaptopCloud]) -> None:
    laptop = start_laptop()
    drop = Drop("interrupted", 120)
    first = dict(list(drop.files.items())[:70])
    laptop.upload(first)
    assert laptop.end(signal.SIGINT) == 0
    nothing_is_left(laptop, 0.5)
    assert not laptop.cloud.env_file.exists()
    laptop.start()
    laptop.upload({path: content for path, content in drop.files.items() if path not in first})
    laptop.upload(drop.marker)
    check_one_of_each(laptop, drop, laptop.activity("numbers-train"))
    before = outcome(laptop)
    laptop.event_grid.redeliver()
    laptop.quiet()
    assert outcome(laptop) == before
    assert len(before["activities"]) == 1


def test_sigkill_of_the_supervisor_in_the_middle_of_the_work(start_laptop: Callable[..., LaptopCloud]) -> None:
    laptop = start_laptop(time_scale=20)
    drop = Drop("killed", 120)
    laptop.upload(drop.files)
    laptop.upload(drop.marker)
    laptop.activity("numbers-train", "running")
    assert laptop.end(signal.SIGKILL) == -signal.SIGKILL
    nothing_is_left(laptop, 5)
    laptop.start()
    check_one_of_each(laptop, drop, laptop.activity("numbers-train"))
    assert len(laptop.hub.activities()) == 1


def test_sigkill_of_the_supervisor_in_the_middle_of_the_intake(start_laptop: Callable[..., LaptopCloud]) -> None:
    laptop = start_laptop(time_scale=20)
    drop = Drop("early", 120)
    laptop.upload(drop.files)
    laptop.end(signal.SIGKILL)
    nothing_is_left(laptop, 5)
    laptop.start()
    kept = laptop.listed("numbers/early/")
    laptop.upload({path: content for path, content in drop.files.items() if path not in kept})
    laptop.upload(drop.marker)
    check_one_of_each(laptop, drop, laptop.activity("numbers-train"))
    assert len(laptop.hub.activities()) == 1
