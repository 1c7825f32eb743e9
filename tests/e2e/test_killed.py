"""The host is killed three times amid a storm of files and repeated events: the end state is that of a calm day."""

import http.server
import json
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import requests

from local.demo.clients import wait_until
from local.testing import LaptopCloud
from tests.e2e.drops import Workspace

BATCHES, FILES, SINGLES, KILLS = 1, 40, 8, 3
Day = dict[tuple[str, str], list[Any]]


@pytest.fixture(scope="module")
def laptop_root() -> Path:
    return Path(__file__).parent / "storm"


class Operators(http.server.BaseHTTPRequestHandler):
    """Where people are told: takes whatever comes."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def laptop_settings() -> Iterator[Mapping[str, str]]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Operators) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        channels = {"ops": {"kind": "teams", "url-setting": "HUB_OPS_URL"}}
        yield {"HUB_CHANNELS": json.dumps(channels), "HUB_OPS_URL": f"http://127.0.0.1:{server.server_port}/"}
        server.shutdown()


@pytest.fixture(scope="module")
def laptop_time_scale() -> float:
    return 100.0


def files_of(day: str) -> dict[str, bytes]:
    """Give the files of a day: batches and single files, mixed."""
    names = [f"batches/{day}-{batch}/{n:02}.csv" for n in range(FILES) for batch in range(BATCHES)]
    names += [f"singles/{day}/{n:02}.csv" for n in range(SINGLES)]
    return {name: name.encode() for name in sorted(names, key=lambda name: name[-6:])}


def state(laptop: LaptopCloud, day: str) -> Day:
    """Give what became of a day's files: by automation and files, each activity's status and steps; all its jobs."""
    jobs = Workspace(laptop).jobs
    found: Day = {}
    for item in laptop.hub.activities():
        activity = laptop.hub.get(f"activities/{item['id']}")
        paths = [file["path"] for file in activity["files"]["items"]]
        if day not in paths[0]:
            continue
        steps = [(step["name"], step["state"], step["attempt"]) for step in activity["steps"]]
        mine = [name.replace(activity["id"], "…") for name in jobs if activity["id"] in name]
        key = activity["automation"], ",".join(sorted(paths)).replace(day, "day")
        found.setdefault(key, []).append((activity["status"], activity["attempt"], steps, mine))
    return found


def ended(laptop: LaptopCloud, day: str) -> Day:
    """Wait until all activities of a day are there and have ended, and give their state."""

    def look() -> Day | None:
        try:
            known = laptop.hub.activities()
            over = all(activity["status"] not in {"queued", "running", "held"} for activity in known)
            found = state(laptop, day) if over and len(known) >= BATCHES + SINGLES else {}
        except requests.RequestException:  # the host is away at this moment
            return None
        return found if len(found) >= BATCHES + SINGLES else None

    return dict(wait_until(f"the day {day} to end", look, 150))


def test_killed_amid_a_storm_the_end_state_is_that_of_a_calm_day(laptop_cloud: LaptopCloud) -> None:
    laptop_cloud.upload(files_of("calm"))
    calm = ended(laptop_cloud, "calm")
    storm = threading.Thread(target=laptop_cloud.upload, args=(files_of("wild"),))
    storm.start()
    for _ in range(KILLS):
        time.sleep(1.0)
        laptop_cloud.event_grid.redeliver()
        laptop_cloud.act("host", "kill")
    storm.join(60)
    assert not storm.is_alive()
    wild = ended(laptop_cloud, "wild")
    laptop_cloud.quiet()
    assert ended(laptop_cloud, "wild") == wild == calm
    assert {len(activities) for activities in wild.values()} == {1}, "one cause, one activity"
    assert {activities[0][0] for activities in wild.values()} == {"succeeded"}
    assert [len(one[3]) for (name, _), (one,) in wild.items() if name == "batch"] == [1] * BATCHES
    assert laptop_cloud.parts()["host"]["starts"] == 1 + KILLS
    for nothing_left in ("collections", "holds", "dead-letters"):
        # What a killed host left in an index, the sweep takes out within a minute or two.
        wait_until(f"no {nothing_left}", lambda name=nothing_left: not laptop_cloud.hub.get(name)["items"], 240)
