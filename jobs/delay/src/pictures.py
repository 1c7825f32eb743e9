"""Draws how a feature was and how it is, as SVG: two bars a bin. Text only, so that it needs no drawing library."""

from html import escape
from typing import Any, Final

import numpy as np
from drift import histogram, shares

WIDTH: Final = 640
HEIGHT: Final = 260
LEFT: Final = 44
TOP: Final = 46
BOTTOM: Final = 44
BEFORE: Final = "#8a9bb0"
NOW: Final = "#d9662b"
LARGEST: Final = 16
"""Categories that are drawn; the rest is one bar."""


def comparison(title: str, subtitle: str, reference: dict[str, Any], current: dict[str, Any]) -> str:
    """Give the picture of a feature by its two descriptions (see `profiles`)."""
    labels, before, now = (
        _categories(reference, current) if reference["type"] == "category" else _bins(reference, current)
    )
    top = max([*before, *now, 0.01])
    plot = HEIGHT - TOP - BOTTOM
    step = (WIDTH - LEFT - 12) / max(len(labels), 1)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" font-size="11">',
        f"<title>{escape(title)}: {escape(subtitle)}</title><style>text{{font-family:system-ui,sans-serif}}</style>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        f'<text x="12" y="20" font-size="14" font-weight="600" fill="#222">{escape(title)}</text>',
        f'<text x="12" y="36" fill="#555">{escape(subtitle)}</text>',
        _legend(WIDTH - 190, 20, BEFORE, "reference") + _legend(WIDTH - 90, 20, NOW, "now"),
    ]
    for share in (0.0, top / 2, top):
        y = TOP + plot * (1 - share / top)
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - 12}" y1="{y:.1f}" y2="{y:.1f}" stroke="#e4e4e4"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end" fill="#777">{share:.0%}</text>')
    for place, (label, first, second) in enumerate(zip(labels, before, now, strict=True)):
        x = LEFT + step * place
        for offset, share, colour in ((0.1, first, BEFORE), (0.5, second, NOW)):
            height = plot * share / top
            parts.append(
                f'<rect x="{x + step * offset:.1f}" y="{TOP + plot - height:.1f}" width="{step * 0.38:.1f}" '
                f'height="{height:.1f}" fill="{colour}"/>'
            )
        middle = x + step / 2
        parts.append(
            f'<text x="{middle:.1f}" y="{HEIGHT - 26}" text-anchor="middle" fill="#555">{escape(label)}</text>'
        )
    return "\n".join([*parts, "</svg>", ""])


def _legend(x: float, y: float, colour: str, text: str) -> str:
    return f'<rect x="{x}" y="{y - 9}" width="10" height="10" fill="{colour}"/><text x="{x + 15}" y="{y}">{text}</text>'


def _categories(reference: dict[str, Any], current: dict[str, Any]) -> tuple[list[str], list[float], list[float]]:
    names = sorted(reference["counts"] | current["counts"])
    before, now = shares(reference["counts"], current["counts"])
    order = sorted(range(len(names)), key=lambda place: -(before[place] + now[place]))
    shown, rest = order[:LARGEST], order[LARGEST:]
    labels = [names[place] for place in shown]
    first, second = [float(before[place]) for place in shown], [float(now[place]) for place in shown]
    if rest:
        labels.append(f"+{len(rest)}")
        first.append(float(before[rest].sum()))
        second.append(float(now[rest].sum()))
    return labels, first, second


def _bins(reference: dict[str, Any], current: dict[str, Any]) -> tuple[list[str], list[float], list[float]]:
    both = np.asarray([*reference["quantiles"], *current["quantiles"]], dtype=float)
    if not len(both):
        return [], [], []
    low, high = np.quantile(both, [0.01, 0.99])
    edges = np.linspace(low, high if high > low else low + 1, 13)
    labels = [f"{value:.3g}" for value in (edges[:-1] + edges[1:]) / 2]
    empty = np.zeros(len(labels))
    drawn = [histogram(side, edges[1:-1]) if side["quantiles"] else empty for side in (reference, current)]
    return labels, drawn[0].tolist(), drawn[1].tolist()
