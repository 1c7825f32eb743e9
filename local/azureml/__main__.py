"""`python -m local.azureml`: Azure ML for this laptop, over TLS and over http, until SIGTERM."""

import asyncio
import logging
import signal
import sys

from aiohttp import web

from local.azureml.app import Emulator
from local.azureml.certificates import server_context
from local.azureml.connect_proxy import ConnectProxy
from local.azureml.storage import StorageError
from local.azureml.storage_hosts import TLS_NAMES
from local.config import Cloud
from local.process import adopt_orphans


async def serve(cloud: Cloud) -> None:
    """Answer on both ports until asked to end; the authority's file is there before the first answer."""
    context = server_context(cloud, TLS_NAMES)
    emulator = Emulator(cloud)
    proxy = ConnectProxy(cloud)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    runner = web.AppRunner(emulator.application(), access_log=None, handle_signals=False, shutdown_timeout=2)
    await runner.setup()
    try:
        await emulator.start()
        await web.TCPSite(runner, "127.0.0.1", cloud.azureml_tls_port, ssl_context=context).start()
        await proxy.start()
        await web.TCPSite(runner, "127.0.0.1", cloud.azureml_port).start()
        logging.getLogger("azureml").info("ready: %s", f"https://127.0.0.1:{cloud.azureml_tls_port}")
        await stop.wait()
    finally:
        await proxy.stop()
        await runner.cleanup()
        await emulator.stop()


def main() -> int:
    """Start; gives 1 with a reason where a port or storage is missing."""
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    for noisy in ("azure", "asyncio"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
    adopt_orphans()
    try:
        asyncio.run(serve(Cloud.from_environ()))
    except (OSError, ValueError, StorageError) as error:
        sys.stderr.write(f"Azure ML of the laptop cannot start: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
