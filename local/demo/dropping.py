"""Drops a month of real flights into a laptop cloud that runs, as a person would who tries the shipped rules."""

from typing import Final

from local.config import Cloud
from local.demo import flights
from local.demo.burst import CONTAINER, upload
from local.demo.release import golden_set

MONTH: Final = "2013-01"


def drop(cloud: Cloud, month: str) -> str:
    """Write the month's files, then its marker; before them the golden set, which releases are judged by.

    Say what was written. Raises ValueError where there is no such month.
    """
    files = flights.month(month)
    golden_set(cloud)
    upload(cloud, CONTAINER, files)
    upload(cloud, CONTAINER, [(f"flights/{month}/_SUCCESS", b"")])
    return f"{len(files)} files and the marker are in {CONTAINER}/flights/{month}/: ./hub activities, or ./hub dev"
