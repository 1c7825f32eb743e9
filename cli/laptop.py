"""Asks the supervisor of a laptop cloud: its parts, and whether the hub in it runs the rules that lie there now."""

import json
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cli.client import Target


def control(url: str) -> str:
    """Give the supervisor's address of the laptop cloud whose hub is at `url`."""
    return f"http://127.0.0.1:{(urlsplit(url).port or 7071) + 9}"


def parts(url: str) -> Any:
    """Give what the supervisor says of its parts. Raises OSError or ValueError where it does not answer."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"{control(url)}/parts", timeout=5) as answer:
        return json.loads(answer.read())


def read_anew(url: str) -> str:
    """Give the command that has the hub read its rules anew."""
    return f"curl -X POST {control(url)}/parts/host/restart"


def unread(target: Target, items: Sequence[Mapping[str, Any]]) -> list[str]:
    """Name the automations that lie in the laptop's folder otherwise than its hub has read them, as `items` tell.

    Empty where it is no laptop's, or where its supervisor does not tell which folder that is.
    """
    if not target.laptop:
        return []
    try:
        root = Path(parts(target.url)["root"])
    except (OSError, ValueError, KeyError, TypeError):
        return []
    from shared.automations.loading import load

    there = load(root / "automations", root)
    here = {name: loaded.content for name, loaded in there.automations.items()}
    here |= {name: "\n".join(map(str, problems)) for name, problems in there.invalid.items()}
    read = {str(one["name"]): str(one["content"]) if one["valid"] else "\n".join(one["problems"]) for one in items}
    return sorted(name for name in here.keys() | read.keys() if here.get(name) != read.get(name))


def unread_said(target: Target, items: Sequence[Mapping[str, Any]]) -> str:
    """Say which automations changed since the hub began, and what has it read them; "" where none did."""
    names = unread(target, items)
    if not names:
        return ""
    shown = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    return f"changed since the hub began: {shown}; have it read them: {read_anew(target.url)}"
