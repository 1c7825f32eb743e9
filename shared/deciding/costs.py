"""What work costs: estimated before it runs by the price of a compute hour, trued up by what it took."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from statistics import median
from typing import Final, Literal

from shared.deciding.windows import instant, zone_of

Period = Literal["day", "week", "month"]
_REMEMBERED: Final = 10
_HOUR: Final = Decimal(3600)


@dataclass(frozen=True, slots=True)
class Cost:
    """An amount of a currency (ISO 4217 code)."""

    amount: Decimal
    currency: str

    def __str__(self) -> str:
        return f"{self.amount.quantize(Decimal('0.01'), ROUND_HALF_UP)} {self.currency}"


@dataclass(frozen=True, slots=True)
class Spend:
    """What one activity cost. `estimated` before it ran; `actual` from what it took, None while it runs."""

    activity: str
    at: datetime
    estimated: Cost
    actual: Cost | None = None

    @property
    def counted(self) -> Cost:
        """What counts: the truth where it is known."""
        return self.actual or self.estimated


def cost_of(price: Decimal, currency: str, nodes: int, took: timedelta) -> Cost:
    """Give the cost of so many nodes for so long, at `price` an hour and node."""
    seconds = Decimal(str(took.total_seconds()))
    return Cost(price * nodes * seconds / _HOUR, currency)


def expected_length(took: Sequence[timedelta], otherwise: timedelta) -> timedelta:
    """Give how long the next run is expected to take: the median of the last ten, oldest first, or `otherwise`."""
    last = [one.total_seconds() for one in took[-_REMEMBERED:]]
    return timedelta(seconds=median(last)) if last else otherwise


def period_of(now: datetime, per: Period, zone: str = "UTC") -> tuple[datetime, datetime]:
    """Give the calendar day, week (from Monday) or month around `now` in the zone, as [begin, end) in UTC."""
    clock = zone_of(zone)
    day = now.astimezone(clock).replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None, fold=0)
    if per == "day":
        begin, end = day, day + timedelta(days=1)
    elif per == "week":
        begin = day - timedelta(days=day.weekday())
        end = begin + timedelta(days=7)
    else:
        begin = day.replace(day=1)
        end = (begin + timedelta(days=32)).replace(day=1)
    return instant(begin, clock).astimezone(UTC), instant(end, clock).astimezone(UTC)
