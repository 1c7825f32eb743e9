"""The timer trigger: NCRONTAB with six fields, in UTC; when it ran is kept on disk, so that a missed time is made up.

As the extension's TimerListener and ScheduleMonitor do (Azure/azure-webjobs-sdk-extensions): a time missed while the
host was down is made up once, marked past due; a changed schedule counts from the last run; schedules of more than once
a minute are not monitored unless they ask for it; of several hosts one runs a timer, here by a lock beside its status.
"""

import asyncio
import fcntl
import json
import logging
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Any, Final

from croniter import CroniterError, croniter

from local.functions import datums
from local.functions.invoker import Invoker
from local.functions.retries import retries
from local.functions.settings import resolve
from local.functions.worker import AppError, FunctionSpec, InvocationError, Try

logger = logging.getLogger("host.timers")


def following(schedule: str, after: datetime) -> datetime:
    """Give the first time after `after` that a six-field NCRONTAB names; day AND day of week, both in UTC."""
    iterator = croniter(schedule, after, second_at_beginning=True, day_or=False)
    result: datetime = iterator.get_next(datetime)
    return result


_ASK_AGAIN: Final = 1.0
_NEVER: Final = "0001-01-01T00:00:00+00:00"
_FIELDS: Final = re.compile(r"[0-9*,/-]+( [0-9*,/-]+){3}( [0-9A-Za-z*,/-]+){2}")


class TimerListener:
    """Runs one function by its schedule. `status` is the file that keeps when it last ran."""

    def __init__(self, spec: FunctionSpec, settings: Mapping[str, str], status: Path, invoker: Invoker) -> None:
        self._schedule = " ".join(str(resolve(spec.trigger["schedule"], settings, f"function {spec.name!r}")).split())
        if not _FIELDS.fullmatch(self._schedule) or not croniter.is_valid(self._schedule, second_at_beginning=True):
            raise AppError(
                f"function {spec.name!r}: schedule {self._schedule!r} is no NCRONTAB of six fields, "
                "such as '0 */5 * * * *'"
            )
        self._spec, self._status, self._invoker = spec, status, invoker
        asked = spec.trigger.get("useMonitor")
        try:
            self._monitor = not _within_minutes(self._schedule) if asked is None else asked is True
            following(self._schedule, datetime.now(UTC))
        except CroniterError as error:
            raise AppError(f"function {spec.name!r}: schedule {self._schedule!r} never comes: {error}") from None
        self._retries = retries(spec.retry, f"function {spec.name!r}")
        self._at_start = spec.trigger.get("runOnStartup") is True

    async def run(self) -> None:
        """Tick until cancelled; where several hosts have the same timer, one of them does."""
        self._status.parent.mkdir(parents=True, exist_ok=True)
        with self._status.with_suffix(".lock").open("a") as lock:
            while not _taken(lock):  # noqa: ASYNC110 a lock tells nobody that it is free
                await asyncio.sleep(_ASK_AGAIN)
            await self._tick_on()

    async def _tick_on(self) -> None:
        now = datetime.now(UTC)
        status = self._checked(self._read(), now)
        late = datetime.fromisoformat(status["Next"]) < now
        if late or self._at_start:
            status = await self._tick(status, now, past_due=late)
        while True:
            due, now = datetime.fromisoformat(status["Next"]), datetime.now(UTC)
            if due > now:
                await asyncio.sleep(min((due - now).total_seconds(), 60.0))
                continue
            status = await self._tick(status, now, past_due=False)

    def _checked(self, known: dict[str, Any], now: datetime) -> dict[str, Any]:
        """Give the status to begin with: the kept one where it fits the schedule, else one that does; keep that."""
        if not known:
            return self._write(_NEVER, following(self._schedule, now), now)
        base = known["Last"] if known["Last"] != _NEVER else known["LastUpdated"]
        expected = following(self._schedule, datetime.fromisoformat(base))
        if datetime.fromisoformat(known["Next"]) == expected:
            return known
        return self._write(_NEVER, expected, datetime.fromisoformat(base))

    async def _tick(self, status: dict[str, Any], now: datetime, *, past_due: bool) -> dict[str, Any]:
        datum = datums.timer(status if self._monitor else {}, past_due=past_due)
        count, error = 0, ""
        while True:
            attempt = Try(count, self._retries.most if self._retries else 0, error)
            try:
                await self._invoker.call(self._spec, datum, attempt=attempt)
                break
            except InvocationError as failure:
                count, error = count + 1, str(failure)
            delay = self._retries.delay(count) if self._retries else None
            if delay is None:
                logger.warning("timer %s failed; it runs again at its next time", self._spec.name)
                break
            await asyncio.sleep(delay.total_seconds())
        return self._write(now.isoformat(), following(self._schedule, now), now)

    def _read(self) -> dict[str, Any]:
        if not self._monitor:
            return {}
        try:
            status: dict[str, Any] = json.loads(self._status.read_text())
            for name in ("Last", "Next", "LastUpdated"):
                datetime.fromisoformat(status[name])
        except (OSError, ValueError, LookupError, TypeError):
            return {}
        return status

    def _write(self, last: str, due: datetime, updated: datetime) -> dict[str, Any]:
        status = {"Last": last, "Next": due.isoformat(), "LastUpdated": updated.isoformat()}
        if self._monitor:
            fresh = self._status.with_suffix(".new")
            fresh.write_text(json.dumps(status))
            fresh.replace(self._status)
        return status


def _taken(lock: IO[str]) -> bool:
    """Take the lock of a timer, which a host that ends lets go, in whatever way it ends."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _within_minutes(schedule: str) -> bool:
    """Tell whether a schedule has two times less than a minute apart."""
    moment = datetime(2024, 1, 1, tzinfo=UTC)
    first = following(schedule, moment)
    return following(schedule, first) - first < timedelta(minutes=1)
