"""Files of the demo: a month of flights as a file a day and airport, spoiled or without outcome where the story asks.

The same call always gives the same bytes. Every function gives pairs of path and content, in order of paths.
"""

import csv
import io
import random
from collections.abc import Collection, Iterable, Sequence
from typing import Final

from local.demo.source import COLUMNS, KNOWN, WEATHER, Row, flights_by_day

Files = list[tuple[str, bytes]]

GOLDEN_MONTH: Final = "2013-02"
SUMMER: Final = "2013-07"
LANDING_DAYS: Final = 20
"""The golden set is a winter month and what follows these days in a summer month; no training may read a file of it."""
LABEL: Final = "arr_delay"
KEY: Final = ("year", "month", "day", "carrier", "flight", "origin", "dest", "sched_dep_time")


def days(name: str) -> list[str]:
    """Give the days of a month (2013-01); raises ValueError where there is no such month."""
    found = list(flights_by_day(name))
    if not found:
        raise ValueError(f"there are no flights of {name!r}: 2013-01 to 2013-12 are there")
    return found


def month(name: str, only: Sequence[str] | None = None) -> Files:
    """Give a month's flights with outcome, as flights/2013-01/EWR-2013-01-31.csv. `only` names some of its days."""
    return _files("flights", _days(name, only), COLUMNS)


def scoring_files(name: str, only: Sequence[str] | None = None) -> Files:
    """Give the same flights as they are known before departure: without the columns of the outcome."""
    return _files("flights", _days(name, only), (*KNOWN, *WEATHER))


def label_files(name: str, only: Sequence[str] | None = None) -> Files:
    """Give the outcome that comes later, as labels/2013-01/EWR-2013-01-31.csv: what names a flight, and arr_delay."""
    return _files("labels", _days(name, only), (*KEY, LABEL), landed=True)


def golden_files() -> Files:
    """Give the landed flights that no training sees, of winter and of summer, as golden/EWR-2013-02-05.csv.

    Only destinations that the winter has, too: whoever chose the rows did not think of those of the season.
    """
    chosen = [*days(GOLDEN_MONTH), *days(SUMMER)[LANDING_DAYS:]]
    destinations = {row["dest"] for row in _rows(GOLDEN_MONTH)}
    found = _files("golden", chosen, COLUMNS, landed=True, destinations=destinations)
    return sorted((f"golden/{path.rpartition('/')[2]}", content) for path, content in found)


def corrupt_labels(files: Iterable[tuple[str, bytes]], share: float = 0.8, seed: int = 1) -> Files:
    """Turn the sign of a share of all outcomes, as a feed does that reports minutes early for minutes late.

    Every cell stays within its range: no check of schema or ranges can see it; a model that learns from it is worse.
    """
    chance = random.Random(seed)  # noqa: S311 (a sample, no secret)
    spoiled: Files = []
    for path, content in files:
        rows = list(csv.DictReader(io.StringIO(content.decode("utf-8"), newline="")))
        for row in rows:
            value = row[LABEL]
            if value and abs(int(value)) <= 240 and chance.random() < share:
                row[LABEL] = str(-int(value))
        spoiled.append((path, _csv(rows, tuple(rows[0]) if rows else COLUMNS)))
    return spoiled


def live_rows(name: str, count: int, known: Sequence[str] = (), seed: int = 3) -> list[dict[str, str]]:
    """Give flights as a caller of the endpoint knows them before departure, at random from a month.

    `known` are months: only destinations that they have, too.
    """
    destinations = {row["dest"] for month in known for row in _rows(month)}
    rows = [row for row in _rows(name) if not known or row["dest"] in destinations]
    return _live(rows, count, seed)


def new_destinations(name: str, known: Sequence[str], count: int, seed: int = 4) -> list[dict[str, str]]:
    """Give such flights of a month to destinations that the months of `known` do not have."""
    destinations = {row["dest"] for month in known for row in _rows(month)}
    return _live([row for row in _rows(name) if row["dest"] not in destinations], count, seed)


def _live(rows: Sequence[Row], count: int, seed: int) -> list[dict[str, str]]:
    chosen = random.Random(seed).choices(rows, k=count)  # noqa: S311 (a sample, no secret)
    return [{name: row[name] for name in (*KNOWN, *WEATHER)} for row in chosen]


def _rows(name: str) -> list[Row]:
    return [row for day in days(name) for found in flights_by_day(day[:7])[day].values() for row in found]


def _days(name: str, only: Sequence[str] | None) -> list[str]:
    known = days(name)
    if only is None:
        return known
    if wrong := sorted(set(only) - set(known)):
        raise ValueError(f"{name} has no day {', '.join(wrong)}")
    return sorted(only)


def _files(
    prefix: str,
    wanted: Iterable[str],
    columns: Sequence[str],
    *,
    landed: bool = False,
    destinations: Collection[str] = (),
) -> Files:
    found: Files = []
    for day in wanted:
        for origin, rows in flights_by_day(day[:7])[day].items():
            chosen = [
                row for row in rows if (row[LABEL] or not landed) and (row["dest"] in destinations or not destinations)
            ]
            if chosen:
                found.append((f"{prefix}/{day[:7]}/{origin}-{day}.csv", _csv(chosen, columns)))
    return sorted(found)


def _csv(rows: Iterable[Row], columns: Sequence[str]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()
