"""Every part of the cloud is ended by force in the middle of a burst; the end state is the same as ever.

Azurite alone is asked to end, and started again: it writes what it has acknowledged to disk every 5 s and when it ends,
so that by force it would lose what Azure's storage would not.
"""

import threading

import pytest

from local.testing import LaptopCloud
from tests.e2e.drops import Drop, check_one_of_each


@pytest.fixture(scope="module")
def laptop_time_scale() -> float:
    return 20.0


def in_the_middle(laptop: LaptopCloud, drop: Drop) -> threading.Thread:
    """Begin to upload; returns when some files are there and others are not."""
    uploading = threading.Thread(target=lambda: (laptop.upload(drop.files), laptop.upload(drop.marker)))
    uploading.start()
    uploading.join(0.4)
    return uploading


def ends_as_ever(laptop: LaptopCloud, drop: Drop, uploading: threading.Thread, before: int) -> None:
    uploading.join(90)
    assert not uploading.is_alive()
    activity = laptop.activity("numbers-train", batch=drop.batch)
    check_one_of_each(laptop, drop, activity)
    laptop.quiet()
    assert len(laptop.hub.activities()) == before + 1
    assert laptop.hub.get("collections")["items"] == []


@pytest.mark.parametrize("part", ["host", "eventgrid"])
def test_a_part_is_killed_while_files_land(laptop_cloud: LaptopCloud, part: str) -> None:
    before = len(laptop_cloud.hub.activities())
    drop = Drop(f"without-{part}", 150)
    uploading = in_the_middle(laptop_cloud, drop)
    laptop_cloud.act(part, "kill")
    ends_as_ever(laptop_cloud, drop, uploading, before)


@pytest.mark.parametrize("part", ["host", "azureml"])
def test_a_part_is_killed_while_jobs_run(laptop_cloud: LaptopCloud, part: str) -> None:
    before = len(laptop_cloud.hub.activities())
    drop = Drop(f"jobs-without-{part}", 60)
    uploading = in_the_middle(laptop_cloud, drop)
    laptop_cloud.activity("numbers-train", "running", batch=drop.batch)
    laptop_cloud.act(part, "kill")
    ends_as_ever(laptop_cloud, drop, uploading, before)


def test_storage_is_away_while_files_land(laptop_cloud: LaptopCloud) -> None:
    before = len(laptop_cloud.hub.activities())
    drop = Drop("without-storage", 150)
    uploading = in_the_middle(laptop_cloud, drop)
    laptop_cloud.act("azurite", "stop")
    laptop_cloud.act("azurite", "start")
    ends_as_ever(laptop_cloud, drop, uploading, before)
