"""The timer trigger: NCRONTAB, the kept status, past due, changed schedules, run on startup.

Sources: https://learn.microsoft.com/azure/azure-functions/functions-bindings-timer, and TimerListener and
ScheduleMonitor (Azure/azure-webjobs-sdk-extensions); each test names the part.
"""

import asyncio
import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from local.functions.retries import retries
from local.functions.timers import TimerListener, following
from local.functions.worker import AppError, FunctionSpec, Result
from local.process import stop
from tests.integration.functions.hosting import until

EVERY_TWO_SECONDS, YEARLY = "*/2 * * * * *", "0 0 0 1 1 *"


@pytest.mark.parametrize(
    ("schedule", "after", "expected"),
    [
        ("0 */5 * * * *", "2024-02-29T23:56:00", "2024-03-01T00:00:00"),
        ("0 0 * * * *", "2024-01-01T00:00:00", "2024-01-01T01:00:00"),
        ("30 0 0 * * *", "2024-01-01T00:00:29", "2024-01-01T00:00:30"),
        ("0 30 9 * * 1-5", "2024-01-05T09:30:00", "2024-01-08T09:30:00"),
        ("0 30 9 * * Mon-Fri", "2024-01-05T09:30:00", "2024-01-08T09:30:00"),
        ("0 30 9 * Jan Mon", "2024-01-29T09:30:00", "2025-01-06T09:30:00"),
        ("0 0 0 13 * 5", "2024-01-01T00:00:00", "2024-09-13T00:00:00"),
        ("0 5,8,10 * * * *", "2024-01-01T00:05:00", "2024-01-01T00:08:00"),
        ("*/20 * * * * *", "2024-01-01T00:00:41", "2024-01-01T00:01:00"),
    ],
)
def test_ncrontab_has_six_fields_and_wants_day_and_day_of_week(schedule: str, after: str, expected: str) -> None:
    """https://learn.microsoft.com/azure/azure-functions/functions-bindings-timer#ncrontab-examples; Friday the 13th."""
    assert following(schedule, datetime.fromisoformat(after).replace(tzinfo=UTC)).isoformat() == f"{expected}+00:00"


def kept(host: Any) -> dict[str, Any]:
    """Read the status of the timer `tick`, which this host keeps in its local folder and Azure in a blob."""
    file: Path = host.folder / "state" / "functions" / "tick.json"
    found: dict[str, Any] = json.loads(file.read_text()) if file.is_file() else {}
    return found


def test_a_new_timer_keeps_its_next_time_and_does_not_run_yet(host) -> None:
    """ScheduleMonitor.CheckPastDueAsync: an initial status is written for a timer that was never seen."""
    status = until(lambda: kept(host))
    assert status["Last"].startswith("0001-01-01")
    assert datetime.fromisoformat(status["Next"]) > datetime.now(UTC)


def test_run_on_startup_runs_once_at_start_and_is_not_past_due(starts) -> None:
    """TimerListener.StartAsync: RunOnStartup schedules an immediate invocation."""
    host = starts()
    (seen,) = until(lambda: host.seen("at_start") or None)
    assert seen["past_due"] is False


def test_a_timer_runs_at_its_times_and_keeps_when(starts) -> None:
    """TimerListener.InvokeJobFunction: the status of before is given, the new one kept; not past due."""
    host = starts(TICK=EVERY_TWO_SECONDS)
    seen = until(lambda: found if len(found := host.seen("tick")) >= 3 else None)
    assert all(one["past_due"] is False for one in seen)
    assert all(int(one["at"]) % 2 == 0 for one in seen)
    assert [one["status"]["Last"][:4] for one in seen[:1]] == ["0001"]
    assert seen[1]["status"]["Next"] > seen[0]["status"]["Next"]
    status = kept(host)
    assert (
        datetime.fromisoformat(status["Last"]).timestamp()
        <= time.time()
        < datetime.fromisoformat(status["Next"]).timestamp() + 2
    )


