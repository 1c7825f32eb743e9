"""Messages to people go out: by a queue of their own, and what it lost is found by a look a minute."""

import azure.functions as func

from shared.bootstrap import hub

notify = func.Blueprint()


@notify.function_name("notify")
@notify.queue_trigger(arg_name="message", queue_name="hub-notify", connection="HUB_STORAGE")
async def send(message: func.QueueMessage) -> None:
    """Send what waits for a channel."""
    this = await hub()
    await this.notifier.look(message.get_body().decode(), this.clock())


@notify.function_name("notify_poison")
@notify.queue_trigger(arg_name="message", queue_name="hub-notify-poison", connection="HUB_STORAGE")
async def send_poison(message: func.QueueMessage) -> None:
    """Try a channel again whose message failed time after time: what waits for it is in the outbox."""
    this = await hub()
    await this.notifier.outbox.sweep(this.clock())


@notify.function_name("notify_sweep")
@notify.timer_trigger(arg_name="tick", schedule="20 * * * * *", run_on_startup=False, use_monitor=True)
async def notify_sweep(tick: func.TimerRequest) -> None:
    """Wake channels whose message was lost."""
    this = await hub()
    await this.notifier.outbox.sweep(this.clock())
