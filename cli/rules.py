"""Reads what is sent along: rules from a project's folder, events from a file."""

import json
import sys
from pathlib import Path
from typing import Any, Final

from cli.client import REPOSITORY
from cli.verbs import UsageError

_MOST: Final = 6 * 1024 * 1024
_NEVER: Final = frozenset({"__pycache__", ".git", ".venv", "node_modules"})


def rules_of(folder: str) -> dict[str, str]:
    """Give the rules of a project (a folder with automations/, jobs/, endpoints/) as texts by path."""
    root = Path(folder).resolve()
    if root.name == "automations" and not (root / "automations").is_dir():
        root = root.parent
    if not (root / "automations").is_dir():
        raise UsageError(f"{folder} has no folder automations/: name the project's folder")
    found: dict[str, str] = {}
    for part in ("automations", "jobs", "endpoints"):
        for path in sorted((root / part).rglob("*")) if (root / part).is_dir() else ():
            if not path.is_file() or _NEVER & set(path.relative_to(root).parts) or path.suffix == ".pyc":
                continue
            try:
                found[path.relative_to(root).as_posix()] = path.read_text(encoding="utf-8")
            except UnicodeDecodeError:
                if part == "automations":
                    raise UsageError(f"{path} is not UTF-8") from None
    if sum(len(text) for text in found.values()) > _MOST:
        raise UsageError(f"the rules under {root} have more than {_MOST} characters; data belongs into storage")
    return found


def default_root() -> str:
    """Give the project that ./hub belongs to."""
    return str(REPOSITORY)


def events_of(name: str) -> list[Any]:
    """Read events from a file ("-" is the input): one, a list of them, or one a line."""
    try:
        text = sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{name}: {error.strerror}") from None
    try:
        read = json.loads(text)
    except ValueError:
        try:
            read = [json.loads(line) for line in text.splitlines() if line.strip()]
        except ValueError as error:
            raise UsageError(f"{name} holds no JSON: {error}") from None
    return read if isinstance(read, list) else [read]
