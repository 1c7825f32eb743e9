"""How traffic moved during a release: the moments at which it changed, a picture of them, and what was measured."""

from datetime import datetime
from typing import Any, Final

from shared.dashboard.wording import number, plain

_ACTS: Final = {
    "SetTraffic": "traffic is set",
    "Confirm": "settled",
    "Hold": "held",
    "RollBack": "goes back",
    "Stop": "stopped",
    "Finish": "done",
}
_LONGEST: Final = 0.4
_LEAST: Final = 0.04
"""Shares of the whole time at which a stretch is cut or widened: none is drawn more than ten times as wide as another,
so that a night does not hide a minute."""


def moments(detail: dict[str, Any]) -> list[dict[str, Any]]:
    """Give the history of a rollout: when, what was decided and why, the traffic at that moment, what was measured."""
    history = detail.get("history")
    return [_moment(entry) for entry in history if isinstance(entry, dict)] if isinstance(history, list) else []


def _moment(entry: dict[str, Any]) -> dict[str, Any]:
    act, traffic = str(entry.get("act") or ""), str(entry.get("traffic") or "")
    return {
        "at": plain(entry.get("at")),
        "act": _ACTS.get(act, act),
        "reason": str(entry.get("reason") or ""),
        "traffic": traffic,
        "shares": shares(traffic),
        "finding": finding(entry.get("finding")),
    }


def finding(given: Any) -> dict[str, Any] | None:
    """Read what an analysis found: its verdict, requests, and each check with its limit and whether it keeps it."""
    if not isinstance(given, dict):
        return None
    checks = given.get("checks")
    return {
        "verdict": str(given.get("verdict") or ""),
        "requests": given.get("requests"),
        "least": given.get("min-requests"),
        "checks": [_check(one) for one in checks if isinstance(one, dict)] if isinstance(checks, list) else [],
    }


def _check(one: dict[str, Any]) -> dict[str, str]:
    """Write what was measured in the unit of its limit: a share in per cent, a latency in milliseconds."""
    name, value = str(one.get("name") or ""), one.get("value")
    shown = "not measured"
    if isinstance(value, int | float):
        rate, time = name == "error rate", name.endswith(" latency")
        shown = f"{100 * value:.2g} %" if rate else f"{number(float(value))}{' ms' if time else ''}"
    return {"name": name, "shown": shown, "threshold": str(one.get("threshold") or "")}


def shares(traffic: str) -> list[tuple[str, int]]:
    """Read `blue 90%, green 10%, green mirrors 20%` into live shares by deployment; mirrored requests are no share."""
    found: list[tuple[str, int]] = []
    for part in traffic.split(", "):
        name, _, share = part.rpartition(" ")
        if name and not name.endswith(" mirrors") and share.endswith("%") and share[:-1].isdecimal():
            found.append((name, int(share[:-1])))
    return found


def picture(history: list[dict[str, Any]], now: datetime, *, open_end: bool) -> dict[str, Any] | None:
    """Give the traffic over time as boxes of a plane of 1000 by 100; None where it never was read.

    A stretch is as wide as it was long, within bounds. `open_end`: it still is as it was last.
    """
    changes: list[tuple[datetime, list[tuple[str, int]]]] = []
    for moment in history:
        given = sorted((name, share) for name, share in moment["shares"] if share)
        if moment["at"] and (not changes or changes[-1][1] != given):
            changes.append((moment["at"], given))
    if not changes or not any(given for _, given in changes):
        return None
    last = now if open_end else max(moment["at"] for moment in history if moment["at"])
    ends = [at for at, _ in changes[1:]] + [max(last, changes[-1][0])]
    lengths = [(end - at).total_seconds() for (at, _), end in zip(changes, ends, strict=True)]
    names = list(dict.fromkeys(name for _, given in changes for name, _ in given))
    boxes, at = [], 0.0
    for width, (since, given), end in zip(_widths(lengths), changes, ends, strict=True):
        top = 100
        for name, share in sorted(given, key=lambda one: names.index(one[0]), reverse=True):
            top -= share
            title = f"{name} {share} %, {since:%H:%M:%S} to {end:%H:%M:%S}"
            boxes.append({"x": at, "y": top, "w": width, "h": share, "name": name, "title": title})
        at += width
    return {"boxes": boxes, "names": names, "from": changes[0][0], "to": ends[-1]}


def _widths(lengths: list[float]) -> list[float]:
    total = sum(lengths) or 1.0
    kept = [min(_LONGEST, max(_LEAST, length / total)) for length in lengths]
    return [1000 * width / sum(kept) for width in kept]
