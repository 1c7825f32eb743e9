"""Pictures of the report, as plain SVG: no script, no font, no other host."""

from collections.abc import Sequence
from html import escape
from typing import Final

from local.demo.traffic import Answer

_WIDTH: Final = 860
_HEIGHT: Final = 150
_LEFT: Final = 60
_COLOURS: Final = ("#0969da", "#2da44e", "#bf8700", "#8250df", "#cf222e", "#57606a")


def rollout(answers: Sequence[Answer], steps: Sequence[tuple[float, str]], title: str) -> str:
    """Draw shares of live requests by deployment, failures and the 95th percentile of latency, by windows of 2 s."""
    last = max((answer.at for answer in answers), default=1.0)
    windows = [[answer for answer in answers if start <= answer.at < start + 2] for start in range(0, int(last) + 1, 2)]
    names = sorted({answer.deployment for answer in answers if answer.deployment})
    shares = [
        (name, [100 * sum(a.deployment == name for a in window) / len(window) if window else 0.0 for window in windows])
        for name in names
    ]
    errors = [100 * sum(not 200 <= a.status < 300 for a in w) / len(w) if w else 0.0 for w in windows]
    latency = [sorted(a.took for a in w)[int(0.95 * len(w))] if w else 0.0 for w in windows]
    rows = [
        ("live requests, %", shares, 100.0),
        ("failed requests, %", [("failed", errors)], max(5.0, *errors)),
        ("p95 latency, ms", [("p95", latency)], max(10.0, *latency)),
    ]
    parts = [_row(index, text, lines, most, last, steps) for index, (text, lines, most) in enumerate(rows)]
    height = len(rows) * (_HEIGHT + 46) + 30
    legend = "".join(
        f'<text x="{_LEFT + 190 * index}" y="{height - 6}" fill="{_COLOURS[index % 6]}">■ {escape(name)}</text>'
        for index, name in enumerate(names)
    )
    size = f'viewBox="0 0 {_WIDTH} {height}"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="{escape(title)}" '
        f'font-family="system-ui, sans-serif" font-size="12" fill="#57606a">{"".join(parts)}{legend}</svg>'
    )


def _row(
    index: int,
    text: str,
    lines: Sequence[tuple[str, Sequence[float]]],
    most: float,
    last: float,
    steps: Sequence[tuple[float, str]],
) -> str:
    top = 26 + index * (_HEIGHT + 46)
    scale = (_WIDTH - _LEFT - 12) / max(last, 1.0)
    parts = [
        f'<text x="4" y="{top - 10}" font-weight="600">{escape(text)}</text>',
        f'<rect x="{_LEFT}" y="{top}" width="{_WIDTH - _LEFT - 12}" height="{_HEIGHT}" fill="none" stroke="#8884"/>',
        f'<text x="4" y="{top + 10}">{most:.0f}</text><text x="4" y="{top + _HEIGHT}">0</text>',
    ]
    for at, name in steps:
        x = _LEFT + at * scale
        parts.append(
            f'<line x1="{x:.1f}" y1="{top}" x2="{x:.1f}" y2="{top + _HEIGHT}" stroke="#8886" stroke-dasharray="3 3"/>'
        )
        if index == 0:
            parts.append(f'<text x="{x + 3:.1f}" y="{top + 12}">{escape(name)}</text>')
    for number, (_, values) in enumerate(lines):
        points = " ".join(
            f"{_LEFT + (2 * slot + 1) * scale:.1f},{top + _HEIGHT * (1 - min(value, most) / most):.1f}"
            for slot, value in enumerate(values)
        )
        parts.append(f'<polyline points="{points}" fill="none" stroke="{_COLOURS[number % 6]}" stroke-width="2"/>')
    return "".join(parts)
