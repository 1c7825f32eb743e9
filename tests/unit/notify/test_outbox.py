"""What the outbox does by the kind of a channel."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from shared.notify.channels import Channel
from shared.notify.messages import Message
from shared.notify.outbox import WINDOW, Outbox


@pytest.mark.parametrize(("kind", "rest"), [("events", timedelta(0)), ("slack", WINDOW), ("webhook", WINDOW)])
async def test_people_are_spared_a_flood_and_machines_are_told_at_once(
    desk_of: Any, receiver: Any, kind: Any, rest: timedelta
) -> None:
    desk = desk_of(receiver.url)
    sent: list[tuple[int, timedelta]] = []
    began = desk.now

    async def deliver(channel: Channel, messages: Sequence[Message], number: str) -> None:
        sent.append((len(messages), desk.now - began))

    queue = desk.store.queue("hub-notify")
    channel = Channel("some", kind, "https://example.org/")
    outbox = Outbox(desk.store, queue, desk.hub.letters, {"some": channel}, deliver)
    for number in range(4):
        await outbox.put("some", Message(id=f"{number}", at=desk.now, severity="info", title=f"{number}"))
        await outbox.look("some", desk.now)
    desk.now += WINDOW
    await outbox.look("some", desk.now)
    assert sum(count for count, _ in sent) == 4
    assert sent[0] == (1, timedelta(0))
    assert sent[-1] == ((1, timedelta(0)) if not rest else (3, rest))
