"""The report of the story: one HTML page and one JSON file, no third-party host."""

import json
import re
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from jinja2 import Environment, PackageLoader, select_autoescape

from local.demo.telling import Point


def write(folder: Path, points: Sequence[Point], failure: str, seconds: float, installing: float) -> Path:
    """Write report.html, report.json and the pictures into `folder`; give the page."""
    pictures = [picture for point in points for picture in point.pictures]
    (folder / "pictures").mkdir(parents=True, exist_ok=True)
    for number, picture in enumerate(pictures, 1):
        name = re.sub(r"[^a-z0-9]+", "-", picture["title"].lower()).strip("-")
        (folder / "pictures" / f"{number:02}-{name}.svg").write_text(picture["svg"])
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
