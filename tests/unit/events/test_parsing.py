"""Reading events: spellings, gaps, sizes, hostile names. What is broken is kept apart and costs nothing else."""

import base64
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.events.model import (
    BlobCreated,
    BlobDeleted,
    BlobIncomplete,
    Broken,
    DatasetDriftDetected,
    Event,
    ModelDeployed,
    ModelRegistered,
    RunStatusChanged,
)
from shared.events.parsing import parse, parse_one

NOW = datetime(2026, 1, 1, tzinfo=UTC)
STORAGE = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/landing"
WORKSPACE = "/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/ws"


def blob(path: str = "flights/2013-01/EWR.csv", container: str = "landing", **changes: Any) -> dict[str, Any]:
    data = {"api": "PutBlob", "eTag": "0x8D1", "contentLength": 42, "sequencer": "0A", **changes.pop("data", {})}
    event = {
        "id": "1",
        "topic": STORAGE,
        "subject": f"/blobServices/default/containers/{container}/blobs/{path}",
        "eventType": "Microsoft.Storage.BlobCreated",
        "eventTime": "2013-02-01T00:00:00Z",
        "data": {key: value for key, value in data.items() if value is not ...},
        **changes,
    }
    return {key: value for key, value in event.items() if value is not ...}


def workspace(kind: str, **data: Any) -> dict[str, Any]:
    return {
        "id": "1",
        "source": WORKSPACE,
        "subject": "s",
        "type": f"Microsoft.MachineLearningServices.{kind}",
        "time": "2013-02-01T00:00:00Z",
        "specversion": "1.0",
        "data": data,
    }


def read(item: Any) -> Event:
    (event,) = parse(json.dumps(item), NOW)
    assert isinstance(event, Event), event
    return event


def refused(item: Any) -> str:
    (broken,) = parse(json.dumps(item), NOW)
    assert isinstance(broken, Broken), broken
    assert broken.raw == item or isinstance(broken.raw, str)
    return broken.reason


@pytest.mark.parametrize(
    ("given", "read_as"),
    [("0x8D1", "0x8D1"), ('"0x8D1"', "0x8D1"), ('W/"0x8D1"', "0x8D1"), (' "0x8D1" ', "0x8D1")],
)
@pytest.mark.parametrize("key", ["eTag", "etag", "ETag"])
def test_an_etag_is_bare_however_it_came(key: str, given: str, read_as: str) -> None:
    facts = read(blob(data={"eTag": ..., key: given})).facts
    assert isinstance(facts, BlobCreated)
    assert facts.etag == read_as


@pytest.mark.parametrize("etag", [..., None, "", '""', 'W/""', 7, {}, "x" * 300, "a\0b"])
def test_a_blob_without_a_usable_etag_is_refused(etag: Any) -> None:
    assert "eTag" in refused(blob(data={"eTag": etag}))


@pytest.mark.parametrize(
    ("size", "number"), [(0, 0), ("524288", 524288), (5.0, 5), (..., 0), (None, 0), (2**62, 2**62)]
)
def test_a_size_is_a_number_or_its_text(size: Any, number: int) -> None:
    facts = read(blob(data={"contentLength": size})).facts
    assert isinstance(facts, BlobCreated)
    assert facts.size == number


@pytest.mark.parametrize("size", [-1, True, "²", "٣", "1e3", 1.5, 2**63, 10**40, [], "9" * 5000])
def test_a_size_that_is_none_is_refused(size: Any) -> None:
    assert "contentLength" in refused(blob(data={"contentLength": size}))


@pytest.mark.parametrize("prefix", [str.lower, str.upper, lambda key: key[0].upper() + key[1:], lambda key: key])
@pytest.mark.parametrize(
    ("version", "text"), [(20, "20"), ("20", "20"), ("2013-01", "2013-01"), ("007", "007"), (0, "0")]
)
def test_a_model_version_is_text_whatever_its_spelling(prefix: Any, version: Any, text: str) -> None:
    data = {prefix("modelName"): "delay", prefix("modelVersion"): version, prefix("modelTags"): {"a": 1}}
    assert read(workspace("ModelRegistered", **data)).facts == ModelRegistered("ws", "delay", text, {"a": "1"}, {})


