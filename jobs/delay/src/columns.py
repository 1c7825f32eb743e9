"""The columns of a flights file: what each may hold, which identify a flight, which the model sees."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Column:
    """One column. `low` and `high` bound numbers (inclusive); `pattern` is a regular expression that texts match fully.

    `nulls` is the largest share of empty cells over all rows that were given.
    """

    name: str
    low: float | None = None
    high: float | None = None
    whole: bool = False
    pattern: str = ""
    nulls: float = 0.0

    @property
    def expected(self) -> str:
        """Say in words what a cell may hold."""
        if self.pattern:
            return f"text like {self.pattern}"
        return f"{'a whole number' if self.whole else 'a number'} from {self.low:g} to {self.high:g}"


def _whole(name: str, low: float, high: float, nulls: float = 0.0) -> Column:
    return Column(name, low, high, whole=True, nulls=nulls)


def _number(name: str, low: float, high: float, nulls: float = 0.0) -> Column:
    return Column(name, low, high, nulls=nulls)


OUTCOME: Final = (
    _whole("dep_time", 0, 2400, 0.25),
    _whole("dep_delay", -240, 3000, 0.25),
    _whole("arr_time", 0, 2400, 0.25),
    _whole("arr_delay", -240, 3000, 0.25),
    _whole("air_time", 1, 1500, 0.25),
)
"""What is known only once a flight has landed; empty for cancelled ones, absent from files to score."""

KNOWN: Final = (
    _whole("year", 2000, 2100),
    _whole("month", 1, 12),
    _whole("day", 1, 31),
    _whole("weekday", 1, 7),
    _whole("sched_dep_time", 0, 2359),
    _whole("sched_arr_time", 0, 2359),
    Column("carrier", pattern=r"[A-Z0-9]{2}"),
    _whole("flight", 1, 9999),
    Column("tailnum", pattern=r"[A-Z0-9]{3,6}", nulls=0.2),
    Column("origin", pattern=r"[A-Z]{3}"),
    Column("dest", pattern=r"[A-Z]{3}"),
    _whole("distance", 1, 12000),
    _whole("hour", 0, 23),
    _whole("minute", 0, 59),
    Column("time_hour", pattern=r"\d{4}-\d\d-\d\dT\d\d:00:00Z"),
    _number("temp", -60, 135, 0.2),
    _number("dewp", -80, 110, 0.2),
    _number("humid", 0, 100, 0.2),
    _number("wind_dir", 0, 360, 0.3),
    _number("wind_speed", 0, 200, 0.2),
    _number("wind_gust", 0, 250, 1.0),
    _number("precip", 0, 20, 0.2),
    _number("pressure", 850, 1100, 0.6),
    _number("visib", 0, 100, 0.2),
)
"""What is known before departure: schedule (HHMM, local time), route, weather of the scheduled hour at the origin."""

KEY: Final = ("year", "month", "day", "carrier", "flight", "origin", "dest", "sched_dep_time")
"""Identifies a flight."""

LABEL: Final = "arr_delay"
"""Minutes late at the gate; negative is early."""

CATEGORIES: Final = ("carrier", "origin", "dest")
NUMBERS: Final = ("sched_dep_time", "sched_arr_time", "weekday", "distance", "precip", "visib", "wind_speed", "humid")
FEATURES: Final = (*CATEGORIES, *NUMBERS)
"""What the model sees. Nothing of OUTCOME: a prediction is made before departure. HHMM is left as it is: trees only
compare. Temperature and pressure are left out: over a few weeks they name the day rather than the weather."""

SLICE: Final = "carrier"
"""By which column metrics are told apart."""
