"""What tables of a laptop name: files, folders and patterns; and what is refused, with the reason."""

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from local.azureml.tables import Tables, check
from local.azureml.uris import Place, place_of
from local.azureml.wire import ArmError

BLOBS = ("t/near/a.csv", "t/near/b.txt", "in/2013/01/x.csv", "in/2013/02/y.csv", "in/2013/z.CSV", "in/[1].csv")
FOLDER = Place("landing", "landing", "t")


class Storage:
    """A container of names."""

    def __init__(self, table: str | None) -> None:
        self.table, self.taken = table, dict[str, Place]()

    async def read(self, place: Place) -> bytes | None:
        assert place == Place("landing", "landing", "t/MLTable")
        return self.table.encode() if self.table is not None else None

    def url(self, place: Place) -> str:
        return f"{place.container}/{place.path}"

    async def names(self, place: Place) -> AsyncIterator[tuple[str, int]]:
        for name in BLOBS:
            if name.startswith(f"{place.path}/" if place.path else ""):
                yield name, 1

    async def download_files(self, places: Mapping[str, Place], target: Path) -> None:
        self.taken = dict(places)


class Resolver:
    """One datastore, one account."""

    def place(self, text: str) -> Place:
        return place_of(text, lambda name: Place("landing", name, ""), {"landing": 1})


async def evaluated(table: str | None) -> dict[str, str]:
    storage: Any = Storage(table)
    resolver: Any = Resolver()
    await Tables(storage, resolver).evaluate(FOLDER, Path())
    return {name: place.path for name, place in storage.taken.items()}


@pytest.mark.parametrize(
    ("path", "seen"),
    [
        ("file: ./near/a.csv", {"near/a.csv": "t/near/a.csv"}),
        ("file: near/a.csv", {"near/a.csv": "t/near/a.csv"}),
        ("folder: ./near", {"near/a.csv": "t/near/a.csv", "near/b.txt": "t/near/b.txt"}),
        ("pattern: ./near/*.txt", {"near/b.txt": "t/near/b.txt"}),
        ("pattern: ./*/?.csv", {"near/a.csv": "t/near/a.csv"}),
        ("file: azureml://datastores/in-put/paths/in/2013/z.CSV", {"in-put/in/2013/z.CSV": "in/2013/z.CSV"}),
        ("file: 'azureml://datastores/d/paths/in/[1].csv'", {"d/in/[1].csv": "in/[1].csv"}),
        (
            "pattern: azureml://datastores/d/paths/in/**/*.csv",
            {f"d/{name}": name for name in ("in/2013/01/x.csv", "in/2013/02/y.csv", "in/[1].csv")},
        ),
        ("pattern: azureml://datastores/d/paths/in/2013/0[12]/*", {f"d/{name}": name for name in BLOBS[2:4]}),
        ("pattern: azureml://datastores/d/paths/in/2013/0[!1]/*", {f"d/{BLOBS[3]}": BLOBS[3]}),
        ("pattern: azureml://datastores/d/paths/in/2013/z.CSV", {"d/in/2013/z.CSV": "in/2013/z.CSV"}),
        (
            "file: wasbs://box@landing.blob.core.windows.net/in/2013/z.CSV",
            {"landing/box/in/2013/z.CSV": "in/2013/z.CSV"},
        ),
    ],
)
async def test_what_a_path_names(path: str, seen: dict[str, str]) -> None:
    assert await evaluated(f"$schema: x\ntype: mltable\npaths:\n  - {path}\n") == seen


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (None, "which makes a folder an mltable"),
        (
            "paths: [{file: ./a}]\ntransformations: [{read_delimited: {}}, take]",
            "transformations (read_delimited, take)",
        ),
        ("paths: [{file: ./a}]\ntraits: {}", "has traits, which a laptop does not know"),
        ("paths: [{pattern: ./*.csv}]", "What the table's pattern './*.csv' names"),
        ("paths: [{folder: ./none}]", "What the table's folder './none' names"),
        ("paths: [{file: ../../a}]", "leads out of the table's folder"),
        ("paths: [{file: /etc/passwd}]", "leads out of the table's folder"),
        ("paths: [{file: file:///etc/passwd}]", "is of no storage that this laptop has"),
        ("paths: [{link: ./a}]", "one of file, folder, pattern, not 'link'"),
        ("paths: [{file: ./a, folder: ./b}]", "one of file, folder, pattern with an address"),
        ("paths: [a]", "one of file, folder, pattern with an address"),
        ("paths: []", "has no paths"),
        ("paths: {}", "has no paths"),
        ("paths: a", "is no MLTable"),
        ("- a", "is no MLTable"),
        ("", "is no MLTable"),
        ("a: [", "is no YAML"),
    ],
)
async def test_what_cannot_be_evaluated_is_refused(table: str | None, said: str) -> None:
    with pytest.raises(ArmError) as refused:
        await evaluated(table)
    assert said in refused.value.message


def test_modes_that_evaluate_are_for_tables() -> None:
    check("data", {"jobInputType": "mltable", "mode": "EvalMount"})
    check("data", {"jobInputType": "uri_folder", "mode": "ReadOnlyMount"})
    with pytest.raises(ArmError):
        check("data", {"jobInputType": "uri_folder", "mode": "EvalDownload"})
