"""Ticks: the sweep finds what no message tells of any more."""

import azure.functions as func

from shared.bootstrap import hub

timers = func.Blueprint()


@timers.function_name("sweep")
@timers.timer_trigger(arg_name="tick", schedule="0 * * * * *", run_on_startup=False, use_monitor=True)
async def sweep(tick: func.TimerRequest) -> None:
    """Look once a minute at what is unfinished."""
    await (await hub()).sweep.run()
