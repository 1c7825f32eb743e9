"""A burst of more than is copied: by a list, read whole and right by the jobs, and found out where it changes."""

from collections.abc import Mapping

import pytest

from local.testing import LaptopCloud
from tests.e2e.drops import Drop, Workspace, hashes_read


@pytest.fixture(scope="module")
def laptop_settings() -> Mapping[str, str]:
    return {"HUB_FREEZE_COPY_MOST": "100"}


def read_by(laptop: LaptopCloud, job: str) -> dict[str, str]:
    """Give the hashes that a job logged, by the path in the container: the list's folder shows the datastore first."""
    return {path.removeprefix("landing/"): digest for path, digest in hashes_read(laptop, job).items()}


def test_a_burst_goes_by_a_list_and_jobs_read_what_was_uploaded(laptop_cloud: LaptopCloud) -> None:
    drop = Drop("much", 40)
    laptop_cloud.upload(drop.files)
    laptop_cloud.upload(drop.marker)
    activity = laptop_cloud.activity("numbers-train")
    assert activity["status"] == "succeeded", activity["reason"]
    steps = {step["name"]: step["detail"] for step in activity["steps"]}
    for name in ("files", "dataset"):
        assert (steps[name]["frozen_as"], steps[name]["files"]) == ("list", 40)
        assert steps[name]["size"] == sum(map(len, drop.files.values()))
    for name in ("check", "train"):
        assert read_by(laptop_cloud, steps[name]["job"]) == drop.hashes, f"{name} read other bytes"
        assert steps[name]["looked_after"] == 40
    receipt = laptop_cloud.hub.get(f"models/numbers/versions/{activity['id']}/receipt")
    assert (receipt["dataset"]["frozen_as"], receipt["dataset"]["files"]) == ("list", 40)
    listed = {file["path"]: file["etag"] for file in receipt["dataset"]["listed"]}
    assert set(listed) == set(drop.files)
    path = min(drop.files)
    used = laptop_cloud.hub.get(f"files/used-by?url=landing/{path}")
    assert [(use["model"], use["etag"], use["copies"]) for use in used["uses"]] == [("numbers", listed[path], [])]


def test_what_was_accepted_and_is_rewritten_is_not_trained_on(laptop_cloud: LaptopCloud) -> None:
    before = Workspace(laptop_cloud).models()
    rewritten = min(Drop("much", 40).files)
    laptop_cloud.upload({rewritten: b"1\n"})
    drop = Drop("more", 20)
    laptop_cloud.upload(drop.files)
    laptop_cloud.upload(drop.marker)
    activity = laptop_cloud.activity("numbers-train", batch="more")
    assert activity["status"] == "failed"
    assert activity["reason"].startswith(f"the dataset cannot be frozen: landing/landing/{rewritten} was rewritten")
    assert Workspace(laptop_cloud).models() == before
