"""Tells what became of activities: to the channels that their automation names, and to those that ask by a route."""

import logging
from collections.abc import Sequence
from datetime import datetime

from shared.actions.context import Context
from shared.engine.outcomes import PermanentError
from shared.ledger.deadletters import DeadLetters
from shared.ledger.protocol import StoreError
from shared.ledger.records import Activity
from shared.notify.approvals import Approvals
from shared.notify.channels import Channel
from shared.notify.messages import Message, about
from shared.notify.outbox import Outbox
from shared.notify.rendering import Told
from shared.notify.sending import Sender

logger = logging.getLogger(__name__)


class Notifier:
    """Tells. Wired once."""

    def __init__(self, context: Context, letters: DeadLetters, approvals: Approvals, sender: Sender) -> None:
        self._context = context
        self._channels = context.settings.channels
        self._approvals = approvals
        self._sender = sender
        queue = context.store.queue(QUEUE)
        self.outbox = Outbox(context.store, queue, letters, self._channels, self.deliver)

    async def tell(self, activity: Activity) -> None:
        """Enter a message for every channel that is to hear of the activity's status. Doing it again changes nothing.

        Raises StoreError; whatever else is wrong is logged and never stops the activity.
        """
        try:
            named = await self._named(activity)
            channels = self._channels.values()
            routed = [one.name for one in channels if any(route.takes(activity) for route in one.routes)]
            for name in dict.fromkeys((*named, *routed)):
                await self.outbox.put(name, about(activity))
        except StoreError:
            raise
        except Exception:
            logger.exception("nobody was told that activity %s is %s", activity.id, activity.status)

    async def announce(self, number: str, at: datetime, title: str, text: str) -> None:
        """Tell every channel what concerns the whole hub; the same number is told once. Raises StoreError."""
        for name in self._channels:
            await self.outbox.put(name, Message(id=number, at=at, severity="error", title=title, text=text))

    async def _named(self, activity: Activity) -> Sequence[str]:
        try:
            loaded, _ = await self._context.automation(activity)
        except PermanentError:
            return ()
        notify = loaded.automation.notify
        return notify.to if notify and activity.status in notify.on else ()

    async def deliver(self, channel: Channel, messages: Sequence[Message], number: str) -> None:
        """Send messages with the addresses that go along."""
        await self._sender.send(channel, [await self._told(channel, message) for message in messages], number)

    async def _told(self, channel: Channel, message: Message) -> Told:
        base = self._context.settings.public_url
        if not base or channel.kind == "events":
            return Told(message)
        page = f"{base}/api/dashboard/activities/{message.activity}" if message.activity else f"{base}/api/dashboard"
        if not message.decides:
            return Told(message, page)
        return Told(message, page, f"{base}/api/approvals/{await self._approvals.token(message, channel.name)}")

    async def look(self, channel: str, now: datetime) -> None:
        """Send what waits for a channel."""
        await self.outbox.look(channel, now)


QUEUE = "hub-notify"
"""The queue whose messages name channels that have something to send."""
