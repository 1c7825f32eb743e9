"""Which requests raise which events. Source: Microsoft Learn, event-schema-blob-storage."""

import re
from typing import Any

import pytest

from local.eventgrid.framing import Request, Response
from local.eventgrid.operations import Looked, Write, event_of, ticks, write_of

RAISING = frozenset({"landing"})


def write(method: str, target: str, **headers: str) -> Write | None:
    return write_of(
        Request(method, target, {name.replace("_", "-"): value for name, value in headers.items()}, b""), RAISING
    )


@pytest.mark.parametrize(
    ("method", "target", "headers", "api"),
    [
        ("PUT", "/landing/c/b", {"x_ms_blob_type": "BlockBlob"}, "PutBlob"),
        ("PUT", "/landing/c/b?timeout=5&sig=x", {"x_ms_blob_type": "AppendBlob"}, "PutBlob"),
        ("PUT", "/landing/c/b?comp=blocklist", {}, "PutBlockList"),
        ("PUT", "/landing/c/b", {"x_ms_copy_source": "http://x/y"}, "CopyBlob"),
        ("PUT", "/landing/c/b", {"x_ms_copy_source": "http://x/y", "x_ms_blob_type": "BlockBlob"}, "PutBlob"),
        ("PUT", "/landing/c/b?comp=tier", {}, "SetBlobTier"),
        ("DELETE", "/landing/c/b", {}, "DeleteBlob"),
        ("DELETE", "/landing/c/b", {"x_ms_delete_snapshots": "include"}, "DeleteBlob"),
        ("DELETE", "/landing/c/b", {"x_ms_delete_snapshots": "only"}, None),
        ("DELETE", "/landing/c/b?snapshot=2026", {}, None),
        ("DELETE", "/landing/c/b?versionid=2026", {}, None),
        ("DELETE", "/landing/c?restype=container", {}, None),
        ("PUT", "/landing/c?restype=container", {}, None),
        ("PUT", "/landing/c/b?comp=block&blockid=x", {}, None),
        ("PUT", "/landing/c/b?comp=appendblock", {}, None),
        ("PUT", "/landing/c/b?comp=metadata", {}, None),
        ("PUT", "/landing/c/b?comp=properties", {}, None),
        ("PUT", "/landing/c/b?comp=lease", {}, None),
        ("PUT", "/landing/c/b?comp=page", {}, None),
        ("PUT", "/landing/c/b?comp=tags", {}, None),
        ("GET", "/landing/c/b", {}, None),
        ("PUT", "/hubstorage/c/b", {"x_ms_blob_type": "BlockBlob"}, None),
    ],
)  # fmt: skip
def test_which_operation_a_request_is(method: str, target: str, headers: dict[str, str], api: str | None) -> None:
    found = write(method, target, **headers)
    assert (found.api if found else None) == api


def test_names_are_decoded_for_the_subject_and_encoded_for_the_address() -> None:
    found = write("PUT", "/landing/c/a%20b/%C3%BC+%25.csv", x_ms_blob_type="BlockBlob")
    assert found is not None
    assert found.blob == "a b/ü+%.csv"
    event = event_of(found, Response(201, {"etag": '"0x1"'}, b""), None, 3, 1, "/topic", "http://h")
    assert event["subject"] == "/blobServices/default/containers/c/blobs/a b/ü+%.csv"
    assert event["data"]["url"] == "http://h/landing/c/a%20b/%C3%BC%2B%25.csv"


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, "application/octet-stream"),
        ({"content_type": "text/plain"}, "text/plain"),
        ({"content_type": "text/plain", "x_ms_blob_content_type": "text/csv"}, "text/csv"),
    ],
)
def test_the_type_of_the_content(headers: dict[str, str], expected: str) -> None:
    found = write("PUT", "/landing/c/b", x_ms_blob_type="BlockBlob", **headers)
    assert found is not None
    assert found.content_type == expected


def test_what_was_looked_at_goes_before_what_the_request_said() -> None:
    found = write("PUT", "/landing/c/b?comp=blocklist")
    assert found is not None
    event = event_of(found, Response(201, {}, b""), Looked("text/x", 77, "BlockBlob"), 300, 9, "/t", "http://h")
    assert (event["data"]["contentType"], event["data"]["contentLength"]) == ("text/x", 77)


def test_a_later_write_has_a_greater_sequencer_as_text() -> None:
    found = write("DELETE", "/landing/c/b")
    assert found is not None
    sequencers = [
        event_of(found, Response(202, {}, b""), None, 0, number, "/t", "http://h")["data"]["sequencer"]
        for number in (9, 10, 255, 256, 10**15, 10**18)
    ]
    assert sequencers == sorted(sequencers)


def test_times_have_seven_digits_of_a_second() -> None:
    assert ticks(1_597_339_093_164_726_200) == "2020-08-13T17:18:13.1647262Z"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}Z", ticks(0))


ALL = {"api", "clientRequestId", "requestId", "sequencer", "storageDiagnostics"}
BLOB = ALL | {"contentType", "blobType", "url"}


@pytest.mark.parametrize(
    ("api", "kind", "more", "keys"),
    [
        ("PutBlob", "BlobCreated", {}, BLOB | {"eTag", "contentLength"}),
        ("PutBlockList", "BlobCreated", {}, BLOB | {"eTag", "contentLength"}),
        ("SetBlobTier", "BlobTierChanged", {}, BLOB | {"contentLength"}),
        ("DeleteBlob", "BlobDeleted", {}, BLOB),
        ("DeleteFile", "BlobDeleted", {}, BLOB),
        ("CreateFile", "BlobCreated", {"offset": 0}, BLOB | {"eTag", "contentLength", "contentOffset"}),
        ("FlushWithClose", "BlobCreated", {"offset": 5}, BLOB | {"eTag", "contentLength", "contentOffset"}),
        ("RenameFile", "BlobRenamed", {"source": "/landing/c/a"}, ALL | {"destinationUrl", "sourceUrl"}),
        ("RenameDirectory", "DirectoryRenamed", {"source": "/landing/c/a"}, ALL | {"destinationUrl", "sourceUrl"}),
        ("CreateDirectory", "DirectoryCreated", {}, ALL | {"eTag", "url"}),
        ("DeleteDirectory", "DirectoryDeleted", {}, ALL | {"url", "recursive"}),
    ],
)
def test_what_an_event_tells(api: str, kind: str, more: dict[str, Any], keys: set[str]) -> None:
    """The samples of https://learn.microsoft.com/azure/event-grid/event-schema-blob-storage."""
    write = Write(api, f"Microsoft.Storage.{kind}", "landing", "c", "b", "", client_request_id="q", **more)
    event = event_of(write, Response(201, {"etag": '"0x1"'}, b""), None, 5, 7, "/topic", "http://host")
    assert set(event["data"]) == keys
    assert set(event) == {
        "topic", "subject", "eventType", "id", "data", "dataVersion", "metadataVersion", "eventTime",
    }  # fmt: skip
