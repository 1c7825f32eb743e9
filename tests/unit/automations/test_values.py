"""Durations and sizes, read from text; and what the schema for editors says of them."""

import re
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from shared.automations.values import LONGEST, Duration, Size, duration, size


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90),
        ("2m", 120),
        ("1h30m", 5400),
        ("7d", 604_800),
        ("2w", 1_209_600),
        ("1w1d1h1m1s", 694_861),
        ("0h5m", 300),
        ("007s", 7),
        ("3660d", LONGEST.total_seconds()),
    ],
)
def test_a_duration_is_read(text: str, seconds: float) -> None:
    assert duration(text) == timedelta(seconds=seconds)
    assert duration(duration(text)) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "value",
    [
        "",
        " ",
        "5",
        "5 m",
        "m",
        "-5m",
        "5M",
        "5min",
        "1m1h",
        "1.5h",
        "٣m",
        "5m5m",
        "9" * 5000 + "s",
        5,
        1.5,
        None,
        True,
        [],
        {},
    ],
)
def test_what_is_no_duration_is_refused_with_an_example(value: Any) -> None:
    with pytest.raises(ValueError, match="write 90s, 2m, 1h30m, 7d or 2w"):
        duration(value)


@pytest.mark.parametrize("value", ["0s", "0w0d0h0m0s", "3661d", "999999999w"])
def test_a_duration_has_bounds(value: str) -> None:
    with pytest.raises(ValueError, match="over 0s and at most 3660d"):
        duration(value)


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (1, 1),
        ("5000", 5000),
        ("10 MB", 10_000_000),
        ("10MB", 10_000_000),
        ("2 GiB", 2**31),
        ("1KB", 1000),
        ("1KiB", 1024),
    ],
)
def test_a_size_is_read(value: Any, number: int) -> None:
    assert size(value) == number


@pytest.mark.parametrize(
    "value",
    [0, -1, True, "0", "0 MB", "", "MB", "10 mb", "10 TB", "1.5 GB", "٣ MB", "10  MB", "9" * 5000, 1.5, None, [], {}],
)
def test_what_is_no_size_is_refused_with_an_example(value: Any) -> None:
    with pytest.raises(ValueError, match="write a number of bytes over 0, or 10 MB, 2 GiB"):
        size(value)


@given(st.text("0123456789wdhms", max_size=12) | st.text(max_size=8))
def test_the_schema_accepts_what_the_reader_reads(text: str) -> None:
    pattern = TypeAdapter(Duration).json_schema()["pattern"]
    try:
        duration(text)
    except ValueError as error:
        assert not re.search(pattern, text) or "a duration is over" in str(error)  # noqa: PT017 both are looked at
    else:
        assert re.search(pattern, text)


@given(st.text("0123456789KMGiB ", max_size=8))
def test_the_schema_of_sizes_accepts_what_the_reader_reads(text: str) -> None:
    pattern = TypeAdapter(Size).json_schema()["anyOf"][1]["pattern"]
    try:
        size(text)
    except ValueError:
        assert not re.search(pattern, text) or set(text) & set("0123456789") == {"0"}
    else:
        assert re.search(pattern, text)
