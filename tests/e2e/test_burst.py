"""A burst of 200 files through real storage, Event Grid, Functions and Azure ML: one of each, whatever comes twice."""

from collections.abc import Callable

from local.testing import LaptopCloud
from tests.e2e.drops import Drop, Workspace, check_one_of_each, hashes_read, outcome


def test_a_burst_becomes_one_activity_one_job_a_step_and_one_model(laptop_cloud: LaptopCloud) -> None:
    drop = Drop("first")
    laptop_cloud.upload(drop.files)
    laptop_cloud.upload(drop.marker)
    activity = laptop_cloud.activity("numbers-train")
    check_one_of_each(laptop_cloud, drop, activity)
    assert activity["cause"]["closed_by"] == "marker came"
    assert len(laptop_cloud.hub.activities()) == 1
    train = next(step for step in activity["steps"] if step["name"] == "train")
    assert hashes_read(laptop_cloud, train["detail"]["job"]) == drop.hashes
    metrics = next(step for step in activity["steps"] if step["name"] == "metrics")
    assert metrics["detail"]["metrics"] == {"mean": (2 * sum(range(200)) + 200 * 5.5) / 400}


def test_all_events_delivered_again_change_nothing(laptop_cloud: LaptopCloud) -> None:
    before = outcome(laptop_cloud)
    assert len(before["activities"]) == 1
    delivered = laptop_cloud.event_grid.redeliver()["deliveries"]
    assert delivered >= 201
    laptop_cloud.quiet()
    assert outcome(laptop_cloud) == before
    assert laptop_cloud.hub.get("collections")["items"] == []


def test_two_hosts_on_the_same_queues_do_everything_once(start_laptop: Callable[..., LaptopCloud]) -> None:
    laptop = start_laptop(hosts=2)
    drop = Drop("shared")
    laptop.upload(drop.files)
    laptop.upload(drop.marker)
    check_one_of_each(laptop, drop, laptop.activity("numbers-train"))
    before = outcome(laptop)
    laptop.event_grid.redeliver()
    laptop.quiet()
    assert outcome(laptop) == before
    assert len(before["activities"]) == 1
    assert len(Workspace(laptop).jobs) == 2
    assert all(part["starts"] == 1 for part in laptop.parts().values())
