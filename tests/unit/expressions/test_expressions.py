"""Conditions and values: what they may use, what they give, and that none takes long or grows large."""

import contextlib
import time
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.expressions import MAX_LENGTH, VARIABLES, Expression, ExpressionError, Template

EVENT = {"type": "blob-created", "data": {"size": 5, "tags": {"team": "ops"}}}
FILES = [{"path": "a.csv", "size": 5}, {"path": "b.csv", "size": 50}]
SEEN = {"event": EVENT, "files": FILES, "captures": {"month": "2013-01"}, "inputs": {"rows": 3}}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("size(files) > 0 || event.type != 'blob-created'", True),
        ("size(files)", 2),
        ("files.exists(f, f.size > 10)", True),
        ("files.all(f, f.path.endsWith('.csv'))", True),
        ("files.filter(f, f.size > 10).map(f, f.path)", ["b.csv"]),
        ("files.exists(f, files.exists(g, g.size > f.size))", True),
        ("has(event.data.missing)", False),
        ("has(event.data.size) && event.data.size == 5", True),
        ("'team' in event.data.tags", True),
        ("captures.month.startsWith('2013')", True),
        ("captures.month.matches('^[0-9]{4}-[0-9]{2}$')", True),
        ("event.type == 'x' ? 1 : 2", 2),
        ("inputs.rows * 2 + 1", 7),
        ("duration('90s') < duration('2m')", True),
        ("timestamp('2013-02-01T00:00:00Z').getMonth()", 1),
        ("'{[(' + string(1)", "{[(1"),
        ("'files.map(event, event)'", "files.map(event, event)"),
        ("dataset == null", True),
    ],
)
def test_an_expression_gives_its_value(text: str, value: Any) -> None:
    assert Expression.compile(text).evaluate(SEEN) == value


@pytest.mark.parametrize(
    ("text", "used"),
    [
        ("1", set()),
        ("size(files) > 0 || event.type == 'dataset'", {"files", "event"}),
        ("files.map(f, f.path)", {"files"}),
        ("events.exists(e, e.type == captures.kind)", {"events", "captures"}),
    ],
)
def test_an_expression_knows_what_it_uses(text: str, used: set[str]) -> None:
    assert Expression.compile(text).variables == used


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no CEL expression"),
        ("size(", "no CEL expression"),
        ("event.type = 'x'", "no CEL expression"),
        ("evnt.type == 'x'", "evnt, which is no variable"),
        ("__import__('os')", "calls __import__"),
        ("open('/etc/passwd')", "calls open"),
        ("files.length() > 0", "calls length"),
        ("event.type.startswith('a')", "did you mean startsWith"),
        ("files.exist(f, true)", "did you mean exists"),
        ("files.map(event, event.type)", "binds event"),
        ("files.map(dataset, 1) == [] && dataset.name == 'x'", "binds dataset"),
        ("1 + " * 2000 + "1", "at most 4000"),
        ("(" * 41 + "1" + ")" * 41, "deeper than 40"),
        ("[1].map(a, [1].map(b, [1].map(c, c)))", "3 macros in one another"),
        ("['a']" + ".map(x, x + x)" * 20, "times as large"),
        ("['a'].map(x, " + "+".join(["x"] * 150) + ").map(x, " + "+".join(["x"] * 150) + ")", "times as large"),
        ("9" * 50, "no CEL expression"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_it_runs(text: str, said: str) -> None:
    with pytest.raises(ExpressionError, match=said):
        Expression.compile(text)


def test_a_variable_that_is_not_known_here_is_refused_by_name() -> None:
    with pytest.raises(ExpressionError, match="uses dataset, which is not known here; known: event, files"):
        Expression.compile("dataset.name == 'x'", {"event", "files"})


@pytest.mark.parametrize(
    "text",
    [
        "event.data.missing",
        "files[7]",
        "1 / 0",
        "event.type + 1",
        "captures.year",
        "int('x')",
        "dataset.name",
        "event.type < 1",
        "9223372036854775807 + 1",
        "timestamp('x')",
        "'x'.matches('(')",
        "event()",
        "files.map(f, f.nothing)",
    ],
)
def test_a_value_that_is_not_there_is_an_error_with_the_expression_in_it(text: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        Expression.compile(text).evaluate(SEEN)
    assert text in str(caught.value)


@pytest.mark.parametrize("text", ["size(files)", "'true'", "null", "[]", "event.type"])
def test_a_condition_gives_true_or_false_and_nothing_else(text: str) -> None:
    with pytest.raises(ExpressionError, match="a condition gives true or false"):
        Expression.compile(text).holds(SEEN)


@pytest.mark.parametrize(
    "text",
    [
        "!" * 3990 + "true",
        "-" * 3990 + "1",
        "1" + "+1" * 1990,
        "event" + ".a" * 1900,
        "event" + "[0]" * 1300,
        "true?1:" * 500 + "1",
        "files" + ".map(x, x)" * 350,
        "1" + " in [1]" * 500,
        "'a'.matches('(a{1000}){1000}')",
        "'" + "a" * 3000 + "'.matches('(a+)+$')",
        "'" * 3000,
        '"' * 3999,
        "r'" * 1900,
        "'''" * 1200,
        "files.map(" * 350,
    ],
    ids=lambda text: text[:16],
)
def test_a_huge_expression_ends_soon_whatever_it_is(text: str) -> None:
    assert len(text) <= MAX_LENGTH
    began = time.monotonic()
    with contextlib.suppress(ExpressionError):
        Expression.compile(text).evaluate(SEEN)
    assert time.monotonic() - began < 5


def test_macros_in_one_another_do_not_run_over_very_long_lists() -> None:
    expression = Expression.compile("files.all(f, files.exists(g, g == f))")
    assert expression.holds({"files": [1, 2, 3]}) is True
    began = time.monotonic()
    with pytest.raises(ExpressionError, match="steps"):
        expression.holds({"files": [0] * 100_000})
    with pytest.raises(ExpressionError, match="steps"):
        expression.evaluate({"files": [], "event": {"data": {"deep": [[0] * 100_000]}}})
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("plain", "plain"),
        ("", ""),
        ("${{ files }}", FILES),
        ("  ${{ inputs.rows }} ", 3),
        ("month ${{ captures.month }}: ${{ size(files) }} files", "month 2013-01: 2 files"),
        ("${{ captures.month }}${{ inputs.rows }}", "2013-013"),
        ("${{ size(files) > 0 }}", True),
        ("is ${{ size(files) > 0 }}", "is true"),
        ("paths ${{ files.map(f, f.path) }}", 'paths ["a.csv", "b.csv"]'),
        ("at ${{ timestamp('2013-02-01T00:00:00Z') }}", "at 2013-02-01T00:00:00+00:00"),
        ("none: ${{ dataset }}", "none: null"),
        ("${{ 'a}}b' }}", "a}}b"),
        ("${{ {'a': {'b': 1} } }}", {"a": {"b": 1}}),
        ("costs $5 {not this}", "costs $5 {not this}"),
        ("${{ 'é' }}/日本", "é/日本"),
    ],
)
def test_a_template_gives_the_value_or_the_text_with_values_in_it(text: str, value: Any) -> None:
    assert Template.parse(text).render(SEEN) == value


