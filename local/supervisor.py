"""Runs the parts of a laptop cloud: starts them in order, restarts what dies, and leaves nothing behind.

Its control port answers on loopback only:

| request | does |
|---|---|
| `GET /healthz` | 200 once every part has answered, 503 before; the supervisor's process in the body |
| `GET /parts` | each part with its process, how often it was started, and whether it is held; the hub's folder |
| `POST /parts/{name}/kill` | SIGKILL; the supervisor starts it again |
| `POST /parts/{name}/stop` | SIGTERM, and it stays down until it is started |
| `POST /parts/{name}/start` | starts it again |
| `POST /parts/{name}/restart` | SIGTERM, then starts it again: the host reads its rules anew |
| `/faults` | faults on demand, see `local/faults.py` |
"""

import asyncio
import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

import aiohttp
from aiohttp import web
from azure.core.exceptions import AzureError

from local import environment
from local.config import REPOSITORY, Cloud
from local.faults import Faults
from local.parts import Part
from local.ports import check_free
from local.process import adopt_orphans, reap, spawn, stop
from local.provision import provision

START_SECONDS: Final = 60.0
_LOOK: Final = 0.1
_QUICK_DEATH: Final = 10.0
_QUICK_DEATHS: Final = 4
_LOW_DISK: Final = 200 * 1024 * 1024
_DISK_LOOK: Final = 20.0
_PATIENCE: Final = 15.0
"""Seconds that a part has to end by itself."""
_LEAVING: Final = 3.0
"""Seconds that an earlier cloud has to let go of its ports: Azurite still writes when its supervisor was killed."""


class CloudError(Exception):
    """The cloud cannot start or go on; the text says which part, and what to do."""


@dataclass
class _Running:
    part: Part
    log: Path
    process: "subprocess.Popen[bytes] | None" = None
    starts: int = 0
    since: float = 0.0
    quick: int = 0
    held: bool = False


