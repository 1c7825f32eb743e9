"""Command jobs: each a process of its own, at most so many at once as the compute has nodes."""

import asyncio
import contextlib
import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

from local.azureml.commands import seconds
from local.azureml.faults import Faults
from local.azureml.node import Node, Prepared
from local.azureml.runs import ENDED, Runs
from local.azureml.storage import StorageError
from local.azureml.tracking import Tracking
from local.azureml.wire import ArmError, Json
from local.process import spawn, stop

_log = logging.getLogger("azureml.jobs")
_LOOK: Final = 0.1
_LOG_EVERY: Final = 1.0
_PATIENCE: Final = 10.0
"""Seconds that a cancelled job has to end by itself."""
_TRIES: Final = (0.5, 1, 2, 5, 10, 10, 10)
"""Pauses between tries to hand outputs to storage: a short outage does not fail a job."""
_TAIL: Final = 2000


class Nodes(asyncio.Semaphore):
    """The nodes of the laptop: HUB_LOCAL_NODES, or 2. Jobs wait for one in the order in which they came."""

    def __init__(self) -> None:
        super().__init__(max(1, int(os.environ.get("HUB_LOCAL_NODES", "2"))))


class CommandRunner:
    """Carries command jobs out.

    A job that was running when the emulator ended is started again from its beginning, as on a node that was taken
    away; one whose command had ended is only finished: its exit code was kept before anything else.
    """

    def __init__(self, runs: Runs, node: Node, nodes: Nodes, tracking: Tracking, faults: Faults) -> None:
        self._faults = faults
        self._runs, self._node, self._nodes, self._tracking = runs, node, nodes, tracking
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._cancelled: dict[str, asyncio.Event] = {}

    def check(self, properties: Json) -> None:
        """Raise ArmError where the job cannot run here."""
        self._node.check(properties)

    def start(self, name: str) -> None:
        """Begin; returns at once."""
        self._cancelled[name] = asyncio.Event()
        if self._runs.status(name) == "CancelRequested":
            self._cancelled[name].set()
        task = asyncio.create_task(self._carry(name))
        self._tasks[name] = task
        task.add_done_callback(lambda _: self._tasks.pop(name, None))

    def cancel(self, name: str) -> None:
        """Ask for its end: SIGTERM, and SIGKILL where it has not ended after some seconds."""
        if name in self._cancelled:
            self._cancelled[name].set()

    async def stop(self) -> None:
        """End all processes; their jobs stay as they are and are taken up by the next start."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _carry(self, name: str) -> None:
        try:
            await self._through(name)
        except asyncio.CancelledError:
            raise
        except ArmError as error:
            self._runs.set_status(name, "Failed", error.message, error.code)
        except StorageError as error:
            self._runs.set_status(name, "Failed", f"Storage failed: {error}", "SystemError")
        except Exception as error:  # noqa: BLE001 a fault of the emulator must end the job, not leave it running
            _log.exception("job %s", name)
            self._runs.set_status(name, "Failed", f"{type(error).__name__}: {error}", "SystemError")
        finally:
            self._cancelled.pop(name, None)
        await self._tracking.ended(name)

    async def _through(self, name: str) -> None:
        document = self._runs.document(name)
        if document["run"].get("exitCode") is not None:
            await self._finish(name, int(document["run"]["exitCode"]), str(document["run"].get("ending") or ""))
            return
        self._runs.set_status(name, "Starting")
        await asyncio.sleep(0)
        self._runs.set_status(name, "Preparing")
        self._node.check(document["job"]["properties"])
        if self._nodes.locked():
            self._runs.set_status(name, "Queued")
        if not await self._got_node(name):
            self._runs.set_status(name, "Canceled")
            return
        try:
            await self._faults.job(name)
            code, ending = await self._run(name, document["job"]["properties"])
        finally:
            self._nodes.release()
        self._runs.update_run(name, {"exitCode": code, "ending": ending})
        await self._finish(name, code, ending)

    async def _got_node(self, name: str) -> bool:
        """Wait for a node; gives False where the job was cancelled meanwhile."""
        waiting = asyncio.create_task(self._nodes.acquire())
        ended = asyncio.create_task(self._cancelled[name].wait())
        try:
            await asyncio.wait({waiting, ended}, return_when=asyncio.FIRST_COMPLETED)
            if not self._cancelled[name].is_set():
                return True
            if waiting.done():
                self._nodes.release()
            return False
        except asyncio.CancelledError:
            if waiting.done():
                self._nodes.release()
            raise
        finally:
            for task in (waiting, ended):
                task.cancel()

    async def _run(self, name: str, properties: Json) -> tuple[int, str]:
        """Run the command; gives its exit code and why it was ended (empty, cancel or timeout)."""
        self._runs.set_status(name, "Running")
        prepared = await self._node.prepare(name)
        if self._cancelled[name].is_set():
            return 143, "cancel"
        timeout = (properties.get("limits") or {}).get("timeout")
        limit = time.monotonic() + seconds(timeout) if timeout else float("inf")
        process = _spawn(prepared)
        try:
            ending = await self._watch(name, process, prepared.log, limit)
        finally:
            # Whatever the command left behind in its group ends with it, and all of it where the emulator ends.
            stop(process, patience=0.2)
        return process.returncode, ending

    async def _watch(self, name: str, process: "subprocess.Popen[bytes]", log: Path, limit: float) -> str:
        ending, kill_at, sent, next_send = "", float("inf"), -1, 0.0
        while process.poll() is None:
            now = time.monotonic()
            if not ending and (self._cancelled[name].is_set() or now >= limit):
                ending = "cancel" if self._cancelled[name].is_set() else "timeout"
                _signal(process, signal.SIGTERM)
                kill_at = now + _PATIENCE
            if now >= kill_at:
                _signal(process, signal.SIGKILL)
            size = _size(log)
            if size != sent and now >= next_send:
                with contextlib.suppress(StorageError):
                    await self._node.send_log(name, log)
                # A long log is sent less often: each time it is sent whole.
                sent, next_send = size, now + _LOG_EVERY * (1 + size / 1_000_000)
            await asyncio.sleep(_LOOK)
        return ending

    async def _finish(self, name: str, code: int, ending: str) -> None:
        self._runs.set_status(name, "Finalizing")
        completed = code == 0 and not ending
        for pause in (*_TRIES, None):
            try:
                await self._node.collect(name, completed=completed)
                break
            except StorageError:
                if pause is None:
                    raise
                await asyncio.sleep(pause)
        if ending == "cancel":
            self._runs.set_status(name, "Canceled")
        elif ending == "timeout":
            limit = self._runs.job(name)["properties"]["limits"]["timeout"]
            message = f"The job was canceled because it ran longer than its timeout of {limit}."
            self._runs.set_status(name, "Canceled", message, "UserError")
        elif completed:
            self._runs.set_status(name, "Completed")
        else:
            self._runs.set_status(name, "Failed", self._failure(name, code))
        if self._runs.status(name) in ENDED:
            await self._node.clear(name)

    def _failure(self, name: str, code: int) -> str:
        """Give the message of a failed command, worded as the service's."""
        log = self._node.folder(name) / "std_log.txt"
        tail = ""
        if log.exists():
            with log.open("rb") as file:
                file.seek(max(0, log.stat().st_size - _TAIL))
                tail = file.read().decode(errors="replace").strip()
        return (
            f"Execution failed. User process exited with status code {code}. Please check log file "
            f"'user_logs/std_log.txt' for error details. Error: {tail}"
        )


def _size(path: Path) -> int:
    return path.stat().st_size


def _spawn(prepared: Prepared) -> "subprocess.Popen[bytes]":
    shepherd = Path(__file__).with_name("shepherd.py")
    return spawn(
        [sys.executable, "-S", "-E", "-P", str(shepherd), str(os.getpid()), *prepared.command],
        log=prepared.log,
        environ=prepared.environ,
        folder=prepared.folder,
    )


def _signal(process: "subprocess.Popen[bytes]", number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)
