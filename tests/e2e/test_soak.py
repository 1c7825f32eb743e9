"""Burst after burst, events that come twice, late and in any order, parts that die: at the end, one of each.

The marker comes when all files are told of: what comes after it rightly begins the next batch.

Two rounds here; `make soak MINUTES=30` goes on for that long. What the host takes of memory is printed round by round.
"""

import itertools
import os
import time
from pathlib import Path

import pytest

from local.testing import LaptopCloud
from tests.e2e.drops import Drop, check_one_of_each

ROUNDS = 2
SECONDS = 60 * float(os.environ.get("HUB_SOAK_MINUTES", "0"))
DIES = ("", "host", "", "eventgrid", "", "azureml")
"""What is killed in a round, in turn."""
EVENTS = (
    {"kind": "duplicate", "share": 0.3},
    {"kind": "reorder", "share": 0.3, "seconds": 2},
)


@pytest.fixture(scope="module")
def laptop_time_scale() -> float:
    """Messages that a dead host held are hidden for ten minutes: for half a minute here."""
    return 20.0


@pytest.mark.timeout(600 + 2 * SECONDS)
def test_burst_after_burst(laptop_cloud: LaptopCloud) -> None:
    end = time.monotonic() + SECONDS
    for number in itertools.count(1):
        for fault in EVENTS:
            laptop_cloud.fault(fault)
        drop = Drop(f"soak-{number:04}", 60)
        laptop_cloud.upload(drop.files)
        if part := DIES[number % len(DIES)]:
            laptop_cloud.act(part, "kill")
        laptop_cloud.quiet(300)
        laptop_cloud.upload(drop.marker)
        check_one_of_each(laptop_cloud, drop, laptop_cloud.activity("numbers-train", batch=drop.batch))
        laptop_cloud.no_faults()
        laptop_cloud.quiet()
        host = laptop_cloud.parts()["host"]
        print(f"round {number}: one activity, one model; host {_megabytes(int(host['pid']))} MB")
        if number >= ROUNDS and time.monotonic() > end:
            break
    listed = laptop_cloud.hub.activities()
    assert len(listed) == min(number, 200)
    assert {item["status"] for item in listed} == {"succeeded"}
    assert laptop_cloud.hub.get("audit/verify")["findings"] == []


def _megabytes(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") // 1_000_000
