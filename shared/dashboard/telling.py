"""Notifications as the page shows them: each channel, what waits for it, what it took and what it did not."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from urllib.parse import urlsplit

from shared.dashboard.asking import Desk
from shared.notify.channels import Channel
from shared.notify.outbox import State

_FRESH: Final = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Shown:
    """A channel. `host` is all of its address that is shown: the rest may be a secret. `late`: it fails just now."""

    channel: Channel
    state: State
    host: str
    late: bool


async def channels(desk: Desk) -> list[Shown]:
    """Give the channels of the settings, those first that fail."""
    known = list(desk.hub.settings.channels.values())
    states = await asyncio.gather(*(desk.hub.notifier.outbox.state(one.name) for one in known))
    shown = [_shown(desk, channel, state) for channel, state in zip(known, states, strict=True)]
    return sorted(shown, key=lambda one: (not one.late, one.channel.name))


def _shown(desk: Desk, channel: Channel, state: State) -> Shown:
    head = state.head
    failed = head.last_problem_at is not None and (head.last_sent is None or head.last_sent < head.last_problem_at)
    fresh = head.last_problem_at is not None and desk.now - head.last_problem_at < _FRESH
    return Shown(channel, state, urlsplit(channel.url).hostname or "", bool(channel.problem) or (failed and fresh))
