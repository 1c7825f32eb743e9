"""Texts that no one should write: read, or refused with a reason, and always at once."""

import re
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from shared.automations.language_values import Measure, Percent, PersistsText, RateText, percent, persists, rate
from shared.deciding.cron import Cron
from shared.deciding.thresholds import Threshold
from shared.deciding.windows import Window, look

NOW = datetime(2013, 5, 1, tzinfo=UTC)


def next_strike(text: str) -> datetime:
    return Cron.parse(text).next(NOW)


def window_state(text: str) -> Any:
    return look([Window.parse("deny", text)], NOW)


READERS: list[Callable[[str], Any]] = [next_strike, window_state, Threshold.parse, percent, persists, rate]
PIECES = [
    "*",
    "0",
    "7",
    "59",
    "60",
    "-",
    "/",
    ",",
    " ",
    "%",
    ":",
    "MON",
    "Sun",
    "<=",
    "between",
    " and ",
    "of",
    "per",
    "h",
]


def refusal(reader: Callable[[str], Any], text: str) -> str | None:
    try:
        reader(text)
    except ValueError as error:
        return str(error)
    return None


@pytest.mark.parametrize("reader", READERS)
@given(text=st.lists(st.sampled_from(PIECES), max_size=12).map("".join) | st.text(max_size=20))
def test_any_text_is_read_or_refused_with_a_reason(reader: Callable[[str], Any], text: str) -> None:
    assert refusal(reader, text) != ""


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(
    "text",
    [
        "*" * 100_000,
        ",".join(["*/1"] * 50_000) + " * * * *",
        "0-59/1," * 20_000 + "1 * * * *",
        "Mon," * 50_000 + "Sun 00:00-06:00",
        " " * 100_000,
        "<= " + "9" * 100_000,
        "9" * 100_000 + " per 24h",
        "between " + "1" * 50_000,
        "a " * 50_000,
        "0 0 29 2 * 1",
        "0 0 0 29-30 2 *",
    ],
    ids=lambda text: text[:12],
)
def test_long_texts_are_answered_at_once(reader: Callable[[str], Any], text: str) -> None:
    begun = time.process_time()
    assert len(refusal(reader, text) or "") < 500
    assert time.process_time() - begun < 2


@pytest.mark.parametrize(
    ("kind", "reader"),
    [(Percent, percent), (RateText, rate), (PersistsText, persists), (Measure, Threshold.parse)],
)
@given(text=st.lists(st.sampled_from(PIECES), max_size=8).map("".join))
def test_what_is_read_is_what_the_schema_allows(kind: Any, reader: Callable[[str], Any], text: str) -> None:
    if refusal(reader, text) is None:
        schema = TypeAdapter(kind).json_schema()
        pattern = schema.get("pattern") or schema["anyOf"][0]["pattern"]
        assert re.search(pattern, text)


@pytest.mark.parametrize(("given", "meant"), [(0, 0.0), (1, 1.0), (0.25, 0.25), ("20%", 0.2)])
def test_a_share_is_a_per_cent_or_a_number_up_to_one(given: Any, meant: float) -> None:
    assert percent(given) == meant


@pytest.mark.parametrize("given", [True, 2, -1, 1.5, "1"])
def test_what_is_no_share_is_refused(given: Any) -> None:
    with pytest.raises(ValueError, match="is no share"):
        percent(given)
