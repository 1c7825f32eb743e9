"""When to try again: back-off with jitter, and when to give up."""

import hashlib
from datetime import timedelta
from typing import Final

MOST_TRIES: Final = 10
"""Some forty minutes of an outage with the delays below; then a person decides (retry makes a new attempt)."""
_FIRST: Final = 4.0
_LONGEST: Final = 600.0


def delay_before(tries: int, identity: str, asked: timedelta | None = None) -> timedelta | None:
    """Give the delay before the next try, or None to give up.

    Args:
        tries: calls that have failed so far, at least 1.
        identity: what is tried; the jitter (half to all of the delay) derives from it, so that not all come at once.
        asked: a delay that the service asked for (Retry-After); it is kept to and does not shorten the back-off.
    """
    if tries >= MOST_TRIES:
        return None
    digest = hashlib.sha256(f"{identity}:{tries}".encode()).digest()
    jitter = 0.5 + digest[0] / 512
    delay = timedelta(seconds=min(_LONGEST, _FIRST * 2.0 ** (tries - 1)) * jitter)
    return max(delay, asked) if asked else delay


def poll_after(looks: int, shortest: timedelta, longest: timedelta) -> timedelta:
    """Give the delay before the next look at something that is running: soon at first, then ever less often."""
    return min(longest, shortest * (1.3 ** min(looks, 40)))
