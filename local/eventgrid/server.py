"""Wires the parts of Event Grid and the blob endpoint together, and lets them go in order."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import aiohttp
from aiohttp import web

from local.config import Cloud
from local.eventgrid.bearer import Bearer
from local.eventgrid.control import Control
from local.eventgrid.faults import Faults
from local.eventgrid.grid import Grid
from local.eventgrid.journal import Journal
from local.eventgrid.relay import Relay
from local.eventgrid.subscriptions import FILE, load
from local.eventgrid.topics import Topics

_BACKLOG: Final = 1024


@asynccontextmanager
async def serving(cloud: Cloud, *, file: Path = FILE, wakes: bool = True) -> AsyncIterator[Grid]:
    """Listen on the blob port and on the Event Grid port while the context lasts.

    Raises SubscriptionError where `file` cannot be used, OSError where a port is taken.
    """
    routes = load(file)
    journal = Journal(cloud.local_dir / "eventgrid")
    faults = Faults()
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=3)
    async with aiohttp.ClientSession(connector=connector, auto_decompress=False) as session:
        grid = Grid(cloud, routes, journal, session, faults, wakes=wakes)
        relay = Relay(cloud.azurite_blob_port, grid, faults, Bearer(cloud))
        application = web.Application(client_max_size=2 * 1024 * 1024)
        Control(grid).add_routes(application)
        Topics(grid, cloud.keys["topic"]).add_routes(application)
        runner = web.AppRunner(application, access_log=None)
        await runner.setup()
        blobs: asyncio.Server | None = None
        try:
            loop = asyncio.get_running_loop()
            blobs = await loop.create_server(relay.connection, "127.0.0.1", cloud.blob_port, backlog=_BACKLOG)
            await web.TCPSite(runner, "127.0.0.1", cloud.eventgrid_port, backlog=_BACKLOG).start()
            grid.start()
            yield grid
        finally:
            if blobs is not None:
                blobs.close()
            await relay.close()
            await runner.cleanup()
            await grid.stop()
            journal.close()