def test_a_time_missed_while_the_host_was_down_is_made_up_once_as_past_due(starts) -> None:
    """TimerListener.StartAsync: past due where the kept next time has passed; then the schedule goes on."""
    host = starts(TICK=EVERY_TWO_SECONDS)
    until(lambda: host.seen("tick"))
    stop(host.process)
    time.sleep(5)
    again = starts(TICK=EVERY_TWO_SECONDS, folder=host.folder)
    seen = until(lambda: found if len(found := again.seen("tick")) >= 2 else None)
    assert [one["past_due"] for one in seen[:2]] == [True, False]


def test_a_schedule_that_was_changed_counts_anew_and_misses_nothing(starts) -> None:
    """ScheduleMonitor.CheckPastDueAsync: a kept next time that the schedule does not give is replaced."""
    host = starts(TICK=EVERY_TWO_SECONDS)
    until(lambda: host.seen("tick"))
    stop(host.process)
    again = starts(TICK=YEARLY, folder=host.folder)
    until(lambda: again.seen("at_start"))
    time.sleep(1)
    assert again.seen("tick") == []
    assert datetime.fromisoformat(kept(again)["Next"]).month == 1


class Ticks:
    """Stands where the invoker does, and counts."""

    def __init__(self) -> None:
        self.calls = 0

    async def call(self, *given: Any, **more: Any) -> Result:
        self.calls += 1
        return Result()


@pytest.mark.parametrize("content", ["", "nonsense", "{}", '{"Last": 5, "Next": "x", "LastUpdated": ""}', "[]"])
async def test_a_broken_status_is_begun_anew(tmp_path: Path, content: str) -> None:
    """ScheduleMonitor.GetSafeStatusAsync: a status that cannot be read is none."""
    file, ticks = tmp_path / "tick.json", Ticks()
    file.write_text(content)
    spec = FunctionSpec("tick", "tick", [{"type": "timerTrigger", "name": "t", "schedule": YEARLY}])
    running = asyncio.create_task(TimerListener(spec, {}, file, ticks).run())  # type: ignore[arg-type]  # a stand-in
    while file.read_text() == content:  # noqa: ASYNC110 a file tells nobody that it has changed
        await asyncio.sleep(0.02)
    running.cancel()
    assert json.loads(file.read_text())["Last"].startswith("0001-01-01")
    assert ticks.calls == 0


async def test_of_several_hosts_one_runs_a_timer_and_another_when_that_has_ended(tmp_path: Path) -> None:
    """TimerListener is a singleton listener: https://learn.microsoft.com/azure/azure-functions/functions-bindings-timer
    (scale-out: a single instance runs across all instances).
    """
    trigger = {"type": "timerTrigger", "name": "t", "schedule": YEARLY, "runOnStartup": True}
    first, second = Ticks(), Ticks()
    listeners = [TimerListener(FunctionSpec("tick", "tick", [trigger]), {}, tmp_path / "tick.json", ticks)  # type: ignore[arg-type]  # a stand-in
                 for ticks in (first, second)]  # fmt: skip
    one, other = (asyncio.create_task(listener.run()) for listener in listeners)
    await asyncio.sleep(0.3)
    assert (first.calls, second.calls) == (1, 0)
    one.cancel()
    await asyncio.sleep(1.3)
    assert second.calls == 1
    other.cancel()


RETRIED = """
import azure.functions as func
app = func.FunctionApp()
seen = []

@app.function_name("fixed")
@app.timer_trigger(arg_name="timer", schedule="0 0 0 1 1 *", run_on_startup=True, use_monitor=False)
@app.retry(strategy="fixed_delay", max_retry_count="2", delay_interval="00:00:01")
def fixed(timer: func.TimerRequest, context: func.Context) -> None:
    seen.append(f"fixed {context.retry_context.retry_count} of {context.retry_context.max_retry_count}")
    raise ValueError("always")

@app.function_name("healed")
@app.timer_trigger(arg_name="timer", schedule="0 0 0 1 1 *", run_on_startup=True, use_monitor=False)
@app.retry(strategy="exponential_backoff", max_retry_count="-1", minimum_interval="00:00:01",
           maximum_interval="00:00:02")
def healed(timer: func.TimerRequest, context: func.Context) -> None:
    seen.append(f"healed {context.retry_context.retry_count}")
    if context.retry_context.retry_count < 2:
        raise ValueError("twice")

@app.route("tries", auth_level=func.AuthLevel.ANONYMOUS)
def tries(req: func.HttpRequest) -> str:
    return ",".join(sorted(seen))
"""


