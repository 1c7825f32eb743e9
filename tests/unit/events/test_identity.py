"""One content has one claim, whichever way and however often it is told; another content has another."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.events.identity import claim, model_claim
from shared.events.model import Event
from shared.events.parsing import parse

NOW = datetime(2026, 1, 1, tzinfo=UTC)
GROUP = "/subscriptions/s/resourceGroups/g/providers"
STORAGE = f"{GROUP}/Microsoft.Storage/storageAccounts/"
WORKSPACE = f"{GROUP}/Microsoft.MachineLearningServices/workspaces/"


def claimed(kind: str, source: str, subject: str, data: dict[str, Any], *, cloud: bool = False, **more: Any) -> str:
    names = ("source", "type", "time") if cloud else ("topic", "eventType", "eventTime")
    event = {
        "id": "1",
        names[0]: source,
        names[1]: kind,
        names[2]: "2013-02-01T00:00:00Z",
        "subject": subject,
        "data": data,
        **({"specversion": "1.0"} if cloud else {}),
        **more,
    }
    (read,) = parse(json.dumps(event), NOW)
    assert isinstance(read, Event), read
    return claim(read)


def blob(
    *,
    account: str = "landing",
    container: str = "c",
    path: str = "p",
    kind: str = "BlobCreated",
    cloud: bool = False,
    event_id: str = "1",
    **data: Any,
) -> str:
    data = {"api": "PutBlob", "eTag": "0x1", "contentLength": 1, "url": "https://x", **data}
    subject = f"/blobServices/default/containers/{container}/blobs/{path}"
    return claimed(f"Microsoft.Storage.{kind}", STORAGE + account, subject, data, cloud=cloud, id=event_id)


def workspace(kind: str, *, name: str = "ws", cloud: bool = False, event_id: str = "1", **data: Any) -> str:
    return claimed(f"Microsoft.MachineLearningServices.{kind}", WORKSPACE + name, "s", data, cloud=cloud, id=event_id)


@pytest.mark.parametrize("cloud", [True, False])
@pytest.mark.parametrize(
    "same",
    [
        {"event_id": "2"},
        {"eTag": '"0x1"'},
        {"url": "https://another"},
        {"sequencer": "0F"},
        {"api": "PutBlockList"},
        {"contentLength": 2},
        {"account": "LANDING"},
    ],
)
def test_one_content_of_a_blob_is_one_claim(same: dict[str, Any], cloud: bool) -> None:
    assert blob(cloud=cloud, **same) == blob()


@pytest.mark.parametrize(
    "other",
    [
        {"eTag": "0x2"},
        {"account": "other"},
        {"container": "d"},
        {"path": "q"},
        {"path": "P"},
        {"path": "p/"},
        {"kind": "BlobDeleted"},
        {"api": "CreateFile"},
    ],
)
def test_another_content_of_a_blob_is_another_claim(other: dict[str, Any]) -> None:
    assert blob(**other) != blob()


@pytest.mark.parametrize("other", [{"container": "a-b", "path": "c"}, {"container": "a", "path": "b/c"}, {"path": "a"}])
def test_names_are_never_mixed_up_with_their_neighbours(other: dict[str, Any]) -> None:
    assert blob(**other) != blob(container="a", path="b-c")


def test_deletions_of_one_blob_are_told_apart_by_their_sequencer() -> None:
    first = blob(kind="BlobDeleted", sequencer="0a")
    assert blob(kind="BlobDeleted", sequencer="000A", event_id="2") == first
    assert blob(kind="BlobDeleted", sequencer="0b") != first
    assert blob(kind="BlobDeleted", event_id="1") != blob(kind="BlobDeleted", event_id="2")


def test_all_that_is_told_of_one_blob_begins_alike() -> None:
    claims = {blob(), blob(eTag="0x2"), blob(kind="BlobDeleted"), blob(api="CreateFile")}
    assert len(claims) == 4
    assert len({one[:20] for one in claims}) == 1


@pytest.mark.parametrize("cloud", [True, False])
def test_a_model_version_is_one_claim_whatever_tells_of_it(cloud: bool) -> None:
    """The hub opens the claim itself after its own registration; the service's event folds into it."""
    known = model_claim("ws", "delay", "20")
    assert workspace("ModelRegistered", cloud=cloud, event_id="9", ModelName="delay", ModelVersion=20) == known
    assert workspace("ModelRegistered", modelName="delay", modelVersion="20", modelTags={"a": "b"}) == known
    assert workspace("ModelRegistered", name="WS", modelName="delay", modelVersion="20") == known
    assert workspace("ModelRegistered", modelName="delay", modelVersion="020") != known
    assert workspace("ModelRegistered", modelName="delay", modelVersion="2") != known
    assert workspace("ModelRegistered", name="other", modelName="delay", modelVersion="20") != known


def test_each_status_of_a_run_is_a_claim_of_its_own() -> None:
    running = workspace("RunStatusChanged", runId="r", runStatus="Running")
    assert workspace("RunStatusChanged", RunId="r", RunStatus="running", event_id="2") == running
    others = {
        workspace("RunStatusChanged", runId="r", runStatus="Failed"),
        workspace("RunStatusChanged", runId="q", runStatus="Running"),
        workspace("RunCompleted", runId="r"),
        workspace("RunStatusChanged", runId="r", runStatus="Running", runTags={
            "azureml_modelmonitor_threshold_breached": "signal one has failed"}),
        workspace("RunStatusChanged", runId="r", runStatus="Running", runTags={
            "azureml_modelmonitor_threshold_breached": "signal two has failed"}),
    }  # fmt: skip
    assert running not in others
    assert len(others) == 5


def test_drift_is_claimed_by_run_and_monitor() -> None:
    drift = workspace("DatasetDriftDetected", RunId="r", DataDriftName="m", DriftCoefficient=0.5)
    assert workspace("DatasetDriftDetected", runId="r", dataDriftName="m", event_id="2") == drift
    assert workspace("DatasetDriftDetected", runId="r", dataDriftName="n") != drift
    assert workspace("DatasetDriftDetected", runId="q", dataDriftName="m") != drift


@pytest.mark.parametrize("cloud", [True, False])
def test_any_other_event_is_known_by_its_source_subject_type_and_id(cloud: bool) -> None:
    known = claimed("pushed", "ci", "repo", {"a": 1}, cloud=True)
    assert claimed("pushed", "ci", "repo", {"a": 2}, cloud=cloud) == known
    for other in (("merged", "ci", "repo"), ("pushed", "cd", "repo"), ("pushed", "ci", "fork")):
        assert claimed(*other, {}, cloud=cloud) != known
    assert claimed("pushed", "ci", "repo", {}, cloud=cloud, id="2") != known


NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="/"), min_size=1, max_size=30).filter(
    lambda name: name not in {".", ".."}
)


@given(NAMES, NAMES, st.text("0123456789ABCDEF", min_size=1, max_size=16), st.booleans())
def test_a_content_has_the_same_claim_in_both_schemas(container: str, path: str, etag: str, quoted: bool) -> None:
    written = f'"{etag}"' if quoted else etag
    known = blob(container=container, path=path, eTag=etag)
    assert blob(container=container, path=path, eTag=written, cloud=True, event_id="another") == known


@given(st.lists(st.tuples(NAMES, NAMES, st.text("0123456789ABCDEF", min_size=1, max_size=6)), min_size=2, unique=True))
def test_different_contents_have_different_claims(contents: list[tuple[str, str, str]]) -> None:
    claims = [blob(container=container, path=path, eTag=etag) for container, path, etag in contents]
    assert len(set(claims)) == len(contents)
