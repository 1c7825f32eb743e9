"""When a cron expression strikes, in a time zone: a fixed time once a day, also where the clock is put on or back."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final

from shared.deciding.windows import instant, skipped, zone_of
from shared.deciding.wording import MOST_CHARACTERS, shown

_FIELD: Final = re.compile(r"[0-9A-Za-z*,/-]+")
_WORD: Final = re.compile(r"[A-Za-z]+")
_WORDS: Final = re.compile(r"(?i:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|sun|mon|tue|wed|thu|fri|sat)")
_PROBE: Final = datetime(2024, 1, 1)
_MARGIN: Final = timedelta(hours=3)
_MOST_KNOWN: Final = 1000


class CronError(ValueError):
    """A cron expression cannot be used; the message says what is expected."""


@dataclass(frozen=True, slots=True)
class Cron:
    """A cron expression and the IANA zone whose clock it means.

    Six fields are NCRONTAB as Azure Functions has it: seconds first, and both day fields must hold. Five fields are
    crontab: no seconds, and where both day fields are given, either is enough.

    Where the clock leaps over a fixed hour it strikes at the leap; where an hour comes twice it strikes the first time.
    An expression for every hour (`*` or a step in that field) strikes by time that passes: not in an hour that never
    comes, and in both of one that comes twice.
    """

    text: str
    zone: str = "UTC"

    @classmethod
    @lru_cache(maxsize=_MOST_KNOWN)
    def parse(cls, text: str, zone: str = "UTC") -> "Cron":
        """Check and give it; raises CronError, or WindowError for the zone."""
        if len(text) > MOST_CHARACTERS:
            raise CronError(
                f"{shown(text)} has {len(text)} characters; a cron expression has at most {MOST_CHARACTERS}"
            )
        fields = text.split()
        if len(fields) not in {5, 6}:
            raise CronError(
                f"{text!r} has {len(fields)} fields; write six (second minute hour day month day-of-week), such as "
                "'0 0 3 * * 1', or five without seconds"
            )
        for field in fields:
            if not _FIELD.fullmatch(field) or not all(_WORDS.fullmatch(word) for word in _WORD.findall(field)):
                raise CronError(
                    f"{text!r}: {field!r} is no field; numbers, names of days, '*', ',', '-', '/' may stand"
                )
        zone_of(zone)
        cron = cls(" ".join(fields), zone)
        try:
            next(cron._walls(_PROBE))
        except ValueError as error:
            reason = str(error).replace(f"[{cron.text}]", "").strip()
            raise CronError(f"{text!r} never strikes: {reason}") from None
        return cron

    def __str__(self) -> str:
        return f"{self.text} {self.zone}"

    def next(self, after: datetime) -> datetime:
        """Give the first strike later than `after`, in UTC."""
        since, strike = _following.get(self, _NONE)
        if not since <= after < strike:  # a timer asks each minute: what follows is looked for once a strike
            strike = self._next(after)
            if len(_following) >= _MOST_KNOWN:
                _following.clear()
            _following[self] = after, strike
        return strike

    def _next(self, after: datetime) -> datetime:
        zone, margin = zone_of(self.zone), self._margin(after)
        start = after.astimezone(zone).replace(tzinfo=None) - margin
        best: datetime | None = None
        for wall in self._walls(start):
            if best is not None and wall > best.astimezone(zone).replace(tzinfo=None) + self._margin(best):
                break
            for strike in self._strikes(wall):
                if strike > after and (best is None or strike < best):
                    best = strike
            if best is not None and not self._margin(best):
                break
        if best is None:
            raise CronError(f"{self} never strikes after {after.isoformat()}")
        return best

    def newest(self, after: datetime, until: datetime, most: int) -> tuple[datetime, ...]:
        """Give the newest strikes in (after, until], at most `most`, oldest first, in UTC."""
        if until <= after or self.next(after) > until:
            return ()
        zone, found = zone_of(self.zone), set[datetime]()
        start = until.astimezone(zone).replace(tzinfo=None) + self._margin(until)
        enough: datetime | None = None
        margin = self._margin(after)
        for wall in self._walls(start, back=True):
            strikes = self._strikes(wall)
            found.update(strike for strike in strikes if after < strike <= until)
            if instant(wall, zone, last=True) + margin < after or (enough is not None and wall < enough - _MARGIN):
                break
            if enough is None and len(found) >= most:
                enough = wall
                if not self._margin(instant(wall, zone)):
                    break
        return tuple(sorted(found))[-most:]

    def last(self, until: datetime) -> datetime:
        """Give the last strike at or before `until`, in UTC; raises CronError where there is none in 50 years."""
        reach = timedelta(days=1)
        while reach < timedelta(days=50 * 366):
            if strikes := self.newest(until - reach, until, 1):
                return strikes[0]
            reach *= 8
        raise CronError(f"{self} never struck before {until.isoformat()}")

    @property
    def hourly(self) -> bool:
        """Whether it means every hour, or every so many."""
        return "*" in self.text.split()[-4]

    def _strikes(self, wall: datetime) -> tuple[datetime, ...]:
        zone = zone_of(self.zone)
        first = instant(wall, zone)
        if not self.hourly:
            return (first,)
        if skipped(wall, zone):
            return ()
        second = instant(wall, zone, last=True)
        return (first,) if first == second else (first, second)

    def _margin(self, time: datetime) -> timedelta:
        """Give how far the clock on the wall may be out of order around a time: not at all, save when it is changed."""
        zone = zone_of(self.zone)
        before, after = ((time + step).astimezone(zone).utcoffset() for step in (-_MARGIN, _MARGIN))
        return timedelta(0) if before == after else _MARGIN

    def _walls(self, start: datetime, *, back: bool = False) -> Iterator[datetime]:
        """Give what the clock shows at its strikes (naive), from the first after `start`, or back from it."""
        from croniter import croniter

        six = len(self.text.split()) == 6
        start = start.replace(microsecond=0) + timedelta(seconds=1 if back else 0)
        strikes: Any = croniter(self.text, start.replace(tzinfo=UTC), day_or=not six, second_at_beginning=six)
        step = strikes.get_prev if back else strikes.get_next
        while True:
            try:
                strike: datetime = step(datetime)
            except ValueError:
                if back:
                    return
                raise
            yield strike.replace(tzinfo=None)


_following: Final[dict[Cron, tuple[datetime, datetime]]] = {}
"""Of each expression a moment, and the first strike after it."""
_NONE: Final = (datetime.max.replace(tzinfo=UTC), datetime.min.replace(tzinfo=UTC))
