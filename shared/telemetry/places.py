"""Places in traces: W3C trace contexts whose ids follow from what they stand for.

An instance that has never seen another one names the same event, activity, step and job by the same ids. So a trace
needs no memory of its own: a message that is lost, doubled or picked up elsewhere changes nothing. The id of the
trace of an event that brings none is its claim, by which `why` and the ledger know it too.
"""

import contextlib
import hashlib
import re
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final

_TRACEPARENT: Final = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f]{2}")
"""https://www.w3.org/TR/trace-context/#traceparent-header, version 00."""


@dataclass(frozen=True, slots=True)
class Place:
    """One span's place: its trace (32 hex digits), itself (16) and its parent (16, "" for a root)."""

    trace: str
    span: str
    parent: str = ""

    @property
    def traceparent(self) -> str:
        """Give it as a traceparent header, for whatever comes of it."""
        return f"00-{self.trace}-{self.span}-01"

    def child(self, *identity: str) -> "Place":
        """Give the place of what belongs to this one and is named by `identity`."""
        return Place(self.trace, digits(16, *identity), self.span)


def digits(count: int, *identity: str) -> str:
    """Give hex digits that follow from names."""
    return hashlib.sha256("\0".join(identity).encode("utf-8", "surrogatepass")).hexdigest()[:count]


def parse(traceparent: object) -> Place | None:
    """Read a traceparent header; None where it is none, or of a version that is not known."""
    match = _TRACEPARENT.fullmatch(traceparent) if isinstance(traceparent, str) else None
    return Place(match[1], match[2]) if match else None


def of_event(claim: str, traceparent: object = "") -> Place:
    """Give the place of an event: in the trace that it brings along, else the root of its own."""
    brought = parse(traceparent)
    if brought is None:
        return Place(claim, claim[:16])
    return Place(brought.trace, digits(16, "event", claim), brought.span)


def of_activity(identifier: str, attempt: int, traceparent: str) -> Place:
    """Give the place of an activity's attempt; `traceparent` is what it was opened in, "" for a trace of its own."""
    return under(traceparent, identifier).child("activity", identifier, str(attempt))


def of_step(identifier: str, attempt: int, traceparent: str, step: str, step_attempt: int) -> Place:
    """Give the place of a step."""
    return of_activity(identifier, attempt, traceparent).child("step", identifier, step, str(step_attempt))


def under(traceparent: str, identifier: str) -> Place:
    """Give what an activity was opened in; where nothing was, a trace of its own that follows from its id."""
    return parse(traceparent) or Place(digits(32, "trace", identifier), digits(16, "trace", identifier))


_here: ContextVar[Place | None] = ContextVar("hub_place", default=None)
_about: ContextVar[dict[str, str] | None] = ContextVar("hub_about", default=None)


def here() -> str:
    """Give the traceparent of what is being done, "" for none."""
    place = _here.get()
    return place.traceparent if place else ""


def about() -> dict[str, str]:
    """Give what is being worked on, for log lines: activity, automation, step."""
    return _about.get() or {}


def current() -> Place | None:
    """Give the place of what is being done."""
    return _here.get()


@contextlib.contextmanager
def inside(place: Place | None, **names: str) -> Iterator[None]:
    """Do something at a place, about something; what is opened and logged meanwhile belongs to it."""
    placed, named = _here.set(place), _about.set({**about(), **names})
    try:
        yield
    finally:
        _here.reset(placed)
        _about.reset(named)
