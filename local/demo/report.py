"""The report of the story: one HTML page and one JSON file, no third-party host."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from jinja2 import Environment, PackageLoader, select_autoescape

from local.demo.telling import Point


def write(folder: Path, points: Sequence[Point], failure: str, seconds: float, installing: float) -> Path:
    """Write report.html and report.json into `folder`; give the page."""
    folder.mkdir(parents=True, exist_ok=True)
    facts = {
        "came_true": not failure,
        "failure": failure,
        "seconds": round(seconds, 1),
        "installing_seconds": round(installing, 1),
        "written": datetime.now(UTC).isoformat(timespec="seconds"),
        "points": [asdict(point) for point in points],
    }
    (folder / "report.json").write_text(json.dumps(facts, indent=2) + "\n")
    pages = Environment(loader=PackageLoader("local.demo"), autoescape=select_autoescape(default=True))
    page = folder / "report.html"
    page.write_text(pages.get_template("report.html").render(facts))
    return page