class Supervisor:
    """One laptop cloud, from its start to its end. Used from the main thread."""

    def __init__(self, cloud: Cloud, parts: list[Part]) -> None:
        self._cloud = cloud
        self._running = {part.name: _Running(part, cloud.logs / f"{part.name}.log") for part in parts}
        self._ready = False
        self._lock: IO[str] | None = None
        self._stopping = asyncio.Event()
        self._root = str(Path(os.environ.get("HUB_ROOT") or REPOSITORY).resolve())

    async def run(self) -> None:
        """Run until SIGINT or SIGTERM; raises CloudError or PortInUseError where it cannot."""
        self._own_folder()
        ports = [self._cloud.control_port, *(p for r in self._running.values() for p in r.part.ports)]
        await asyncio.to_thread(check_free, ports, _LEAVING)
        adopt_orphans()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._stopping.set)
        self._check_disk()
        server = await self._serve()
        try:
            stopped = asyncio.create_task(self._stopping.wait())
            start = asyncio.create_task(self._start())
            done, _ = await asyncio.wait({stopped, start}, return_when=asyncio.FIRST_COMPLETED)
            if start in done:
                start.result()
                await self._watch()
            else:
                start.cancel()
                with contextlib.suppress(asyncio.CancelledError, CloudError):
                    await start
        finally:
            self._end()
            await server.cleanup()

    def _own_folder(self) -> None:
        """Hold the folder of state for this process, so that no two clouds write the same files."""
        self._cloud.local_dir.mkdir(parents=True, exist_ok=True)
        self._lock = (self._cloud.local_dir / "lock").open("a+")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._lock.seek(0)
            raise CloudError(
                f"a laptop cloud (process {self._lock.read().strip()}) already uses {self._cloud.local_dir}: "
                "stop it with `make down`, or set HUB_LOCAL_DIR to another folder"
            ) from None
        self._lock.truncate(0)
        self._lock.write(str(os.getpid()))
        self._lock.flush()

    def _check_disk(self) -> bool:
        free = shutil.disk_usage(self._cloud.local_dir).free
        if free < _LOW_DISK:
            _say(
                f"the disk under {self._cloud.local_dir} is nearly full ({free // 2**20} MB free): storage will refuse "
                "writes. Nothing that was accepted is lost; make room, and what failed is tried again"
            )
        return free >= _LOW_DISK

    async def _start(self) -> None:
        for running in self._running.values():
            for name in running.part.after:
                await self._answers(self._running[name])
            self._spawn(running)
            if running.part.name == "azurite":
                await self._answers(running)
                await self._provision()
        for running in self._running.values():
            await self._answers(running)
        environment.write_env_file(self._cloud)
        self._ready = True
        hub = f"http://127.0.0.1:{self._cloud.hub_port}" if "host" in self._running else "none (HUB_HOSTS=0)"
        _say(f"ready  hub {hub}  blobs http://127.0.0.1:{self._cloud.blob_port}/landing  env {self._cloud.env_file}")

    async def _provision(self) -> None:
        try:
            await asyncio.to_thread(provision, self._cloud)
        except AzureError as error:
            raise CloudError(f"Azurite refuses to make containers and queues: {error}") from None

    def _spawn(self, running: _Running) -> None:
        running.process = spawn(
            running.part.command, log=running.log, environ=running.part.environ, death=running.part.death
        )
        running.starts += 1
        running.since = time.monotonic()

    async def _answers(self, running: _Running) -> None:
        """Wait until a part answers; raises CloudError with the end of its log where it does not."""
        end = time.monotonic() + START_SECONDS
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2)) as session:
            while not await _is_up(running.part, session):
                code = running.process.poll() if running.process else None
                if code is not None:
                    raise CloudError(f"{running.part.name} ended with status {code}:\n{_tail(running.log)}")
                if time.monotonic() > end:
                    raise CloudError(
                        f"{running.part.name} does not answer after {START_SECONDS:.0f} s:\n{_tail(running.log)}"
                    )
                await asyncio.sleep(_LOOK / 2)

    async def _watch(self) -> None:
        """Look at the parts until the end; a part that dies is started again, unless it dies at once every time."""
        looked, enough = time.monotonic(), True
        while not self._stopping.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), _LOOK)
            for running in self._running.values():
                self._revive(running)
            if time.monotonic() - looked > _DISK_LOOK:
                looked = time.monotonic()
                enough = self._check_disk() if enough else shutil.disk_usage(self._cloud.local_dir).free >= _LOW_DISK

    def _revive(self, running: _Running) -> None:
        if running.held or running.process is None or running.process.poll() is None or self._stopping.is_set():
            return
        running.quick = running.quick + 1 if time.monotonic() - running.since < _QUICK_DEATH else 1
        code = running.process.returncode
        if running.quick >= _QUICK_DEATHS:
            raise CloudError(f"{running.part.name} ended with status {code} time after time:\n{_tail(running.log)}")
        _say(f"{running.part.name} ended with status {code} and is started again; its log: {running.log}")
        with contextlib.suppress(ProcessLookupError):
            os.killpg(running.process.pid, signal.SIGKILL)  # what a dead part left of its group
        self._spawn(running)

    def _end(self) -> None:
        """Stop the parts, those that use others first, each with its group; nothing that they started stays."""
        for running in reversed(self._running.values()):
            if running.process is not None:
                stop(running.process, patience=_PATIENCE)
        reap()
        self._cloud.env_file.unlink(missing_ok=True)

    async def _serve(self) -> web.AppRunner:
        application = web.Application()
        application.router.add_get("/healthz", self._health)
        application.router.add_get("/parts", self._list)
        application.router.add_post("/parts/{name}/{act:kill|stop|start|restart}", self._act)
        Faults(self._cloud).add_routes(application)
        runner = web.AppRunner(application, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", self._cloud.control_port).start()
        return runner

    async def _health(self, _: web.Request) -> web.Response:
        return web.Response(status=200 if self._ready else 503, text=str(os.getpid()))

    async def _list(self, _: web.Request) -> web.Response:
        return web.json_response(
            {
                "items": [
                    {
                        "name": running.part.name,
                        "pid": running.process.pid if running.process else None,
                        "running": _alive(running),
                        "starts": running.starts,
                        "held": running.held,
                        "ports": running.part.ports,
                        "log": str(running.log),
                    }
                    for running in self._running.values()
                ],
                "root": self._root,
            }
        )

    async def _act(self, request: web.Request) -> web.Response:
        running = self._running.get(request.match_info["name"])
        if running is None:
            return web.json_response(
                {"error": f"there is no such part; there are {', '.join(self._running)}"}, status=404
            )
        act = request.match_info["act"]
        if act != "start" and running.process is not None and _alive(running):
            running.held = act != "kill"
            if act == "kill":
                os.killpg(running.process.pid, signal.SIGKILL)
            else:
                await asyncio.to_thread(stop, running.process, patience=_PATIENCE)
        if act in {"start", "restart"}:
            if not _alive(running):
                running.starts = 0  # what people start anew does not die again and again
                self._spawn(running)
            running.held = False
            try:
                await self._answers(running)
            except CloudError as error:
                return web.json_response({"error": str(error)}, status=503)
        return web.Response(status=204)


def holder(cloud: Cloud) -> int | None:
    """Give the process of the cloud that runs in this folder of state, or None."""
    try:
        with (cloud.local_dir / "lock").open() as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except OSError:
                return int(lock.read())
    except (FileNotFoundError, ValueError):
        pass
    return None


def _alive(running: _Running) -> bool:
    return running.process is not None and running.process.poll() is None


async def _is_up(part: Part, session: aiohttp.ClientSession) -> bool:
    for port in part.ports:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            return False
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
    for address in part.ready:
        try:
            async with session.get(address) as answer:
                if answer.status != 200:
                    return False
        except (aiohttp.ClientError, TimeoutError):
            return False
    return True


def _tail(log: Path, lines: int = 12) -> str:
    """Give the end of a log, indented, with where the rest is."""
    try:
        last = log.read_text(errors="replace").splitlines()[-lines:]
    except FileNotFoundError:
        last = []
    return "\n".join([*(f"    {line}" for line in last), f"  (the whole log: {log})"])


def _say(text: str) -> None:
    print(text, flush=True)
