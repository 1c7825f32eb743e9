"""Weekly windows: what they cover, when that changes, and the nights on which the clock is put forward or back."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.deciding.windows import DAYS, Window, WindowError, instant, look, zone_of

MOMENTS = st.datetimes(datetime(2013, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC)).map(
    lambda time: time.replace(microsecond=0)
)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "days", "start", "end"),
    [
        ("Sun 00:00-06:00", (6,), 0, 360),
        ("Mon-Fri 22:00-06:00", (0, 1, 2, 3, 4), 1320, 360),
        ("Sat,Sun 00:00-24:00", (5, 6), 0, 1440),
        ("fri-mon 1:30 - 2:00", (0, 4, 5, 6), 90, 120),
        ("22:00-06:00", tuple(range(7)), 1320, 360),
    ],
)
def test_a_window_is_read_from_text(text: str, days: tuple[int, ...], start: int, end: int) -> None:
    window = Window.parse("deny", text)
    assert (window.days, window.start, window.end) == (days, start, end)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sometimes", "is no window"),
        ("Sunday 00:00-06:00", "is no day"),
        ("Sun 00:00-25:00", "is no time of day"),
        ("Sun 00:61-02:00", "is no time of day"),
        ("Sun 03:00-03:00", "begins when it ends"),
        ("Sun 24:00-03:00", "23:59"),
        ("Mon-Tue-Wed 01:00-02:00", "is no day"),
    ],
)
def test_a_window_that_cannot_be_meant_is_refused_with_what_is_expected(text: str, expected: str) -> None:
    with pytest.raises(WindowError, match=expected):
        Window.parse("deny", text)


def test_an_unknown_zone_is_refused() -> None:
    with pytest.raises(WindowError, match="no time zone"):
        Window.parse("deny", "Sun 00:00-06:00", "Europe/Nowhere")


@pytest.mark.parametrize(
    ("kind", "text", "now", "is_open", "until"),
    [
        ("deny", "Sun 00:00-06:00", "2013-02-03T05:59:59", False, "2013-02-03T06:00:00"),
        ("deny", "Sun 00:00-06:00", "2013-02-03T06:00:00", True, "2013-02-10T00:00:00"),
        ("allow", "Mon-Fri 22:00-06:00", "2013-02-02T05:00:00", True, "2013-02-02T06:00:00"),
        ("allow", "Mon-Fri 22:00-06:00", "2013-02-02T23:00:00", False, "2013-02-04T22:00:00"),
        ("deny", "Mon-Sun 00:00-24:00", "2013-02-02T23:00:00", False, None),
    ],
)
def test_a_window_says_whether_it_is_open_and_until_when(
    kind: str, text: str, now: str, is_open: bool, until: str | None
) -> None:
    state = look([Window.parse("allow" if kind == "allow" else "deny", text)], utc(now))
    assert (state.open, state.until) == (is_open, utc(until) if until else None)
    assert is_open or state.windows


def test_a_closed_window_says_what_closes_it() -> None:
    allow, deny = Window.parse("allow", "Mon 00:00-06:00"), Window.parse("deny", "Sun 00:00-06:00")
    assert look([allow], utc("2013-02-05T12:00")).windows == ("outside of allow Mon 00:00-06:00 UTC",)
    assert look([deny], utc("2013-02-03T01:00")).windows == ("deny Sun 00:00-06:00 UTC",)
    assert look([allow, deny], utc("2013-02-04T01:00")).windows == ("allow Mon 00:00-06:00 UTC",)


def test_deny_wins_over_allow_and_the_opening_is_after_both() -> None:
    windows = [Window.parse("allow", "20:00-08:00"), Window.parse("deny", "Sun 00:00-24:00")]
    state = look(windows, utc("2013-02-02T23:59:59"))
    assert state.open
    assert state.until == utc("2013-02-03T00:00:00")
    state = look(windows, utc("2013-02-03T21:00:00"))
    assert (state.open, state.until) == (False, utc("2013-02-04T00:00:00"))


@pytest.mark.parametrize(
    ("text", "now", "is_open", "until"),
    [
        # 31 March 2013: Berlin's clock goes from 02:00 to 03:00. The span of an hour that never comes is empty.
        ("Sun 02:15-02:45", "2013-03-31T00:59:59", True, "2013-04-07T00:15:00"),
        # A span that begins in the hour that never comes begins with the leap.
        ("Sun 02:30-04:00", "2013-03-31T00:30:00", True, "2013-03-31T01:00:00"),
        ("Sun 02:30-04:00", "2013-03-31T01:00:00", False, "2013-03-31T02:00:00"),
        # 27 October 2013: 02:00 to 03:00 comes twice; the span covers both, without a gap.
        ("Sun 02:00-03:00", "2013-10-27T00:30:00", False, "2013-10-27T02:00:00"),
        ("Sun 02:00-03:00", "2013-10-27T01:30:00", False, "2013-10-27T02:00:00"),
        ("Sun 02:30-03:00", "2013-10-27T01:10:00", False, "2013-10-27T02:00:00"),
        ("Sun 01:00-02:30", "2013-10-27T01:10:00", False, "2013-10-27T01:30:00"),
    ],
)
def test_the_nights_of_summer_time(text: str, now: str, is_open: bool, until: str) -> None:
    state = look([Window.parse("deny", text, "Europe/Berlin")], utc(now))
    assert (state.open, state.until) == (is_open, utc(until))


def test_a_clock_that_leaps_gives_the_leap() -> None:
    assert instant(datetime(2013, 3, 31, 2, 30), zone_of("Europe/Berlin")) == utc("2013-03-31T01:00:00")
    assert instant(datetime(2013, 10, 27, 2, 30), zone_of("Europe/Berlin"), last=True) == utc("2013-10-27T01:30:00")


@given(
    now=MOMENTS,
    days=st.sets(st.integers(0, 6), min_size=1),
    start=st.integers(0, 1439),
    length=st.integers(1, 1440),
)
def test_in_a_zone_without_summer_time_a_window_is_what_the_clock_shows(
    now: datetime, days: set[int], start: int, length: int
) -> None:
    end = start + length if start + length <= 1440 else start + length - 1440
    if end == start:
        return
    window = Window.parse(
        "deny",
        f"{','.join(DAYS[day] for day in days)} {start // 60:02}:{start % 60:02}-{end // 60:02}:{end % 60:02}",
    )
    minute = now.hour * 60 + now.minute
    if start < end:
        inside = now.weekday() in days and start <= minute < end
    else:
        yesterday = (now.weekday() - 1) % 7
        inside = (now.weekday() in days and minute >= start) or (yesterday in days and minute < end)
    assert look([window], now).open != inside


@given(
    now=MOMENTS,
    texts=st.lists(
        st.sampled_from(["deny Sun 00:00-06:00", "allow Mon-Fri 22:00-06:00", "deny 02:10-02:50", "allow 00:00-23:00"]),
        min_size=1,
        unique=True,
    ),
    zone=st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata"]),
)
def test_nothing_changes_before_the_time_that_is_named_and_it_changes_then(
    now: datetime, texts: list[str], zone: str
) -> None:
    windows = [
        Window.parse("deny" if text.startswith("deny") else "allow", text.split(" ", 1)[1], zone) for text in texts
    ]
    state = look(windows, now)
    if state.until is None:
        return
    assert look(windows, state.until).open != state.open
    for part in range(20):
        between = now + (state.until - now) * part / 20
        assert look(windows, between).open == state.open
    assert look(windows, state.until - timedelta(microseconds=1)).open == state.open