def test_a_timer_that_fails_is_retried_as_its_policy_says(starts) -> None:
    """https://learn.microsoft.com/azure/azure-functions/functions-bindings-error-pages#retry-policies."""
    host = starts(app=RETRIED)
    expected = "fixed 0 of 2,fixed 1 of 2,fixed 2 of 2,healed 0,healed 1,healed 2"
    until(lambda: host.ask("/api/tries").text == expected, 40)
    time.sleep(2.5)
    assert host.ask("/api/tries").text == expected, "neither goes on"


@pytest.mark.parametrize(
    ("policy", "delays"),
    [
        ({"strategy": "fixed_delay", "max_retry_count": "2", "delay_interval": "00:00:05"}, [5, 5, None]),
        ({"strategy": "fixed_delay", "max_retry_count": 0, "delay_interval": "00:00:05"}, [None]),
        (
            {
                "strategy": "exponential_backoff",
                "max_retry_count": "-1",
                "minimum_interval": "00:00:04",
                "maximum_interval": "00:15:00",
            },
            [4, 8, 16, 32, 64, 128, 256, 512, 900, 900],
        ),
    ],
)
def test_a_policy_says_how_long_to_wait(policy: dict[str, Any], delays: list[float | None]) -> None:
    """https://learn.microsoft.com/azure/azure-functions/functions-bindings-error-pages#retry-policies."""
    read = retries(policy, "function 'x'")
    assert read is not None
    waits = [read.delay(count) for count in range(1, len(delays) + 1)]
    assert [wait.total_seconds() if wait else None for wait in waits] == delays


@pytest.mark.parametrize(
    ("policy", "said"),
    [
        ({"strategy": "random", "max_retry_count": "1"}, "strategy is 'random'; fixed_delay or exponential_backoff"),
        ({"strategy": "fixed_delay", "max_retry_count": "x"}, "max_retry_count is 'x'"),
        (
            {"strategy": "fixed_delay", "max_retry_count": "1", "delay_interval": "5s"},
            "delay_interval is '5s'; hh:mm:ss",
        ),
    ],
)
def test_a_policy_that_is_none_is_refused_by_name(policy: dict[str, Any], said: str) -> None:
    """https://learn.microsoft.com/azure/azure-functions/functions-bindings-error-pages#retry-policies."""
    with pytest.raises(AppError, match=f"function 'x': retry: {said}"):
        retries(policy, "function 'x'")


MINUTELY = """
import azure.functions as func
app = func.FunctionApp()
calls = []

@app.function_name("often")
@app.timer_trigger(arg_name="timer", schedule="* * * * * *")
def often(timer: func.TimerRequest) -> None:
    calls.append(timer.past_due)
    if len(calls) == 1:
        raise ValueError("the first one fails")

@app.function_name("seldom")
@app.timer_trigger(arg_name="timer", schedule="0 * * * * *")
def seldom(timer: func.TimerRequest) -> None:
    pass

@app.route("calls", auth_level=func.AuthLevel.ANONYMOUS)
def count(req: func.HttpRequest) -> str:
    return str(len(calls))
"""


def test_a_timer_that_failed_runs_again_and_one_within_a_minute_is_not_monitored(starts) -> None:
    """TimerListener: function errors never stop the schedule; useMonitor is on for recurrences of a minute and more
    (https://learn.microsoft.com/azure/azure-functions/functions-bindings-timer#attributes).
    """
    host = starts(app=MINUTELY)
    until(lambda: int(host.ask("/api/calls").text) >= 3)
    files = {file.name for file in (host.folder / "state" / "functions").glob("*.json")}
    assert files == {"seldom.json"}
    assert "the first one fails" in host.log.read_text()
