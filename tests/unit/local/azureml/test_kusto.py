"""The part of KQL that a laptop understands, and that the rest is refused."""

from typing import Any

import pytest

from local.azureml.kusto import QueryError, run

ROWS = [
    {"At": "2013-05-01T00:00:00Z", "Name": "blue", "Code": 200, "Took": 10.0},
    {"At": "2013-05-01T00:01:00Z", "Name": "blue", "Code": 500, "Took": 30.0},
    {"At": "2013-05-01T00:02:00Z", "Name": "green", "Code": 200, "Took": 50.0},
]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("T | count", [{"Count": 3}]),
        ("T | where Name == 'green' | count", [{"Count": 1}]),
        ('T | where Code >= 500 or Name =~ "GREEN" | summarize n = count()', [{"n": 2}]),
        (
            "T | where At between (datetime(2013-05-01T00:01:00Z) .. datetime(2013-05-01T00:02:00Z)) | count",
            [{"Count": 2}],
        ),
        ("T\n| where not(Name has 'blue') // but green\n| project Took", [{"Took": 50.0}]),
        ("T | summarize value = todouble(1) + 1 by Name", None),
        (
            "T | summarize bad = countif(Code == 500), most = max(Took), p = percentile(Took, 50) by Name",
            [{"Name": "blue", "bad": 1, "most": 30.0, "p": 10.0}, {"Name": "green", "bad": 0, "most": 50.0, "p": 50.0}],
        ),
        ("T | where Name == 'red' | summarize n = count(), mean = avg(Took)", [{"n": 0, "mean": None}]),
        ("T | extend half = Took / 2 - 1 | where half > 10 and half < 20 | project half", [{"half": 14.0}]),
        ("T | extend x = Took / 0 | where x > 1 | count", [{"Count": 0}]),
        ("T | take 1 | project Name", [{"Name": "blue"}]),
        ("T | summarize avg(Took)", [{"avg_": 30.0}]),
    ],
)
def test_queries(query: str, expected: list[dict[str, Any]] | None) -> None:
    if expected is None:
        with pytest.raises(QueryError, match="'todouble' is no aggregation"):
            run(query, {"T": ROWS})
    else:
        assert run(query, {"T": ROWS}) == expected


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("U | count", "'U' is no table here; known: T"),
        ("T | where Nam == 'x'", "Failed to resolve column named 'Nam'"),
        ("T | render timechart", "'render' is no operator"),
        ("T | where Name == ", "ends too early"),
        ("T | where (Code > 1", "')' is expected, not 'the end'"),
        ("T | extend x = parse_json(Name)", "'parse_json' is no function"),
        ("T where", "'where' is not expected here"),
        ("T | where Name == `x`", "is not understood"),
        ("", "a name is expected"),
    ],
)
def test_what_is_not_understood_is_refused(query: str, said: str) -> None:
    with pytest.raises(QueryError) as caught:
        run(query, {"T": ROWS})
    assert said in str(caught.value)
