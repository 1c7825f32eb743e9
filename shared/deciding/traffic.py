"""The traffic of an endpoint: how it is shared out, and what it means when it is not what was asked for."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Literal

AGAIN: Final = timedelta(seconds=60)
"""After so long without effect a change is asked for again: the request may never have left."""
MOST_TRIES: Final = 10


@dataclass(frozen=True, slots=True)
class Traffic:
    """Per cent of live requests by deployment, and per cent that is mirrored besides. Nothing stands for 0."""

    live: Mapping[str, int] = field(default_factory=dict)
    mirror: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, live: Mapping[str, int], mirror: Mapping[str, int] | None = None) -> "Traffic":
        """Give it in the one form in which it is compared: without zeros, by name."""
        return cls(*({name: share for name, share in sorted(part.items()) if share} for part in (live, mirror or {})))

    @property
    def total(self) -> int:
        """The sum of the live shares: 100, or 0 where nothing was ever live."""
        return sum(self.live.values())

    def __str__(self) -> str:
        parts = [f"{name} {share}%" for name, share in self.live.items()]
        parts += [f"{name} mirrors {share}%" for name, share in self.mirror.items()]
        return ", ".join(parts) or "no traffic"


@dataclass(frozen=True, slots=True)
class Change:
    """A change that was asked for. `confirmed` was read back before it; `at` is when it was last asked for."""

    requested: Traffic
    confirmed: Traffic
    at: datetime
    tries: int = 1


def look(change: Change, observed: Traffic, now: datetime) -> Literal["done", "wait", "again", "foreign", "gave-up"]:
    """Say what became of a change, by what is read now.

    Traffic that is neither what was asked for nor what was there before was set by somebody else: `foreign`. A person
    who sets exactly what was there before cannot be told from a request that was lost (the API has no etag).
    """
    if observed == change.requested:
        return "done"
    if observed != change.confirmed:
        return "foreign"
    if now - change.at < AGAIN:
        return "wait"
    return "again" if change.tries < MOST_TRIES else "gave-up"


def split(before: Traffic, challenger: str, share: int) -> Traffic:
    """Give the challenger so many per cent (0 to 100); the others keep their proportions. The sum is 100.

    Raises ValueError where others would have to take traffic and none ever had any.
    """
    others = {name: part for name, part in before.live.items() if name != challenger}
    if not 0 <= share <= 100:
        raise ValueError(f"a share of {share}% cannot be")
    if share == 100:
        return Traffic.of({challenger: 100})
    total = sum(others.values())
    if not total:
        raise ValueError(f"{challenger} cannot take {share}%: nothing else is live to take the rest")
    rest = 100 - share
    exact = {name: part * rest / total for name, part in others.items()}
    whole = {name: int(value) for name, value in exact.items()}
    left = rest - sum(whole.values())
    for name in sorted(exact, key=lambda one: (whole[one] - exact[one], one))[:left]:
        whole[name] += 1
    return Traffic.of({**whole, challenger: share})


def mirrored(before: Traffic, challenger: str, share: int) -> Traffic:
    """Give the challenger a copy of so many per cent of the live requests."""
    return Traffic.of(before.live, {challenger: share})
