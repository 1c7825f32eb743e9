"""What each operator takes and leaves, in pairs; the limits. Source: Microsoft Learn, event-filtering."""

from typing import Any

import pytest

from local.eventgrid.filters import FilterError, read_filter

EVENT = {
    "subject": "/blobServices/default/containers/landing/blobs/2013/a.CSV",
    "eventType": "Microsoft.Storage.BlobCreated",
    "data": {
        "api": "PutBlob",
        "contentLength": 100,
        "flag": True,
        "empty": None,
        "tags": ["Red", "blue"],
        "deep": {"er": {"key": "x"}},
    },
}


def advanced(operator: str, key: str, *values: Any, value: Any = None) -> dict[str, Any]:
    found: dict[str, Any] = {"operatorType": operator, "key": key}
    if values:
        found["values"] = list(values)
    if value is not None:
        found["value"] = value
    return found


def takes(*filters: dict[str, Any], **more: Any) -> bool:
    return read_filter({"advancedFilters": list(filters), **more}).takes(EVENT)


@pytest.mark.parametrize(
    ("taken", "left"),
    [
        (advanced("StringIn", "data.api", "CopyBlob", "putblob"), advanced("StringIn", "data.api", "CopyBlob")),
        (advanced("StringNotIn", "data.api", "CopyBlob"), advanced("StringNotIn", "data.api", "PUTBLOB")),
        (advanced("StringBeginsWith", "subject", "/blobServices/"), advanced("StringBeginsWith", "subject", "blob")),
        (advanced("StringNotBeginsWith", "subject", "x"), advanced("StringNotBeginsWith", "subject", "/BLOB")),
        (advanced("StringEndsWith", "Subject", ".csv"), advanced("StringEndsWith", "Subject", ".cs")),
        (advanced("StringNotEndsWith", "subject", ".txt"), advanced("StringNotEndsWith", "subject", ".csv")),
        (advanced("StringContains", "subject", "landing", "x"), advanced("StringContains", "subject", "scoring")),
        (advanced("StringNotContains", "subject", "scoring"), advanced("StringNotContains", "subject", "Landing")),
        (advanced("NumberIn", "data.contentLength", 1, 100), advanced("NumberIn", "data.contentLength", 1)),
        (advanced("NumberNotIn", "data.contentLength", 1), advanced("NumberNotIn", "data.contentLength", 100)),
        (advanced("NumberGreaterThan", "data.contentLength", value=99),
         advanced("NumberGreaterThan", "data.contentLength", value=100)),
        (advanced("NumberGreaterThanOrEquals", "data.contentLength", value=100),
         advanced("NumberGreaterThanOrEquals", "data.contentLength", value=101)),
        (advanced("NumberLessThan", "data.contentLength", value=101),
         advanced("NumberLessThan", "data.contentLength", value=100)),
        (advanced("NumberLessThanOrEquals", "data.contentLength", value=100),
         advanced("NumberLessThanOrEquals", "data.contentLength", value=99)),
        (advanced("NumberInRange", "data.contentLength", [1, 5], [50, 100]),
         advanced("NumberInRange", "data.contentLength", [1, 99])),
        (advanced("NumberNotInRange", "data.contentLength", [1, 99]),
         advanced("NumberNotInRange", "data.contentLength", [1, 5], [50, 100])),
        (advanced("BoolEquals", "data.flag", value=True), advanced("BoolEquals", "data.flag", value=False)),
        (advanced("IsNullOrUndefined", "data.empty"), advanced("IsNullOrUndefined", "data.api")),
        (advanced("IsNullOrUndefined", "data.missing"), advanced("IsNotNull", "data.missing")),
        (advanced("IsNotNull", "data.api"), advanced("IsNotNull", "data.empty")),
        (advanced("StringIn", "data.deep.er.key", "X"), advanced("StringIn", "data.deep.er.other", "x")),
        (advanced("StringNotIn", "data.missing", "x"), advanced("StringIn", "data.missing", "x")),
        (advanced("NumberNotIn", "data.api", 1), advanced("NumberIn", "data.api", 1)),
    ],
)  # fmt: skip
def test_an_operator_takes_one_and_leaves_the_other(taken: dict[str, Any], left: dict[str, Any]) -> None:
    assert takes(taken)
    assert not takes(left)
    assert not takes(taken, left), "all filters must pass"


def test_arrays_are_looked_into_only_where_that_is_enabled() -> None:
    one = advanced("StringContains", "data.tags", "BLU")
    assert not takes(one)
    assert takes(one, enableAdvancedFilteringOnArrays=True)
    assert not takes(advanced("StringNotContains", "data.tags", "blu"), enableAdvancedFilteringOnArrays=True)


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ({}, True),
        ({"includedEventTypes": ["All"]}, True),
        ({"includedEventTypes": ["microsoft.storage.blobcreated"]}, True),
        ({"includedEventTypes": ["Microsoft.Storage.BlobDeleted"]}, False),
        ({"subjectBeginsWith": "/BLOBservices/"}, True),
        ({"subjectBeginsWith": "/BLOBservices/", "isSubjectCaseSensitive": True}, False),
        ({"subjectEndsWith": ".csv"}, True),
        ({"subjectEndsWith": ".csv", "isSubjectCaseSensitive": True}, False),
        ({"subjectEndsWith": ".CSV", "isSubjectCaseSensitive": True}, True),
    ],
)
def test_types_and_subjects(given: dict[str, Any], taken: bool) -> None:
    assert read_filter(given).takes(EVENT) is taken


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"advancedFilters": [advanced("StringIn", "subject", "x")] * 26}, "26 advanced filters: at most 25"),
        ({"advancedFilters": [advanced("StringIn", "subject", *["x"] * 26)]}, "26 values .* at most 25"),
        ({"advancedFilters": [advanced("StringIn", "subject", "x" * 513)]}, "513 characters, at most 512"),
        ({"advancedFilters": [advanced("Contains", "subject", "x")]}, "'Contains' is unknown"),
        ({"advancedFilters": [advanced("StringIn", "", "x")]}, "has no key"),
        ({"advancedFilters": [advanced("StringIn", "subject")]}, "has no values"),
        ({"advancedFilters": [advanced("NumberLessThan", "data.n")]}, "has no value"),
        ({"advancedFilters": [advanced("NumberIn", "data.n", "1")]}, "cannot compare with '1'"),
        ({"advancedFilters": [advanced("NumberIn", "data.n", True)]}, "cannot compare with True"),
        ({"advancedFilters": [advanced("BoolEquals", "data.n", value=1)]}, "cannot compare with 1"),
        ({"advancedFilters": [advanced("NumberInRange", "data.n", [1])]}, r"cannot compare with \[1\]"),
        ({"subjectStartsWith": "x"}, "unknown keys"),
    ],
)
def test_what_event_grid_refuses_is_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(FilterError, match=message):
        read_filter(given)
