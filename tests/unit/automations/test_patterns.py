"""Patterns of paths: what matches and what does not, side by side, and in bounded time whatever the text."""

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.automations.patterns import PathPattern, PatternError

PAIRS = [
    ("flights/{month}/**/*.csv", "flights/2013-01/EWR/01.csv", {"month": "2013-01"}),
    ("flights/{month}/**/*.csv", "flights/2013-01/01.csv", {"month": "2013-01"}),
    ("flights/{month}/**/*.csv", "flights/2013-01/a/b/c/.csv", {"month": "2013-01"}),
    ("flights/{month}/**/*.csv", "flights/01.csv", None),
    ("flights/{month}/**/*.csv", "flights/2013-01/01.csv.gz", None),
    ("flights/{month}/**/*.csv", "old/flights/2013-01/01.csv", None),
    ("flights/{month}/**/*.csv", "Flights/2013-01/01.csv", None),
    ("flights/{month}/_SUCCESS", "flights/2013-01/_SUCCESS", {"month": "2013-01"}),
    ("flights/{month}/_SUCCESS", "flights/2013-01/x/_SUCCESS", None),
    ("a", "a", {}),
    ("a", "a/", None),
    ("a", "ab", None),
    ("a/", "a/", {}),
    ("**", "a", {}),
    ("**", "a/b/c", {}),
    ("a/**", "a/b", {}),
    ("a/**", "a/b/c", {}),
    ("a/**", "a", None),
    ("a/**", "ab/c", None),
    ("**/b", "b", {}),
    ("**/b", "a/b", {}),
    ("**/b", "a/c/b", {}),
    ("**/b", "a/cb", None),
    ("**/_SUCCESS", "_SUCCESS", {}),
    ("**/*.csv", "x.csv", {}),
    ("a/**/b", "a/b", {}),
    ("a/**/b", "a/x/y/b", {}),
    ("a/**/b", "a/b/c", None),
    ("a/**/b/**/c", "a/b/c", {}),
    ("a/**/b/**/c", "a/x/b/y/b/z/c", {}),
    ("a/**/b/**/c", "a/x/c", None),
    ("**/x/**/x/**", "x/x/1", {}),
    ("**/x/**/x/**", "x/1", None),
    ("*", "a", {}),
    ("*", "a/b", None),
    ("a*", "a", {}),
    ("*.csv", ".csv", {}),
    ("*a*b*", "xxaxxbxx", {}),
    ("*a*b*", "xxbxxaxx", None),
    ("*ab", "aab", {}),
    ("*ab*ab", "ab", None),
    ("*ab*ab", "abab", {}),
    ("?", "a", {}),
    ("?", "é", {}),
    ("?", "", None),
    ("?", "ab", None),
    ("???.csv", "EWR.csv", {}),
    ("???.csv", "EW.csv", None),
    ("*?a", "aa", {}),
    ("*?a", "a", None),
    ("{x}", "a", {"x": "a"}),
    ("{x}", "a/b", None),
    ("{x}.csv", ".csv", None),
    ("{x}.csv", "a.b.csv", {"x": "a.b"}),
    ("{x}-{y}", "a-b-c", {"x": "a", "y": "b-c"}),
    ("{x}-{y}", "-b", None),
    ("{x}-{y}", "--b", {"x": "-", "y": "b"}),
    ("{x}{y}", "abc", {"x": "a", "y": "bc"}),
    ("{x}{y}", "a", None),
    ("{x}?", "ab", {"x": "a"}),
    ("{x}*b", "abb", {"x": "a"}),
    ("year={year}/month={month}/*", "year=2013/month=01/x", {"year": "2013", "month": "01"}),
    ("year={year}/month={month}/*", "year=/month=01/x", None),
    ("**/{day}/{carrier}_*.csv", "x/y/07/UA_1.csv", {"day": "07", "carrier": "UA"}),
    ("**/{day}/{carrier}_*.csv", "UA_1.csv", None),
    ("{a}/**/{b}", "1/2", {"a": "1", "b": "2"}),
    ("{a}/**/{b}", "1/x/2", {"a": "1", "b": "2"}),
    ("**/{a}/x/**/{b}", "1/x/2/x/3", {"a": "1", "b": "3"}),
    ("a.c", "abc", None),
    ("a+(b)[c]$^|", "a+(b)[c]$^|", {}),
    ("Zürich/{m}/日本*.csv", "Zürich/März/日本東京.csv", {"m": "März"}),
    ("a b/%20/*", "a b/%20/x", {}),
    ("a/*/", "a/b/", {}),
    ("a/**/", "a/b/", {}),
    ("x//y".replace("//", "/*/"), "x//y", {}),
]


@pytest.mark.parametrize(("pattern", "path", "captured"), PAIRS)
def test_a_path_matches_or_not(pattern: str, path: str, captured: dict[str, str] | None) -> None:
    assert PathPattern.parse(pattern).match(path) == captured


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "1 to 1024 characters"),
        ("x" * 1025, "1 to 1024 characters"),
        ("/a", "no leading"),
        ("a//b", "no leading, doubled"),
        ("a\\b", "backward slash"),
        ("a/../b", "'.' or '..' folder"),
        ("./a", "'.' or '..' folder"),
        ("..", "'.' or '..' folder"),
        ("a**", "stands alone"),
        ("**a/b", "stands alone"),
        ("***", "stands alone"),
        ("{a}/{a}", "each capture stands once"),
        ("{a", "not closed"),
        ("a}", "not closed"),
        ("{}", "not closed"),
        ("{a-b}", "not closed"),
        ("{1a}", "not closed"),
        ("{{a}}", "not closed"),
        ("**/**/**/**/**", "at most 4 times"),
    ],
)
def test_a_pattern_that_cannot_be_meant_is_refused(text: str, said: str) -> None:
    with pytest.raises(PatternError, match=re.escape(said)):
        PathPattern.parse(text)


