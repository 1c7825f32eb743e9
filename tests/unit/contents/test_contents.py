"""Frozen contents come out as they went in, or not at all."""

import io
import zipfile
from pathlib import Path

import pytest

from shared.automations.loading import content_hash
from shared.contents import pack, unpack

FILES = {"automation.yml": b"name: a\n", "jobs/train.yml": b"command: python train.py\n"}


def test_what_was_kept_comes_out_again(tmp_path: Path) -> None:
    unpack(pack(FILES), tmp_path / "out", content_hash(FILES))
    assert {name: (tmp_path / "out" / name).read_bytes() for name in FILES} == FILES


def test_the_same_files_give_the_same_bytes() -> None:
    assert pack(FILES) == pack(dict(reversed(FILES.items())))


def test_a_content_that_was_altered_is_refused(tmp_path: Path) -> None:
    altered = {**FILES, "jobs/train.yml": b"command: python steal.py\n"}
    with pytest.raises(ValueError, match="it was altered"):
        unpack(pack(altered), tmp_path / "out", content_hash(FILES))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["../outside.yml", "jobs/../../outside.yml", "/outside.yml"])
def test_a_path_that_climbs_is_refused(name: str, tmp_path: Path) -> None:
    files = {name: b"x"}
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(name, b"x")
    (tmp_path / "inside").mkdir()
    with pytest.raises(ValueError, match="holds the path"):
        unpack(stream.getvalue(), tmp_path / "inside" / "out", content_hash(files))
    assert not (tmp_path / "outside.yml").exists()
    assert not (tmp_path / "inside" / "out").exists()


def test_a_second_unpacking_leaves_the_first(tmp_path: Path) -> None:
    unpack(pack(FILES), tmp_path / "out", content_hash(FILES))
    unpack(pack(FILES), tmp_path / "out", content_hash(FILES))
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
