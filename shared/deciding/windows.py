"""When the clock on the wall allows work: weekly spans such as `Mon-Fri 22:00-06:00`, summer time included."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Literal
from zoneinfo import ZoneInfo

from shared.deciding.wording import MOST_CHARACTERS, shown

DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_TEXT: Final = re.compile(r"(?:([A-Za-z, -]+?) +)?([0-9]{1,2}):([0-9]{2}) *- *([0-9]{1,2}):([0-9]{2})")
_HORIZON: Final = timedelta(days=8)
"""All that a weekly span can change happens within a week, and a day more for spans over midnight."""
_DAYS_AHEAD: Final = 11


class WindowError(ValueError):
    """A window cannot be read; the message says what is expected."""


@dataclass(frozen=True, slots=True)
class Window:
    """A weekly span in which work is allowed or denied.

    `days` counts from Monday as 0; `start` and `end` are minutes of the day, of the next one where `end` is not later
    than `start`. `zone` is an IANA name.
    """

    kind: Literal["allow", "deny"]
    days: tuple[int, ...]
    start: int
    end: int
    zone: str = "UTC"

    @classmethod
    def parse(cls, kind: Literal["allow", "deny"], text: str, zone: str = "UTC") -> "Window":
        """Read `Sun 00:00-06:00`, `Mon-Fri 22:00-06:00`, `Sat,Sun 00:00-24:00` or, for every day, `22:00-06:00`."""
        match = _TEXT.fullmatch(text.strip()) if len(text) <= MOST_CHARACTERS else None
        if match is None:
            raise WindowError(
                f"{shown(text)} is no window: write 'Sun 00:00-06:00', 'Mon-Fri 22:00-06:00' or '22:00-06:00'"
            )
        start, end = (_minutes(match[first], match[first + 1], text) for first in (2, 4))
        if start == 24 * 60:
            raise WindowError(f"{text!r}: a window begins at 23:59 at the latest; 24:00 is an end")
        if start == end:
            raise WindowError(f"{text!r}: begins when it ends; a whole day is 00:00-24:00")
        zone_of(zone)
        return cls(kind, _days(match[1], text), start, end, zone)

    def __str__(self) -> str:
        days = "every day" if len(self.days) == 7 else ",".join(DAYS[day] for day in self.days)
        clock = "-".join(f"{minutes // 60:02}:{minutes % 60:02}" for minutes in (self.start, self.end))
        return f"{self.kind} {days} {clock} {self.zone}"

    def spans(self, now: datetime) -> Iterator[tuple[datetime, datetime]]:
        """Give the spans around `now`, as [begin, end) in UTC, from the day before yesterday on for more than a week.

        An hour that comes twice belongs to the span both times: the first is meant by a begin, the last by an end.
        An hour that never comes makes the span begin or end where the clock goes on.
        """
        zone = zone_of(self.zone)
        today = now.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None, fold=0)
        for offset in range(-2, _DAYS_AHEAD):
            day = today + timedelta(days=offset)
            if day.weekday() not in self.days:
                continue
            length = self.end - self.start if self.end > self.start else self.end + 24 * 60 - self.start
            begin = day + timedelta(minutes=self.start)
            first, last = instant(begin, zone), instant(begin + timedelta(minutes=length), zone, last=True)
            if first < last:
                yield first, last


@dataclass(frozen=True, slots=True)
class State:
    """Whether work is allowed now, until when that is so (None: for good), and by which windows."""

    open: bool
    until: datetime | None
    windows: tuple[str, ...]


def look(windows: Iterable[Window], now: datetime) -> State:
    """Say whether all windows together allow work at `now`: in no `deny`, and in one `allow` where there is any."""
    rules = tuple(windows)
    spans = [(rule, begin, end) for rule in rules for begin, end in rule.spans(now)]
    allows = any(rule.kind == "allow" for rule in rules)

    def open_at(time: datetime) -> bool:
        inside = {rule.kind for rule, begin, end in spans if begin <= time < end}
        return "deny" not in inside and ("allow" in inside or not allows)

    state = open_at(now)
    edges = sorted({edge for _, begin, end in spans for edge in (begin, end) if now < edge <= now + _HORIZON})
    until = next((edge for edge in edges if open_at(edge) != state), None)
    inside = [str(rule) for rule, begin, end in spans if begin <= now < end]
    outside = [f"outside of {rule}" for rule in rules if rule.kind == "allow"] if allows and not state else []
    denied = [name for name in inside if name.startswith("deny")]
    return State(state, until, tuple(dict.fromkeys(inside if state else denied or outside)))


def instant(wall: datetime, zone: ZoneInfo, *, last: bool = False) -> datetime:
    """Give the moment (UTC) at which a clock in the zone shows `wall` (naive).

    A time that comes twice gives the first, or with `last` the second; one that the clock leaps over gives the leap.
    """
    early, late = (wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    if late < early:
        return _leap(late, early, zone)
    return late if last else early


def skipped(wall: datetime, zone: ZoneInfo) -> bool:
    """Say whether the zone's clock leaps over this time (naive)."""
    early, late = (wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    return late < early


def zone_of(name: str) -> ZoneInfo:
    """Give the time zone of an IANA name; raises WindowError."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise WindowError(f"{shown(name)} is no time zone: write an IANA name such as UTC or Europe/Berlin") from None


def _leap(before: datetime, after: datetime, zone: ZoneInfo) -> datetime:
    """Find the moment between two at which the zone's offset changes."""
    old = before.astimezone(zone).utcoffset()
    low, high = int(before.timestamp()), int(after.timestamp())
    while high - low > 1:
        middle = (low + high) // 2
        if datetime.fromtimestamp(middle, zone).utcoffset() == old:
            low = middle
        else:
            high = middle
    return datetime.fromtimestamp(high, UTC)


def _minutes(hour: str, minute: str, text: str) -> int:
    minutes = int(hour) * 60 + int(minute)
    if int(minute) > 59 or minutes > 24 * 60:
        raise WindowError(f"{text!r}: {hour}:{minute} is no time of day")
    return minutes


def _days(text: str | None, whole: str) -> tuple[int, ...]:
    if text is None or text.strip().lower() in {"daily", "every day"}:
        return tuple(range(7))
    names = [name.lower() for name in DAYS]
    found: set[int] = set()
    for part in text.split(","):
        ends = [end.strip().lower() for end in part.split("-")]
        if len(ends) > 2 or any(end not in names for end in ends):
            raise WindowError(f"{whole!r}: {part.strip()!r} is no day: write {', '.join(DAYS)}, or Mon-Fri")
        first, last = names.index(ends[0]), names.index(ends[-1])
        found.update((first + step) % 7 for step in range((last - first) % 7 + 1))
    return tuple(sorted(found))
