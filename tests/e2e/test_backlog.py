"""Events wait in the intake queue because no host runs; the burst is one burst nevertheless.

The wait is real: 60 s here, HUB_BACKLOG_SECONDS elsewhere (`make chaos` waits the full three minutes).
"""

import os
import time

from local.testing import LaptopCloud
from tests.e2e.drops import Drop, check_one_of_each

BACKLOG_SECONDS = float(os.environ.get("HUB_BACKLOG_SECONDS", "60"))


def test_a_backlog_of_a_burst_that_had_begun_is_one_activity(laptop_cloud: LaptopCloud) -> None:
    drop = Drop("late")
    first = dict(list(drop.files.items())[:50])
    laptop_cloud.upload(first)
    laptop_cloud.quiet()
    laptop_cloud.act("host", "stop")
    laptop_cloud.upload({path: content for path, content in drop.files.items() if path not in first})
    laptop_cloud.upload(drop.marker)
    time.sleep(BACKLOG_SECONDS)
    laptop_cloud.act("host", "start")
    check_one_of_each(laptop_cloud, drop, laptop_cloud.activity("numbers-train"))
    assert len(laptop_cloud.hub.activities()) == 1
    assert laptop_cloud.hub.get("collections")["items"] == []