@pytest.mark.parametrize(
    ("pattern", "captures", "prefix"),
    [
        ("flights/{month}/**/*.csv", {"month"}, "flights/"),
        ("a/b.csv", set(), "a/b.csv"),
        ("{x}-{y}", {"x", "y"}, ""),
        ("*", set(), ""),
    ],
)
def test_a_pattern_knows_its_captures_and_what_paths_begin_with(pattern: str, captures: set[str], prefix: str) -> None:
    parsed = PathPattern.parse(pattern)
    assert (parsed.captures, parsed.literal_prefix) == (captures, prefix)


def test_a_pattern_is_filled_with_captures() -> None:
    pattern = PathPattern.parse("flights/{month}/_SUCCESS")
    assert pattern.fill({"month": "2013-01", "more": "x"}) == "flights/2013-01/_SUCCESS"
    with pytest.raises(KeyError, match="month"):
        pattern.fill({})


HOSTILE = [
    ("*a" * 500 + "b", "a" * 1024),
    ("?" * 1024, "a" * 1024),
    ("*?" * 500, "a" * 1024),
    ("*?a" * 340 + "b", "a" * 1024),
    ("/".join(["*"] * 500), "/".join(["a"] * 500)),
    ("/".join(["a"] * 512), "/".join(["a"] * 512)),
    ("**/a/**/a/**/a/**/b", "a/" * 511 + "a"),
    ("**/" + "a/" * 250 + "b", "a/" * 511 + "a"),
    ("**/*a*a*a/**/*a*a*a/**/*b*", "aaa/" * 255 + "a"),
    ("".join(f"{{n{number}}}" for number in range(170)), "a" * 1024),
    ("a" * 1024, "a" * 1023 + "b"),
]


@pytest.mark.parametrize(("pattern", "path"), HOSTILE, ids=[pattern[:16] for pattern, _ in HOSTILE])
def test_a_hostile_pattern_and_path_end_soon(pattern: str, path: str) -> None:
    parsed = PathPattern.parse(pattern)
    began = time.monotonic()
    parsed.match(path)
    parsed.match("/".join(["aaa"] * 250))
    assert time.monotonic() - began < 2


def as_regex(pattern: str) -> re.Pattern[str]:
    """Say the same slowly, by Python's own backtracking: lazy, first come first served."""
    segments = pattern.split("/")
    text = ""
    for place, segment in enumerate(segments):
        last = place == len(segments) - 1
        if segment == "**":
            text += r"(?:[^/]*(?:/[^/]*)*?)" if last else r"(?:[^/]*/)*?"
            continue
        for token in re.findall(r"\{\w+\}|\*|\?|[^{}*?]", segment):
            if token.startswith("{"):
                text += f"(?P<{token[1:-1]}>[^/]+?)"
            else:
                text += {"*": "[^/]*?", "?": "[^/]"}.get(token, re.escape(token))
        text += "" if last else "/"
    return re.compile(text, re.DOTALL)


NAMES = st.lists(st.sampled_from(["a", "b", "*", "?", "{x}"]), min_size=1, max_size=5).map("".join)
PATTERNS = st.lists(NAMES | st.just("**"), min_size=1, max_size=6).map("/".join)
PATHS = st.lists(st.text("ab", max_size=4), min_size=1, max_size=6).map("/".join)


@settings(max_examples=1500)
@given(PATTERNS, PATHS)
def test_matching_agrees_with_a_regular_expression(pattern: str, path: str) -> None:
    try:
        parsed = PathPattern.parse(pattern)
    except PatternError:
        return
    found = as_regex(pattern).fullmatch(path)
    assert parsed.match(path) == (found.groupdict() if found else None)


@settings(max_examples=300)
@given(st.text(max_size=30), st.text(max_size=30))
def test_any_text_is_a_pattern_or_refused_and_any_path_is_answered(pattern: str, path: str) -> None:
    try:
        parsed = PathPattern.parse(pattern)
    except PatternError:
        return
    captured = parsed.match(path)
    if captured is not None:
        assert PathPattern.parse(parsed.text).match(path) == captured
        assert set(captured) == parsed.captures
        assert path.startswith(parsed.literal_prefix)
        assert path.endswith(parsed.literal_suffix)


@settings(max_examples=300)
@given(PATTERNS, st.text("ab", min_size=1, max_size=3))
def test_a_pattern_without_wildcards_matches_what_it_is_filled_with(pattern: str, value: str) -> None:
    if re.search(r"[*?]", pattern) or pattern.count("{x}") > 1:
        return
    parsed = PathPattern.parse(pattern)
    assert parsed.match(parsed.fill({"x": value})) == ({"x": value} if "{x}" in pattern else {})
