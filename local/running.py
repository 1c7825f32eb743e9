"""A laptop cloud that runs for a while: for the story and for tests, a child that is stopped with all it started."""

import os
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from local.config import REPOSITORY, Cloud
from local.process import spawn, stop

READY_SECONDS: Final = 90.0
_PATIENCE: Final = 30.0


class NotStartedError(Exception):
    """The laptop cloud did not become ready; the text is what it said."""


@contextmanager
def running(cloud: Cloud, *, settings: Mapping[str, str] | None = None, fresh: bool = True) -> Iterator[Cloud]:
    """Run a cloud for a while. `settings` go to the hub's host; with `fresh` what an earlier one left is removed."""
    if fresh:
        shutil.rmtree(cloud.local_dir, ignore_errors=True)
    process = start(cloud, settings or {})
    try:
        yield cloud
    finally:
        stop(process, patience=_PATIENCE)


def start(cloud: Cloud, settings: Mapping[str, str]) -> "subprocess.Popen[bytes]":
    """Start a cloud and wait until it is ready; raises NotStartedError."""
    environ = {
        **{name: value for name, value in os.environ.items() if not name.startswith("HUB_")},
        **settings,
        "HUB_PORT_BASE": str(cloud.port_base),
        "HUB_LOCAL_DIR": str(cloud.local_dir),
        "HUB_TIME_SCALE": str(cloud.time_scale),
    }
    log = cloud.logs / "cloud.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text("")
    process = spawn([sys.executable, "-m", "local", "up"], log=log, environ=environ, folder=REPOSITORY)
    end = time.monotonic() + READY_SECONDS
    while not is_ready(cloud, process.pid):
        if process.poll() is not None or time.monotonic() > end:
            stop(process, patience=_PATIENCE)
            raise NotStartedError(log.read_text().strip() or "the laptop cloud ended without a word")
        time.sleep(0.1)
    return process


def is_ready(cloud: Cloud, process: int) -> bool:
    """Tell whether every part has answered, of the cloud whose supervisor this process is: no other on its ports."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{cloud.control_port}/healthz", timeout=2) as answer:
            return bool(answer.status == 200 and answer.read().decode() == str(process))
    except (urllib.error.URLError, OSError):
        return False
