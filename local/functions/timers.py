"""The timer trigger: NCRONTAB with six fields, in UTC, the last run kept on disk, so that a missed one is told."""

import asyncio
import json
import logging
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from croniter import croniter

from local.functions import datums
from local.functions.invoker import Invoker
from local.functions.settings import resolve
from local.functions.worker import AppError, FunctionSpec, InvocationError

logger = logging.getLogger("host.timers")


def following(schedule: str, after: datetime) -> datetime:
    """Give the first time after `after` that a six-field NCRONTAB names; day AND day of week, both in UTC."""
    iterator = croniter(schedule, after, second_at_beginning=True, day_or=False)
    result: datetime = iterator.get_next(datetime)
    return result


class TimerListener:
    """Runs one function by its schedule. `status` is the file that keeps when it last ran."""

    def __init__(self, spec: FunctionSpec, settings: Mapping[str, str], status: Path, invoker: Invoker) -> None:
        self._schedule = str(resolve(spec.trigger["schedule"], settings, f"function {spec.name!r}"))
        if len(self._schedule.split()) != 6 or not croniter.is_valid(self._schedule, second_at_beginning=True):
            raise AppError(
                f"function {spec.name!r}: schedule {self._schedule!r} is no NCRONTAB of six fields, "
                "such as '0 */5 * * * *'"
            )
        self._spec, self._status, self._invoker = spec, status, invoker
        self._monitor = spec.trigger.get("useMonitor", True) is not False
        self._at_start = spec.trigger.get("runOnStartup") is True

    async def run(self) -> None:
        """Tick until cancelled."""
        known = self._read()
        now = datetime.now(UTC)
        due = datetime.fromisoformat(known["Next"]) if known else following(self._schedule, now)
        late = bool(known) and due < now
        if self._at_start or late:
            await self._tick(now, past_due=late)
            due = following(self._schedule, datetime.now(UTC))
        elif not known:
            self._write(now, due)
        while True:
            wait = (due - datetime.now(UTC)).total_seconds()
            if wait > 0:
                await asyncio.sleep(min(wait, 60.0))
                continue
            now = datetime.now(UTC)
            await self._tick(now, past_due=now - due > timedelta(seconds=5))
            due = following(self._schedule, datetime.now(UTC))

    async def _tick(self, now: datetime, *, past_due: bool) -> None:
        try:
            await self._invoker.call(self._spec, datums.timer(self._read(), past_due=past_due))
        except InvocationError:
            logger.warning("timer %s failed; it runs again at its next time", self._spec.name)
        self._write(now, following(self._schedule, now))

    def _read(self) -> dict[str, Any]:
        if not self._monitor:
            return {}
        try:
            status: dict[str, Any] = json.loads(self._status.read_text())
        except (OSError, ValueError):
            return {}
        return status

    def _write(self, last: datetime, due: datetime) -> None:
        if not self._monitor:
            return
        self._status.parent.mkdir(parents=True, exist_ok=True)
        fresh = self._status.with_suffix(".new")
        now = datetime.now(UTC).isoformat()
        fresh.write_text(json.dumps({"Last": last.isoformat(), "Next": due.isoformat(), "LastUpdated": now}))
        fresh.replace(self._status)