@pytest.mark.parametrize("version", [None, "", True, 1.5, [], {}, "x" * 600, "1\n2"])
def test_a_model_without_a_usable_version_is_refused(version: Any) -> None:
    assert "modelversion" in refused(workspace("ModelRegistered", modelName="delay", modelVersion=version))


@pytest.mark.parametrize("ids", ["a:1, b:2", ["a:1", "b:2"], "a:1,,b:2,"])
def test_deployed_models_are_a_text_or_a_list(ids: Any) -> None:
    assert read(workspace("ModelDeployed", serviceName="s", modelIds=ids)).facts == ModelDeployed(
        "ws", "s", ("a:1", "b:2")
    )


@pytest.mark.parametrize(
    ("given", "number"),
    [
        (0.5, 0.5),
        ("0.5", 0.5),
        (1, 1.0),
        (True, None),
        ("much", None),
        ("nan", None),
        (None, None),
        ([], None),
        (10**400, None),
    ],
)
def test_a_drift_whose_number_cannot_be_read_is_still_a_drift(given: Any, number: float | None) -> None:
    event = parse_one(workspace("DatasetDriftDetected", runId="r", dataDriftName="m", driftCoefficient=given), NOW)
    assert isinstance(event, Event)
    assert event.facts == DatasetDriftDetected("ws", "m", "r", number)


def test_a_breach_is_read_from_tags_of_any_case() -> None:
    tags = {"AzureML_ModelMonitor_Threshold_Breached": "signal has failed", "n": 3, "deep": {"a": [1]}}
    facts = read(workspace("RunStatusChanged", RunId="r", RunStatus="Failed", RunTags=tags)).facts
    assert isinstance(facts, RunStatusChanged)
    assert (facts.status, facts.breach, facts.tags["n"], facts.tags["deep"]) == (
        "failed",
        "signal has failed",
        "3",
        '{"a": [1]}',
    )


@pytest.mark.parametrize("api", ["PutBlob", "PutBlockList", "CopyBlob", "FlushWithClose", "SftpCommit"])
def test_calls_that_leave_a_content_are_creations(api: str) -> None:
    assert isinstance(read(blob(data={"api": api})).facts, BlobCreated)


@pytest.mark.parametrize("api", ["CreateFile", "SftpCreate", "SomethingNew"])
def test_calls_whose_content_follows_are_incomplete(api: str) -> None:
    assert read(blob(data={"api": api})).facts == BlobIncomplete("landing", "landing", "flights/2013-01/EWR.csv", api)


@pytest.mark.parametrize(
    "path",
    [
        "Zürich/März ✈.csv",
        "a b+c&d.csv",
        "100%25/x%2Fy.csv",
        "%2e%2e/x",
        "a//b",
        "日本/東京.csv",
        "e\u0301.csv",
        "é.csv",
        "x" * 1024,
        "dots..in/..names/...",
        "a/b/",
        "{month}/*.csv",
        "?sig=x#y",
        "\u202egnp.csv",
    ],
)
@pytest.mark.parametrize("kind", ["BlobCreated", "BlobDeleted"])
def test_a_path_is_taken_from_the_subject_as_it_is(path: str, kind: str) -> None:
    """The subject names the blob plainly; the url, which is percent-encoded, is for people."""
    facts = read(blob(path, eventType=f"Microsoft.Storage.{kind}")).facts
    assert isinstance(facts, BlobCreated | BlobDeleted)
    assert facts.path == path


@pytest.mark.parametrize(
    "path", ["..", "../x", "a/../b", "a/..", "./a", "a/./b", "a\0b", "a\nb", "\x7f", "x" * 1025, "x" * 5000]
)
@pytest.mark.parametrize("kind", ["BlobCreated", "BlobDeleted"])
def test_a_hostile_path_is_refused_with_its_reason(path: str, kind: str) -> None:
    assert len(refused(blob(path, eventType=f"Microsoft.Storage.{kind}"))) < 400