@pytest.mark.parametrize(
    "text", ["${{ files", "a ${{ b", "${{ ${{ files }}", "${{ }}", "${{ nothing }}", "x ${{ 1 + }} y", "${{ 'a }}"]
)
def test_a_template_with_a_broken_expression_is_refused(text: str) -> None:
    with pytest.raises(ExpressionError):
        Template.parse(text)


def test_a_template_names_its_expressions() -> None:
    assert Template.parse("${{ files }} and ${{ size(files) }}").expressions == ("files", "size(files)")


def test_a_time_in_a_value_is_iso_text() -> None:
    moment = datetime(2013, 2, 1, tzinfo=UTC)
    assert (
        Template.parse("from ${{ event.time }}").render({"event": {"time": moment}}) == "from 2013-02-01T00:00:00+00:00"
    )


PIECES = st.sampled_from(
    [
        *VARIABLES,
        "size(",
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        ".",
        ",",
        "+",
        "-",
        "!",
        "&&",
        "||",
        "?",
        ":",
        "'",
        '"',
        "x",
        "1",
        "1.5",
        "'a'",
        ".map(x, ",
        ".exists(y, ",
        "has(",
        " in ",
        "==",
        "<",
        "\\",
        "\n",
        "//",
        "r'",
        "null",
        "true",
        "9223372036854775807",
        "timestamp(",
    ]
)


@settings(max_examples=400)
@given(st.lists(PIECES, max_size=15).map("".join) | st.text(max_size=40))
def test_any_text_compiles_or_is_refused_and_ends(text: str) -> None:
    with contextlib.suppress(ExpressionError):
        Expression.compile(text).evaluate(SEEN)


@settings(max_examples=200)
@given(st.text(max_size=40) | st.lists(PIECES | st.sampled_from(["${{", "}}"]), max_size=10).map("".join))
def test_any_template_renders_or_is_refused(text: str) -> None:
    with contextlib.suppress(ExpressionError):
        assert Template.parse(text).render(SEEN) is not ...
