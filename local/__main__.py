"""The laptop cloud's command: `python -m local up [--detach] | down | flights [MONTH] | demo`."""

import argparse
import asyncio
import os
import signal
import sys
import time
from typing import Final

from local import parts
from local.config import Cloud
from local.ports import PortInUseError
from local.process import spawn_detached
from local.running import is_ready
from local.supervisor import CloudError, Supervisor, holder

_READY_SECONDS: Final = 90.0
_DOWN_SECONDS: Final = 30.0


def up(cloud: Cloud) -> int:
    """Run the cloud in the foreground until Ctrl-C or SIGTERM."""
    hosts = os.environ.get("HUB_HOSTS", "1")
    if not hosts.isdecimal() or not 0 <= int(hosts) <= 8:
        return _fail(f"HUB_HOSTS is {hosts!r}: 0 to 8 is expected")
    try:
        supervisor = Supervisor(cloud, parts.parts(cloud, int(hosts)))
        asyncio.run(supervisor.run())
    except (CloudError, PortInUseError, RuntimeError) as error:
        return _fail(str(error))
    return 0


def detach(cloud: Cloud) -> int:
    """Start the cloud in the background; return once it is ready."""
    log = cloud.logs / "cloud.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text("")
    process = spawn_detached([sys.executable, "-m", "local", "up"], log=log)
    end = time.monotonic() + _READY_SECONDS
    while time.monotonic() < end:
        if process.poll() is not None:
            return _fail(log.read_text().strip() or f"the cloud ended with status {process.returncode}")
        if is_ready(cloud, process.pid):
            print(log.read_text().strip())
            return 0
        time.sleep(0.1)
    os.kill(process.pid, signal.SIGTERM)
    return _fail(f"the cloud was not ready after {_READY_SECONDS:.0f} s; see {log}")


def down(cloud: Cloud) -> int:
    """Stop the cloud of this folder, and wait until it has ended."""
    process = holder(cloud)
    if process is None:
        print(f"no laptop cloud runs in {cloud.local_dir}")
        return 0
    os.kill(process, signal.SIGTERM)
    end = time.monotonic() + _DOWN_SECONDS
    while time.monotonic() < end:
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            print("stopped")
            return 0
        time.sleep(0.05)
    os.kill(process, signal.SIGKILL)
    return _fail(f"the laptop cloud (process {process}) did not end in {_DOWN_SECONDS:.0f} s and was killed")


def flights(cloud: Cloud, month: str) -> int:
    """Drop a month of flights into the cloud of this folder."""
    from local.demo.dropping import MONTH, drop

    if holder(cloud) is None:
        return _fail(f"none runs in {cloud.local_dir}: start it with `make up DETACH=1`")
    try:
        print(drop(cloud, month or MONTH))
    except (ValueError, RuntimeError) as error:
        return _fail(str(error))
    return 0


def _fail(text: str) -> int:
    print(f"laptop cloud: {text}", file=sys.stderr)
    return 1


def main() -> int:
    """Do what the command line says; 0 done, 1 failed, 2 wrong usage."""
    parser = argparse.ArgumentParser(prog="python -m local", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    upward = commands.add_parser("up", help="start the cloud and the hub")
    upward.add_argument("--detach", action="store_true", help="return once it is ready")
    commands.add_parser("down", help="stop it")
    dropping = commands.add_parser("flights", help="drop a month of real flights, and the golden set of releases")
    dropping.add_argument("month", nargs="?", default="", help="2013-01 to 2013-12")
    commands.add_parser("demo", help="tell the whole story on real flights, in a cloud of its own")
    given = parser.parse_args()
    try:
        cloud = Cloud.from_environ()
    except ValueError as error:
        return _fail(str(error))
    if given.command == "down":
        return down(cloud)
    if given.command == "flights":
        return flights(cloud, given.month)
    if given.command == "demo":
        from local.demo.story import tell

        return tell(cloud)
    return detach(cloud) if given.detach else up(cloud)


if __name__ == "__main__":
    sys.exit(main())
