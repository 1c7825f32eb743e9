"""The receipt as a page that stands alone and prints on two sheets: the datasheet of a model version."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from shared.receipt_parts import CostLink, Receipt, RolloutLink, SliceLink

_PREFERRED: Final = ("mae", "rmse", "bias", "cost_per_flight", "r2")
"""Measures that a table of slices shows first; a team that logs others sees its own."""
_MEASURES: Final = 4
_SHOWN: Final = 180


def page(made: Receipt) -> str:
    """Give the page; everything in it is escaped, nothing in it runs or is fetched."""
    return _template().render(
        receipt=made,
        measures=_measures(made.slices),
        largest=max((abs(value) for value in made.importances.values()), default=1.0) or 1.0,
        cost=_total(made.cost),
        costs=_by_step(made.cost),
        live=sum(one.traffic for one in made.live),
        rollout=_rollout(made),
    )


@lru_cache(maxsize=1)
def _template() -> Template:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "moment": _moment,
        "number": _number,
        "size": _size,
        "brief": _brief,
        "took": _took,
        "told": _told,
    }
    return environment.get_template("receipt_page.html")


def _rollout(made: Receipt) -> RolloutLink | None:
    """Give the release that is shown in full: the last that went through, else the last."""
    through = [one for one in made.rollouts if one.status == "succeeded"]
    candidates = through or made.rollouts
    return candidates[-1] if candidates else None


def _measures(slices: Sequence[SliceLink]) -> list[str]:
    """Give the measures that most slices have, those that are preferred first."""
    counts: dict[str, int] = {}
    for one in slices:
        for name in one.measures:
            counts[name] = counts.get(name, 0) + 1
    order = sorted(counts, key=lambda name: (_PREFERRED.index(name) if name in _PREFERRED else 99, -counts[name], name))
    return order[:_MEASURES]


def _total(cost: Sequence[CostLink]) -> str:
    sums: dict[str, float] = {}
    for one in cost:
        if one.amount is not None:
            sums[one.currency] = sums.get(one.currency, 0.0) + one.amount
    told = " and ".join(f"{amount:.4f} {currency}" for currency, amount in sorted(sums.items()))
    unknown = sum(one.amount is None for one in cost)
    if unknown and cost:
        return f"{told + ', and ' if told else ''}{unknown} of {len(cost)} jobs on computes without a price"
    return told


def _by_step(cost: Sequence[CostLink]) -> list[dict[str, Any]]:
    """Give one line for the jobs of a step on a compute: a version that was evaluated ten times has one for them."""
    groups: dict[tuple[str, str], list[CostLink]] = {}
    for one in cost:
        groups.setdefault((one.step, f"{one.nodes} x {one.compute or 'a compute that is not named'}"), []).append(one)
    return [
        {
            "what": step if len(jobs) == 1 else f"{step}, {len(jobs)} times",
            "compute": compute,
            "seconds": sum(one.seconds for one in jobs),
            "cost": _total(jobs) if all(one.amount is not None for one in jobs) else "no price",
        }
        for (step, compute), jobs in groups.items()
    ]


def _moment(value: datetime | None) -> str:
    return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC" if value else ""


def _number(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if isinstance(value, int) or float(value).is_integer():
        return f"{int(value):,}"
    return f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.0f}"


def _size(value: int) -> str:
    amount = float(value)
    for unit in ("bytes", "KB", "MB", "GB"):
        if amount < 1000 or unit == "GB":
            return f"{amount:,.0f} {unit}" if unit == "bytes" else f"{amount:,.1f} {unit}"
        amount /= 1000
    return ""


def _brief(text: str, most: int = _SHOWN) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _took(began: datetime | None, ended: datetime | None) -> str:
    if began is None or ended is None:
        return ""
    seconds = (ended - began).total_seconds()
    return (
        f"{seconds:.0f} s"
        if seconds < 120
        else f"{seconds / 60:.0f} min"
        if seconds < 7200
        else f"{seconds / 3600:.1f} h"
    )


def _told(evidence: Mapping[str, Any], most: int = 7) -> str:
    """Say evidence in one line: what is a number or a word as it is, what holds parts by its own numbers.

    Where the numbers were read is told once for the release.
    """
    told: list[str] = []
    for name, value in evidence.items():
        if name == "source":
            continue
        if isinstance(value, Mapping):
            inner = ", ".join(f"{key} {_number(one)}" for key, one in value.items() if key != "source" and _plain(one))
            told.append(f"{name}: {inner}") if inner else None
        elif isinstance(value, list | tuple):
            if value and all(_plain(one) for one in value):
                told.append(f"{name} {' to '.join(map(_number, value))}" if len(value) == 2 else f"{len(value)} {name}")
            elif value:
                told += [
                    " ".join(_number(one) for one in item.values() if _plain(one))
                    for item in value[:4]
                    if isinstance(item, Mapping)
                ]
        elif _plain(value):
            told.append(f"{name} {_number(value)}")
    return _brief("; ".join(told[:most]), 320)


def _plain(value: Any) -> bool:
    return value is not None and value != "" and isinstance(value, str | int | float)
