"""Other rules than those in force: automations given as texts, beside the job and endpoint files of the project."""

import asyncio
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Final

from shared.automations.loading import Catalogue, load

MOST_FILES: Final = 500
MOST_BYTES: Final = 6 * 1024 * 1024
_FOLDERS: Final = ("jobs", "endpoints")
_NEVER: Final = ("__pycache__", ".git", "*.pyc")


class RulesError(ValueError):
    """The rules that were given cannot be read; the message names the file."""


async def catalogue_of(files: Mapping[str, str], root: Path) -> Catalogue:
    """Read automations from texts by path: those under `automations/` are all there are.

    Files under `jobs/` and `endpoints/` take the place of the project's. Raises RulesError for another path.
    """
    _check(files)
    return await asyncio.to_thread(_read, dict(files), root)


def _check(files: Mapping[str, str]) -> None:
    if len(files) > MOST_FILES or sum(len(text) for text in files.values()) > MOST_BYTES:
        raise RulesError(f"at most {MOST_FILES} files with {MOST_BYTES} characters are read")
    for name in files:
        parts = PurePosixPath(name).parts
        inside = len(parts) > 1 and parts[0] in {"automations", *_FOLDERS} and len(name) < 300
        if not inside or ".." in parts or "\\" in name or not name.isprintable() or name != "/".join(parts):
            raise RulesError(f"{name[:128]!r}: a file under automations/, jobs/ or endpoints/ is expected")


def _read(files: Mapping[str, str], root: Path) -> Catalogue:
    with tempfile.TemporaryDirectory(prefix="hub-rules-") as name:
        folder = Path(name)
        (folder / "automations").mkdir()
        for part in _FOLDERS:
            if (root / part).is_dir():
                shutil.copytree(root / part, folder / part, ignore=shutil.ignore_patterns(*_NEVER))
        for path, text in files.items():
            target = folder / path
            try:
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(text, encoding="utf-8")
            except (OSError, UnicodeEncodeError) as error:
                raise RulesError(f"{path[:128]!r} cannot be written: {type(error).__name__}") from None
        return load(folder / "automations", folder)
