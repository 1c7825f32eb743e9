"""Jobs that are carried out by other jobs: what pipelines and sweeps share."""

import asyncio
import logging
from typing import Final

from local.azureml.jobs import Jobs
from local.azureml.runs import ENDED, Runs
from local.azureml.storage import StorageError
from local.azureml.wire import ArmError, Json

_log = logging.getLogger("azureml.jobs")
LOOK: Final = 0.2
"""Seconds between looks at the children."""


class ParentRunner:
    """Carries a job out by making children, which their own runners carry out; taken up again after a restart.

    Children have names that derive from the parent's, so that the one who looks again finds those already made.
    """

    def __init__(self, runs: Runs, jobs: Jobs) -> None:
        self.runs, self.jobs = runs, jobs
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def check(self, properties: Json) -> None:
        """Raise ArmError where the job cannot run here."""
        raise NotImplementedError

    async def through(self, name: str) -> str:
        """Carry the job out; gives its last status. Raises ArmError where it fails with a reason."""
        raise NotImplementedError

    def start(self, name: str) -> None:
        """Begin; returns at once."""
        task = asyncio.create_task(self._carry(name))
        self._tasks[name] = task
        task.add_done_callback(lambda _: self._tasks.pop(name, None))

    def cancel(self, name: str) -> None:
        """Ask for the end of every child that has not ended."""
        for child in self.runs.jobs(name):
            self.end(child["name"])

    def end(self, child: str) -> None:
        """Ask for the end of one child."""
        job = self.runs.job(child)["properties"]
        if job["status"] not in ENDED:
            self.runs.set_status(child, "CancelRequested")
            self.jobs.runner(job["jobType"]).cancel(child)

    async def stop(self) -> None:
        """End all tasks; the jobs stay as they are."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _carry(self, name: str) -> None:
        try:
            self.runs.set_status(name, "Preparing")
            self.runs.set_status(name, "Running")
            status = await self.through(name)
            cancelled = self.runs.status(name) == "CancelRequested"
            self.runs.set_status(name, "Finalizing")
            self.runs.set_status(name, "Canceled" if cancelled else status)
        except ArmError as error:
            self.runs.set_status(name, "Failed", error.message, error.code)
        except StorageError as error:
            self.runs.set_status(name, "Failed", f"Storage failed: {error}", "SystemError")
        except Exception as error:  # noqa: BLE001 a fault of the emulator must end the job, not leave it running
            _log.exception("job %s", name)
            self.runs.set_status(name, "Failed", f"{type(error).__name__}: {error}", "SystemError")

    def cancelled(self, name: str) -> bool:
        """Tell whether the end of the job was asked for."""
        return self.runs.status(name) == "CancelRequested"

    async def children_ended(self, names: list[str]) -> None:
        """Wait until all of these have ended."""
        while True:
            if all(self.runs.status(child) in ENDED for child in names):
                return
            await asyncio.sleep(LOOK)
