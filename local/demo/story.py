"""Tells the story from its beginning to its end, in a cloud of its own, and writes the report."""

import logging
import os
import shutil
import sys
import time
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Final

from rich.console import Console

from local.config import REPOSITORY, Cloud
from local.demo import burst, flights, loop, release, report, rules, worse
from local.demo.clients import HubClient, StoryError
from local.demo.telling import Telling
from local.demo.traffic import Load
from local.ports import PortInUseError
from local.running import NotStartedError, running

OUT: Final = REPOSITORY / "out" / "demo"
FIRST_MONTH: Final = "2013-01"
SECOND_MONTH: Final = "2013-03"


def tell(cloud: Cloud) -> int:
    """Tell the story; 0 only if every part of it came true."""
    began = time.time()
    installing = max(0.0, began - float(os.environ.get("HUB_DEMO_BEGAN") or began))
    warnings.filterwarnings("ignore", module=r"azure\.ai\.ml.*")
    logging.getLogger("azure.ai.ml._utils._experimental").disabled = True
    console = Console()
    telling = Telling(console)
    cloud = replace(cloud, local_dir=cloud.local_dir / "demo")
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir(parents=True)
    failure = ""
    try:
        console.print("starting the laptop cloud: storage, Event Grid, Azure ML, Functions host")
        with running(cloud, settings=rules.write(cloud.local_dir.parent / "demo-team")):
            console.print(f"ready after {time.time() - began:.1f} s; the hub listens on {cloud.hub_port}")
            _story(telling, cloud)
    except (StoryError, NotStartedError, PortInUseError) as error:
        failure = str(error)
    except KeyboardInterrupt:
        failure = "stopped by Ctrl-C"
    seconds = time.time() - began
    path = report.write(OUT, telling.points, failure, seconds, installing)
    if failure:
        console.print(f"\n[bold red]The story did not come true.[/bold red] {failure}", highlight=False)
        console.print(f"logs: {cloud.logs}   report: {_short(path)}", highlight=False)
        return 1
    console.print(f"\n[bold green]Everything came true[/bold green] in {seconds + installing:.0f} s", highlight=False)
    console.print(f"of which installing {installing:.0f} s   report: {_short(path)}", highlight=False)
    return 0


def _story(telling: Telling, cloud: Cloud) -> None:
    hub = HubClient(cloud)
    release.golden_set(cloud)
    month = list(flights.month(FIRST_MONTH))
    landed = burst.land(telling, cloud, FIRST_MONTH, month)
    activity = burst.fold(telling, cloud, hub, landed)
    trained = burst.train(telling, cloud, hub, activity, landed)
    release.first(telling, cloud, hub, release.step(trained, "register")["version"])
    worse.refused(telling, cloud, hub, SECOND_MONTH)
    summer = flights.SUMMER
    known = (FIRST_MONTH, SECOND_MONTH)
    with Load(cloud, release.ENDPOINT, flights.live_rows(summer, 2000, known)) as load:
        title = f"The flights of {SECOND_MONTH} land again, mended: the newest content of each file counts"
        second = burst.month(telling, cloud, hub, SECOND_MONTH, list(flights.month(SECOND_MONTH)), title)
        title = "A better model: shadow, canary, full"
        release.by_steps(telling, hub, load, release.step(second, "register")["version"], "4b", title)
        days = flights.days(summer)[: flights.LANDING_DAYS]
        folders = [loop.score(telling, cloud, hub, summer, part) for part in (days[4:8], days[8:12])]
        worse.broken(telling, cloud, hub, load, flights.new_destinations(summer, known, 200))
        third = burst.month(telling, cloud, hub, summer, list(flights.month(summer, days)))
        loop.drift(telling, cloud, hub, summer, folders, load)
        title = "The model that has seen the summer is released"
        release.by_steps(telling, hub, load, release.step(third, "register")["version"], "6d", title)
    loop.receipt(telling, cloud, hub, OUT)


def _short(path: Path) -> str:
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


if __name__ == "__main__":
    sys.exit(tell(Cloud.from_environ()))
