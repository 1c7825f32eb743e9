"""Manifests: what they may look like, what is amiss, and that what is missing is named."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.deciding.manifests import Listed, Manifest, ManifestError, Present, missing, read, told

PATH = "in/2013-01/manifest.json"


@pytest.mark.parametrize(
    ("content", "files"),
    [
        (b'["a.csv", "b.csv"]', [Listed(name="a.csv"), Listed(name="b.csv")]),
        (b'{"files": ["/in/a.csv"]}', [Listed(name="in/a.csv")]),
        (
            b'{"files": [{"Path": "a", "SIZE": "10", "eTag": "W/\\"0x1\\""}]}',
            [Listed(name="a", size=10, etag="0x1")],
        ),
        (b'\xef\xbb\xbf["a"]', [Listed(name="a")]),
        ('[{"name": "Zürich ✈.csv", "size": 0, "rows": 7}]'.encode(), [Listed(name="Zürich ✈.csv", size=0)]),
    ],
)
def test_a_manifest_is_read(content: bytes, files: list[Listed]) -> None:
    assert read(content, PATH).files == tuple(files)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is no JSON"),
        (b"\xff\xfe\x00", "is no JSON"),
        (b"[" * 100_000, "is no JSON"),
        (b"{}", "lists no files"),
        (b"[]", "lists no files"),
        (b'{"files": "a"}', "lists no files"),
        (b'["a", 7]', "file 2 of .* has no name"),
        (b'["../../secret"]', "has no name that can be meant"),
        (b'["a\\u0000b"]', "has no name that can be meant"),
        (b'[{"name": "a", "size": -1}]', "a number of bytes is expected"),
        (b'[{"name": "a", "size": true}]', "a number of bytes is expected"),
        (b'[{"name": "a", "etag": 7}]', "a text is expected"),
        (b'["a"]'.replace(b'"a"', b",".join([b'"a"'] * 100_001)), "at most 100000 are read"),
    ],
)
def test_what_is_no_manifest_says_why(content: bytes, said: str) -> None:
    with pytest.raises(ManifestError, match=said):
        read(content, PATH)


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda x: st.lists(x) | st.dictionaries(
    st.sampled_from(["files", "name", "size", "etag"]), x)))  # fmt: skip
def test_any_json_is_a_manifest_or_refused(value: Any) -> None:
    try:
        found = read(json.dumps(value).encode(), PATH)
    except ManifestError:
        return
    assert found.files


def test_what_is_missing_is_named_with_what_is_amiss() -> None:
    manifest = Manifest(
        path=PATH,
        files=(
            Listed(name="there.csv", size=10, etag="0x1"),
            Listed(name="in/2013-01/by/root.csv"),
            Listed(name="absent.csv"),
            Listed(name="short.csv", size=11),
            Listed(name="other.csv", size=10, etag="0x9"),
        ),
    )
    files = [Present(f"in/2013-01/{name}.csv", 10, "0x1") for name in ("there", "by/root", "short", "other", "more")]
    assert missing([manifest], files) == (
        "absent.csv",
        "short.csv (10 bytes, 11 are listed)",
        "other.csv (etag 0x1, 0x9 is listed)",
    )


def test_a_manifest_that_cannot_be_read_is_never_whole() -> None:
    assert missing([Manifest(path=PATH, problem="it is no JSON")], []) == ("it is no JSON",)


def test_a_reason_names_the_first_of_many() -> None:
    assert told(tuple("abc")) == "a, b, c"
    assert told(tuple(str(n) for n in range(30))) == "0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 20 more"
