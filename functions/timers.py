"""Ticks: the sweep finds what no message tells of any more."""

import logging
import time

import azure.functions as func

from shared.bootstrap import hub
from shared.reconcile import reconcile as look_for_lost_files

timers = func.Blueprint()
logger = logging.getLogger(__name__)


@timers.function_name("sweep")
@timers.timer_trigger(arg_name="tick", schedule="0 * * * * *", run_on_startup=False, use_monitor=True)
async def sweep(tick: func.TimerRequest) -> None:
    """Look once a minute at what is unfinished, and at what a clock says is due."""
    this = await hub()
    await this.triggers.tick(this.clock())
    await this.sweep.run()
    await this.admission.tell_of_storm()


@timers.function_name("probe")
@timers.timer_trigger(arg_name="tick", schedule="30 */5 * * * *", run_on_startup=False, use_monitor=True)
async def probe(tick: func.TimerRequest) -> None:
    """Send a probe along the whole way."""
    this = await hub()
    await this.probes.send(this.clock())


@timers.function_name("seal")
@timers.timer_trigger(arg_name="tick", schedule="45 */10 * * * *", run_on_startup=False, use_monitor=True)
async def seal(tick: func.TimerRequest) -> None:
    """Seal the heads of the audit trail into the container that nothing can change."""
    this = await hub()
    await this.audit.seal(this.clock())


@timers.function_name("reconcile")
@timers.timer_trigger(arg_name="tick", schedule="15 7,22,37,52 * * * *", run_on_startup=False, use_monitor=True)
async def reconcile(tick: func.TimerRequest) -> None:
    """Find files that no event told of."""
    this = await hub()
    await look_for_lost_files(this, this.clock())


@timers.function_name("retention")
@timers.timer_trigger(arg_name="tick", schedule="20 13 * * * *", run_on_startup=False, use_monitor=True)
async def retention(tick: func.TimerRequest) -> None:
    """Drop events that are older than the ledger keeps them, for some minutes at most; the next tick goes on."""
    this = await hub()
    began = time.monotonic()
    dropped = await this.retention.run(this.clock(), lambda: time.monotonic() - began)
    logger.info("retention: %s", dropped)