@pytest.mark.parametrize(
    "subject", ["", "x", "/blobServices/default/containers/c/blobs/", "/blobServices/default/containers//blobs/x"]
)
def test_a_blob_event_whose_subject_names_no_blob_is_refused(subject: str) -> None:
    assert "names no blob" in refused(blob(subject=subject))


@pytest.mark.parametrize("name", ["topic", "id", "subject", "eventType"])
@pytest.mark.parametrize("value", [5, [], {}, True, "a\0b", "x" * 6000])
def test_an_envelope_of_the_wrong_kind_is_refused(name: str, value: Any) -> None:
    assert refused(blob(**{name: value}))


@pytest.mark.parametrize("name", ["id", "subject", "eventType"])
def test_a_missing_field_is_named(name: str) -> None:
    assert f"{name!r}" in refused(blob(**{name: ...}))


def test_a_missing_time_is_the_time_of_arrival() -> None:
    assert read(blob(eventTime=...)).time == NOW


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2013-02-01T00:00:00.1234567Z", datetime(2013, 2, 1, 0, 0, 0, 123456, UTC)),
        ("2013-02-01T00:00:00.123456789+01:00", datetime(2013, 1, 31, 23, 0, 0, 123456, UTC)),
        ("2013-02-01T00:00:00", datetime(2013, 2, 1, tzinfo=UTC)),
    ],
)
def test_a_time_is_utc_to_the_microsecond(text: str, moment: datetime) -> None:
    assert read(blob(eventTime=text)).time == moment


@pytest.mark.parametrize(
    "time", ["yesterday", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", 5, "2013-02-30T00:00:00Z", ""]
)
def test_a_time_that_is_none_is_refused(time: Any) -> None:
    assert "time" in refused(blob(eventTime=time))


@pytest.mark.parametrize("sequencer", ["zz", 7, None, "0" * 200, {}, ""])
def test_a_sequencer_that_orders_nothing_is_left_out(sequencer: Any) -> None:
    facts = read(blob(data={"sequencer": sequencer})).facts
    assert isinstance(facts, BlobCreated)
    assert facts.sequencer == ""


@given(st.integers(0, 16**48 - 1), st.integers(0, 16**48 - 1))
def test_sequencers_compare_as_text_whatever_their_width_and_case(one: int, other: int) -> None:
    def sequencer(number: int, form: str) -> str:
        facts = read(blob(data={"sequencer": format(number, form)})).facts
        assert isinstance(facts, BlobCreated)
        return facts.sequencer

    for form in ("x", "X", "048x"):
        assert (sequencer(one, form) < sequencer(other, "X")) == (one < other)


def cloud(**changes: Any) -> dict[str, Any]:
    event = {"id": "1", "source": "ci", "type": "com.example.pushed", "specversion": "1.0", **changes}
    return {key: value for key, value in event.items() if value is not ...}


def test_any_other_event_is_read_with_its_data() -> None:
    event = read(cloud(data={"branch": "main"}, subject="repo"))
    assert (event.type, event.subject, event.data) == ("com.example.pushed", "repo", {"branch": "main"})


@pytest.mark.parametrize(
    ("value", "data"), [("text", {"value": "text"}), ([1, 2], {"value": [1, 2]}), (None, {}), (0, {"value": 0})]
)
def test_data_that_is_no_object_is_kept_as_a_value(value: Any, data: dict[str, Any]) -> None:
    assert read(cloud(data=value)).data == data


def test_binary_data_of_a_cloud_event_is_read_where_it_is_json() -> None:
    encoded = base64.b64encode(b'{"branch": "main"}').decode()
    assert read(cloud(data_base64=encoded)).data == {"branch": "main"}
    assert read(cloud(data_base64="AAEC")).data == {"base64": "AAEC"}
    assert "base64" in refused(cloud(data_base64="no base64!"))
    assert "base64" in refused(cloud(data_base64=5))
