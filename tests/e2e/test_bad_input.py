"""Bad rules, bad data, failing jobs and a full disk: a clear error where a person looks, and nothing lost."""

import resource
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError
from azure.storage.blob import BlobServiceClient

from local.config import LANDING_ACCOUNT
from local.testing import LaptopCloud
from tests.e2e.conftest import TEAM
from tests.e2e.drops import Drop, check_one_of_each, hashes_read

BROKEN = """\
name: broken
on:
  - blob-created: {container: landing, path: "broken/*.csv", colect: {quiet: 5s, max-wait: 1m}}
do: {train: {job: jobs/numbers/train.yml}}
"""
STRICT = """\
name: strict-train
on:
  - blob-created: {container: landing, path: "strict/{batch}/*.csv", collect: {by: [batch], quiet: 2s, max-wait: 1m}}
do: {train: {job: jobs/numbers/train.yml, inputs: {data: "${{ files }}"}}}
"""
WITHOUT_JOB = """\
name: without-job
on:
  - blob-created: {container: landing, path: "other/*.csv"}
do: {train: {job: jobs/numbers/tain.yml}}
"""


@pytest.fixture(scope="module")
def laptop_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The team's rules, and two of its members' mistakes."""
    root = tmp_path_factory.mktemp("team") / "team"
    shutil.copytree(TEAM, root)
    (root / "automations" / "broken.yml").write_text(BROKEN)
    (root / "automations" / "without-job.yml").write_text(WITHOUT_JOB)
    (root / "automations" / "strict.yml").write_text(STRICT)
    return root


@pytest.fixture(scope="module")
def ended(laptop_cloud: LaptopCloud) -> Callable[[str], dict[str, Any]]:
    """Batches of every kind, dropped together; `ended(batch)` gives what became of one."""
    drops = {batch: Drop(batch, 5) for batch in ("good", "refused", "gone")}
    drops["refused"].files["numbers/refused/part-9/broken.csv"] = b"1\n2\nthree\n"
    for drop in drops.values():
        laptop_cloud.upload(drop.files)
    laptop_cloud.upload({"strict/failing/low.csv": b"7\n-3\n"})
    gone = next(iter(drops["gone"].files))
    with BlobServiceClient.from_connection_string(laptop_cloud.cloud.connection_string(LANDING_ACCOUNT)) as service:
        service.get_blob_client("landing", gone).delete_blob()
    for batch in ("refused", "gone"):
        laptop_cloud.upload(drops[batch].marker)
        laptop_cloud.activity("numbers-train", batch=batch)
    laptop_cloud.upload(drops["good"].marker)
    return lambda batch: laptop_cloud.activity("strict-train" if batch == "failing" else "numbers-train", batch=batch)


def test_broken_automations_are_shown_with_file_and_line_and_stop_no_other(laptop_cloud: LaptopCloud) -> None:
    found = laptop_cloud.hub.get("automations")["items"]
    assert [item["name"] for item in found if item["valid"]] == ["numbers-train", "strict-train"]
    problems = problems_by_file(found)
    (key,) = problems.pop("automations/broken.yml")
    assert key == "automations/broken.yml:3:62: 'colect' is no key here; did you mean 'collect'?"
    (job,) = problems.pop("automations/without-job.yml")
    assert job.startswith("automations/without-job.yml:4:14: jobs/numbers/tain.yml does not exist")
    assert problems == {}
    assert set(laptop_cloud.hub.get("status")["automations"]["invalid"]) == set(problems_by_file(found))


def problems_by_file(found: list[dict[str, Any]]) -> dict[str, list[str]]:
    return {item["name"]: item["problems"] for item in found if not item["valid"]}


def test_data_that_the_check_refuses_is_told_with_its_findings(ended: Callable[[str], dict[str, Any]]) -> None:
    activity = ended("refused")
    assert activity["status"] in {"failed", "refused"}
    assert "numbers/refused/part-9/broken.csv:3: 'three' is no number" in activity["reason"]
    assert [step["name"] for step in activity["steps"] if step["state"] == "pending"][:2] == ["dataset", "train"]


def test_a_failing_training_is_told_with_the_end_of_its_log(ended: Callable[[str], dict[str, Any]]) -> None:
    activity = ended("failing")
    assert activity["status"] == "failed"
    assert "cannot learn from numbers below 0: the least is -3.0" in activity["reason"]


def test_a_file_that_is_gone_is_named(ended: Callable[[str], dict[str, Any]]) -> None:
    activity = ended("gone")
    assert activity["status"] == "failed"
    assert "numbers/gone/part-0/000.csv was deleted before it could be frozen" in activity["reason"]


def test_every_file_of_a_bad_batch_is_where_it_was(
    laptop_cloud: LaptopCloud, ended: Callable[[str], dict[str, Any]]
) -> None:
    assert len(ended("refused")["files"]["items"]) == 6
    with BlobServiceClient.from_connection_string(laptop_cloud.cloud.connection_string(LANDING_ACCOUNT)) as service:
        found = {blob.name for blob in service.get_container_client("landing").list_blobs("numbers/refused/")}
    assert len(found) == 7


def test_a_good_batch_becomes_a_model_from_its_own_files_alone(
    laptop_cloud: LaptopCloud, ended: Callable[[str], dict[str, Any]]
) -> None:
    activity = ended("good")
    assert (activity["status"], activity["reason"]) == ("succeeded", "")
    train = next(step for step in activity["steps"] if step["name"] == "train")
    assert hashes_read(laptop_cloud, train["detail"]["job"]) == Drop("good", 5).hashes


def test_a_full_disk_under_storage_loses_nothing(laptop_cloud: LaptopCloud) -> None:
    drop = Drop("full", 40)
    files = list(drop.files.items())
    laptop_cloud.upload(dict(files[:20]))
    with full_disk(laptop_cloud):
        with (
            BlobServiceClient.from_connection_string(
                laptop_cloud.cloud.connection_string(LANDING_ACCOUNT), retry_total=0
            ) as service,
            pytest.raises(HttpResponseError),
        ):
            service.get_blob_client("landing", files[20][0]).upload_blob(files[20][1] * 400_000)
    laptop_cloud.upload(dict(files[20:]))
    laptop_cloud.quiet()  # Event Grid tries again after 10 s what it could not put into the queue
    laptop_cloud.upload(drop.marker)
    activity = laptop_cloud.activity("numbers-train", batch="full")
    check_one_of_each(laptop_cloud, drop, activity)


@contextmanager
def full_disk(laptop: LaptopCloud) -> Iterator[None]:
    """Have the kernel refuse Azurite's writes: no file of it may grow, as on a disk without room."""
    process = int(laptop.parts()["azurite"]["pid"])
    soft, hard = resource.prlimit(process, resource.RLIMIT_FSIZE)
    resource.prlimit(process, resource.RLIMIT_FSIZE, (1, hard))
    try:
        yield
    finally:
        resource.prlimit(process, resource.RLIMIT_FSIZE, (soft, hard))
