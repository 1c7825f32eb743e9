"""The commit of a checkout is read from its files, whatever form they have."""

import subprocess
from pathlib import Path

import pytest

from shared.revision import commit_of

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def git(folder: Path, *arguments: str) -> str:
    command = ["git", "-c", "user.name=a", "-c", "user.email=a@b", "-C", str(folder), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=30).stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    git(tmp_path, "init", "-q", "-b", "main", "work")
    (tmp_path / "work" / "automations").mkdir()
    git(tmp_path / "work", "commit", "-q", "--allow-empty", "-m", "first")
    return tmp_path / "work"


def test_a_branch_a_folder_below_and_a_commit_without_branch(checkout: Path) -> None:
    commit = git(checkout, "rev-parse", "HEAD")
    assert commit_of(checkout) == commit
    assert commit_of(checkout / "automations") == commit
    git(checkout, "checkout", "-q", "--detach")
    assert commit_of(checkout) == commit


def test_packed_references_and_a_second_work_tree(checkout: Path) -> None:
    commit = git(checkout, "rev-parse", "HEAD")
    git(checkout, "pack-refs", "--all")
    assert commit_of(checkout) == commit
    git(checkout, "worktree", "add", "-q", "../second", "-b", "other")
    assert commit_of(checkout.parent / "second") == commit


def test_a_package_says_its_own_and_nothing_is_made_up(tmp_path: Path) -> None:
    (tmp_path / "revision.txt").write_text(f"{COMMIT}\n")
    assert commit_of(tmp_path, tmp_path / "revision.txt") == COMMIT
    (tmp_path / "revision.txt").write_text("not known\n")
    assert commit_of(tmp_path, tmp_path / "revision.txt") == ""
    assert commit_of(tmp_path, tmp_path / "absent.txt") == ""
    (tmp_path / ".git").mkdir()
    assert commit_of(tmp_path) == ""
