"""The engine's work: a message's visibility is the durable timer, a message itself only a hint."""

import azure.functions as func

from shared.bootstrap import hub

work = func.Blueprint()


@work.function_name("work")
@work.queue_trigger(arg_name="message", queue_name="%HUB_WORK_QUEUE%", connection="HUB_STORAGE")
async def do_work(message: func.QueueMessage) -> None:
    """Look at one activity or collection."""
    await (await hub()).work(message.get_body().decode())
