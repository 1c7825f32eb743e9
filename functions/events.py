"""Events come in: from the queue that Event Grid fills, and from Event Grid itself."""

import json

import azure.functions as func

from shared.bootstrap import hub

events = func.Blueprint()


@events.function_name("events_queue")
@events.queue_trigger(arg_name="message", queue_name="%HUB_EVENTS_QUEUE%", connection="HUB_STORAGE")
async def events_queue(message: func.QueueMessage) -> None:
    """Take in what Event Grid put into the queue."""
    this = await hub()
    await this.intake.accept(message.get_body(), this.clock(), "queue")


@events.function_name("events_push")
@events.event_grid_trigger(arg_name="event")
async def events_push(event: func.EventGridEvent) -> None:
    """Take in what Event Grid delivers to the webhook, one event a call."""
    this = await hub()
    raw = {
        "id": event.id,
        "topic": event.topic,
        "subject": event.subject,
        "eventType": event.event_type,
        "eventTime": event.event_time.isoformat() if event.event_time else None,
        "data": event.get_json(),
        "dataVersion": event.data_version,
    }
    await this.intake.accept(json.dumps(raw), this.clock(), "push")


@events.function_name("events_poison")
@events.queue_trigger(arg_name="message", queue_name="%HUB_EVENTS_QUEUE%-poison", connection="HUB_STORAGE")
async def events_poison(message: func.QueueMessage) -> None:
    """Keep events that failed time after time where people see them."""
    this = await hub()
    await this.undelivered.poison("events", message.get_body(), this.clock())
