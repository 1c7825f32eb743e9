"""The engine's work: a message's visibility is the durable timer, a message itself only a hint."""

import azure.functions as func

from shared.bootstrap import hub

work = func.Blueprint()


@work.function_name("work")
@work.queue_trigger(arg_name="message", queue_name="%HUB_WORK_QUEUE%", connection="HUB_STORAGE")
async def do_work(message: func.QueueMessage) -> None:
    """Look at one activity or collection."""
    await (await hub()).work(message.get_body().decode())


@work.function_name("work_poison")
@work.queue_trigger(arg_name="message", queue_name="%HUB_WORK_QUEUE%-poison", connection="HUB_STORAGE")
async def work_poison(message: func.QueueMessage) -> None:
    """Keep work that failed time after time where people see it; the sweep looks at its activity again."""
    this = await hub()
    await this.undelivered.poison("work", message.get_body(), this.clock())
