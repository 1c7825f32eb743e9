"""What is broken is kept apart with its reason, whatever it is, and costs no other event."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.events.model import BlobCreated, Broken, Event
from shared.events.parsing import MAX_EVENT, MAX_KEPT, parse, parse_one

NOW = datetime(2026, 1, 1, tzinfo=UTC)
STORAGE = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/landing"
WORKSPACE = "/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/ws"


def blob(path: str) -> dict[str, Any]:
    return {
        "id": "1",
        "topic": STORAGE,
        "subject": f"/blobServices/default/containers/landing/blobs/{path}",
        "eventType": "Microsoft.Storage.BlobCreated",
        "eventTime": "2013-02-01T00:00:00Z",
        "data": {"api": "PutBlob", "eTag": "0x8D1", "contentLength": 42},
    }


def cloud(**changes: Any) -> dict[str, Any]:
    return {"id": "1", "source": "ci", "type": "com.example.pushed", "specversion": "1.0", **changes}


def test_an_event_of_a_megabyte_is_read_and_a_larger_one_refused() -> None:
    size = MAX_EVENT - len(json.dumps([cloud(data={"text": ""})]))
    whole = json.dumps([cloud(data={"text": "x" * size})])
    assert len(whole) == MAX_EVENT
    (event,) = parse(whole, NOW)
    assert isinstance(event, Event)
    assert event.data["text"] == "x" * size
    (broken, good) = parse(json.dumps([cloud(data={"text": "x" * (size + 50)}), cloud()]), NOW)
    assert isinstance(broken, Broken)
    assert "1048" in broken.reason
    assert len(broken.raw) == MAX_KEPT
    assert isinstance(good, Event)


BROKEN_PIECES = [
    b'{"id": 1e400}',
    b'{"id": "\\ud800"}',
    b'{"id": "\xff"}',
    b'{"id": NaN}',
    b"{'id': 1}",
    b'{"id": "a" "b"}',
    b"nonsense",
    b"{]",
    b'{"a": ' * 2000 + b"1" + b"}" * 2000,
    b'{"n": ' + b"9" * 5000 + b"}",
    b"5",
    b"null",
    b"[]",
    b'"text"',
    b"true",
    b"{}",
    b'{"a": "\x01"}',
    json.dumps(blob("..")).encode(),
    b'{"id":"1","source":"s","type":"t","specversion":"1.0","data":' + b"[" * 100 + b"]" * 100 + b"}",
]


@pytest.mark.parametrize("piece", BROKEN_PIECES, ids=lambda piece: piece[:24].decode("latin1"))
def test_a_broken_event_is_kept_apart_and_costs_no_other(piece: bytes) -> None:
    good = [json.dumps(blob(f'{n}/[a],{{b}} "q"\\.csv')).encode() for n in range(3)]
    read_back = parse(b" [\n" + b" , ".join([good[0], piece, good[1], good[2]]) + b" ] ", NOW)
    assert [type(item) for item in read_back] == [Event, Broken, Event, Event]
    assert [
        item.facts.path[0] for item in read_back if isinstance(item, Event) and isinstance(item.facts, BlobCreated)
    ] == ["0", "1", "2"]
    assert next(item.reason for item in read_back if isinstance(item, Broken))


def test_what_was_cut_off_is_kept_and_the_events_before_it_are_read() -> None:
    body = json.dumps([blob("a"), blob("b")])[:-30]
    first, rest = parse(body, NOW)
    assert isinstance(first, Event)
    assert isinstance(rest, Broken)
    assert rest.raw.startswith('{"id"')


@pytest.mark.parametrize(
    "body", [b"", b"  ", b"[", b"[,]", b"]", b"nonsense", b"\xff\xfe", "\ud800", b'"', b"{", b"[[", b"[}"]
)
def test_a_body_that_is_nothing_is_one_broken_event(body: bytes | str) -> None:
    assert [type(item) for item in parse(body, NOW)] == [Broken]


def test_a_byte_order_mark_is_no_part_of_the_events() -> None:
    (event,) = parse(b"\xef\xbb\xbf" + json.dumps([blob("a")]).encode(), NOW)
    assert isinstance(event, Event)


def test_an_empty_list_holds_no_event() -> None:
    assert parse(b"[]", NOW) == []


def test_an_array_in_an_array_is_one_broken_event() -> None:
    (broken,) = parse(json.dumps([[blob("a")]]), NOW)
    assert isinstance(broken, Broken)


def test_hostile_bodies_are_read_in_time_that_grows_with_their_size() -> None:
    for body in (b"[" * 500_000, b"{" * 500_000, b'["' + b"\\" * 500_001, b"[" + b"x," * 250_000, b'"' * 500_001):
        began = datetime.now(UTC)
        assert parse(body, NOW)
        assert (datetime.now(UTC) - began).total_seconds() < 10


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
KEYS = (
    st.sampled_from(
        [
            "id",
            "topic",
            "source",
            "subject",
            "type",
            "eventType",
            "eventTime",
            "time",
            "specversion",
            "data",
            "data_base64",
            "eTag",
            "etag",
            "api",
            "sequencer",
            "contentLength",
            "ModelName",
            "modelVersion",
            "RunId",
            "runStatus",
            "runTags",
            "DriftCoefficient",
            "DataDriftName",
            "ServiceName",
            "modelIds",
            "contentType",
        ]
    )
    | TEXTS
)
WORDS = (
    st.sampled_from(
        [
            STORAGE,
            WORKSPACE,
            "Microsoft.Storage.BlobCreated",
            "Microsoft.Storage.BlobDeleted",
            "PutBlob",
            "1.0",
            "0x1",
            *(
                f"Microsoft.MachineLearningServices.{kind}"
                for kind in (
                    "ModelRegistered",
                    "ModelDeployed",
                    "RunCompleted",
                    "RunStatusChanged",
                    "DatasetDriftDetected",
                )
            ),
            "/blobServices/default/containers/c/blobs/x",
            "2013-01-01T00:00:00Z",
            "0001-01-01T00:00:00+14:00",
        ]
    )
    | TEXTS
)
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | WORDS
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=6), max_leaves=20
)
ENVELOPES = st.fixed_dictionaries(
    {"id": WORDS, "topic": WORDS, "source": WORDS, "subject": WORDS, "eventType": WORDS, "type": WORDS, "data": VALUES},
    optional={"specversion": LEAVES, "eventTime": LEAVES, "time": LEAVES, "data_base64": LEAVES},
)


@settings(max_examples=400)
@given(VALUES | ENVELOPES | st.lists(ENVELOPES, max_size=4))
def test_no_json_makes_parsing_raise_or_lose_an_event(value: Any) -> None:
    body = json.dumps(value)
    items = parse(body, NOW)
    assert len(items) == (len(value) if isinstance(value, list) else 1)
    assert all(isinstance(item, Event | Broken) for item in items)
    assert parse(body.encode(), NOW) == items


@settings(max_examples=300)
@given(VALUES | ENVELOPES)
def test_nothing_in_memory_makes_reading_one_event_raise(value: Any) -> None:
    assert isinstance(parse_one(value, NOW), Event | Broken)


@settings(max_examples=300)
@given(st.binary(max_size=200) | st.text(max_size=200))
def test_no_bytes_make_parsing_raise(body: bytes | str) -> None:
    assert all(isinstance(item, Event | Broken) for item in parse(body, NOW))


@settings(max_examples=200)
@given(st.lists(st.booleans(), min_size=1, max_size=8), st.data())
def test_good_events_survive_any_broken_neighbours(pattern: list[bool], data: st.DataObject) -> None:
    parts = [
        json.dumps(blob(f"{place}.csv")).encode() if good else data.draw(st.sampled_from(BROKEN_PIECES))
        for place, good in enumerate(pattern)
    ]
    items = parse(b"[" + b",".join(parts) + b"]", NOW)
    assert [isinstance(item, Event) for item in items] == pattern
