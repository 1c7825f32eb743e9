"""Starts the host: `python -m local.functions [--port N] [--app FOLDER] [--worker auto|func|runtime|library]`.

`auto` is `func start` where the core tools are on the path, else the embedded host, by Microsoft's own worker library
(`runtime`) where it can be imported, else by azure-functions alone (`library`). HUB_WORKER names another default.
"""

import argparse
import asyncio
import importlib.util
import logging
import os
import signal
import sys
from pathlib import Path
from typing import Any, Final

from aiohttp import web

from local.config import REPOSITORY, Cloud
from local.functions import core_tools
from local.functions.invoker import Invoker
from local.functions.outputs import Outputs
from local.functions.queues import VISIBILITY, QueueListener
from local.functions.settings import app_settings, host_options, with_switches
from local.functions.timers import TimerListener
from local.functions.web import Web
from local.functions.worker import AppError, Worker

WORKERS: Final = ("auto", "func", "runtime", "library")
_LISTENERS: Final = 10.0
"""Seconds that listeners have to let go when the host stops."""


def chosen_worker(name: str) -> Worker:
    """Give the worker: Microsoft's own library where it can be imported, else the azure-functions library."""
    if name == "runtime" or (name == "auto" and importlib.util.find_spec("azure_functions_runtime")):
        from local.functions.runtime_worker import RuntimeWorker

        return RuntimeWorker()
    from local.functions.library_worker import LibraryWorker

    return LibraryWorker()


async def serve(folder: Path, port: int, worker_name: str, cloud: Cloud) -> None:
    """Load the app, listen, and run until SIGTERM or SIGINT."""
    settings = app_settings(folder, os.environ)
    for name, value in settings.items():
        os.environ.setdefault(name, value)
    options = host_options(folder)
    worker = chosen_worker(worker_name)
    specs = with_switches(worker.load(folder), settings)
    outputs = Outputs(settings, base64_messages=options.queues.base64)
    outputs.check(specs)
    invoker = Invoker(worker, options.function_timeout, outputs.commit)
    queues = [
        QueueListener(spec, settings, options.queues, invoker, max(4.0, VISIBILITY / cloud.time_scale))
        for spec in specs
        if spec.trigger["type"] == "queueTrigger" and not spec.disabled
    ]
    status = cloud.local_dir / "functions"
    timers = [
        TimerListener(spec, settings, status / f"{spec.name}.json", invoker)
        for spec in specs
        if spec.trigger["type"] == "timerTrigger" and not spec.disabled
    ]
    site = Web(specs, options.route_prefix, invoker, cloud.keys, worker.name)
    runner = web.AppRunner(site.application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    listening: list[asyncio.Task[Any]] = [asyncio.create_task(queue.run()) for queue in queues]
    listening += [asyncio.create_task(timer.run()) for timer in timers]
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    print(f"host with {worker.name} serves {len(specs)} functions on http://127.0.0.1:{port}", flush=True)
    waiting: asyncio.Task[Any] = asyncio.create_task(stopping.wait())
    done, _ = await asyncio.wait([waiting, *listening], return_when=asyncio.FIRST_COMPLETED)
    for task in listening:
        task.cancel()
    if listening:  # they give back what they were just taking from a queue
        await asyncio.wait(listening, timeout=_LISTENERS)
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)  # the app's own clients end with the process, as in Azure
    await asyncio.gather(*(queue.close() for queue in queues))
    await runner.cleanup()
    await outputs.close()
    for task in done - {waiting}:
        task.result()


def main() -> int:
    """Run the host; 1 where the app cannot be served, with the reason on stderr."""
    cloud = Cloud.from_environ()
    parser = argparse.ArgumentParser(prog="python -m local.functions")
    parser.add_argument("--port", type=int, default=cloud.hub_port)
    parser.add_argument("--app", type=Path, default=REPOSITORY)
    parser.add_argument("--worker", choices=WORKERS, default=os.environ.get("HUB_WORKER") or "auto")
    given = parser.parse_args()
    if given.worker not in WORKERS:  # argparse does not look at defaults
        parser.error(f"HUB_WORKER is {given.worker!r}: one of {', '.join(WORKERS)} is expected")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s", stream=sys.stdout)
    for noisy in ("azure", "azure_functions_runtime", "azure.functions.AsgiMiddleware"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    try:
        if given.worker == "func" or (given.worker == "auto" and core_tools.found()):
            core_tools.become(given.app.resolve(), given.port, app_settings(given.app.resolve(), os.environ))
        asyncio.run(serve(given.app.resolve(), given.port, given.worker, cloud))
    except AppError as error:
        print(f"the app cannot be served: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"port {given.port} cannot be listened to: {error.strerror}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
