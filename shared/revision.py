"""Which commit a checkout or a deployed package comes from: read from files, for git is not everywhere."""

import re
from pathlib import Path
from typing import Final

PACKAGED: Final = Path(__file__).parent / "revision.txt"
"""What the deployment writes where it builds the package: one line, the commit."""
_COMMIT: Final = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_LARGEST: Final = 4 * 1024 * 1024


def commit_of(root: Path, packaged: Path = PACKAGED) -> str:
    """Give the commit (hex) that the folder was checked out from, else that of the package; "" where neither is known.

    https://git-scm.com/docs/gitrepository-layout
    """
    for folder in (root, *root.parents):
        if (folder / ".git").exists():
            return _checked_out(folder / ".git")
    return _commit(_text(packaged))


def _checked_out(git: Path) -> str:
    if git.is_file():  # a work tree beside its repository, or a submodule
        place = _text(git).removeprefix("gitdir:").strip()
        git = (git.parent / place).resolve()
    head = _text(git / "HEAD").strip()
    if not head.startswith("ref:"):
        return _commit(head)
    name = head.removeprefix("ref:").strip()
    common = (git / (_text(git / "commondir").strip() or ".")).resolve()
    for folder in (git, common):
        if found := _commit(_text(folder / name)):
            return found
    lines = (line.split(" ", 1) for line in _text(common / "packed-refs").splitlines() if " " in line)
    return next((_commit(commit) for commit, reference in lines if reference == name), "")


def _commit(text: str) -> str:
    text = text.strip()
    return text if _COMMIT.fullmatch(text) else ""


def _text(path: Path) -> str:
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return file.read(_LARGEST)
    except OSError:
        return ""
