"""Starts Event Grid and the blob endpoint: `python -m local.eventgrid [--subscriptions FILE]`.

`HUB_EVENTGRID_WAKE=0` keeps the documented retry ladder also where nobody listened at a destination; without it, such
deliveries go out as soon as somebody listens.
"""

import argparse
import asyncio
import logging
import os
import signal
import sys
from pathlib import Path

from local.config import Cloud
from local.eventgrid.server import serving
from local.eventgrid.subscriptions import FILE, SubscriptionError


async def serve(cloud: Cloud, file: Path) -> None:
    """Serve until SIGTERM or SIGINT."""
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    async with serving(cloud, file=file, wakes=os.environ.get("HUB_EVENTGRID_WAKE", "1") != "0") as grid:
        print(
            f"blobs on http://127.0.0.1:{cloud.blob_port}, Event Grid with {len(grid.subscribers)} subscriptions "
            f"on http://127.0.0.1:{cloud.eventgrid_port}",
            flush=True,
        )
        await stopping.wait()


def main() -> int:
    """Run; 1 where it cannot be served, with the reason on stderr."""
    parser = argparse.ArgumentParser(prog="python -m local.eventgrid")
    parser.add_argument("--subscriptions", type=Path, default=FILE)
    given = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s", stream=sys.stdout)
    try:
        asyncio.run(serve(Cloud.from_environ(), given.subscriptions))
    except SubscriptionError as error:
        print(error, file=sys.stderr)
        return 1
    except OSError as error:
        print(f"Event Grid cannot listen: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
