"""The automations of this project with the times of a story on a laptop: minutes become seconds, nothing else changes.

A laptop that runs a whole cloud beside the model answers more slowly: the limit of latency is wider.
"""

import shutil
from pathlib import Path
from typing import Final

from local.config import REPOSITORY

SHORTER: Final = (
    ("shadow: {traffic: 20%, for: 10m}", "shadow: {traffic: 20%, for: 25s}"),
    ("canary: {traffic: 10%, for: 15m}", "canary: {traffic: 10%, for: 40s}"),
    ("canary: {traffic: 50%, for: 15m}", "canary: {traffic: 50%, for: 25s}"),
    ("settle: 3m", "settle: 6s"),
    ('p95-latency: "< 300ms"', 'p95-latency: "< 2s"'),
    ("keep-previous: 24h", "keep-previous: 10m"),
    ("quiet: 1m, max-wait: 15m", "quiet: 5s, max-wait: 2m"),
)
SETTINGS: Final = {
    "HUB_METRICS_GRAIN_SECONDS": "5",
    "HUB_POLL_SHORTEST_SECONDS": "1",
    "HUB_POLL_LONGEST_SECONDS": "3",
    "HUB_COMPUTE_PRICES": '{"cpu-cluster": {"amount": 0.35, "currency": "USD"}}',
}
"""Settings of the hub in the story: Azure gives metrics by the minute, the laptop also by seconds."""


def write(folder: Path) -> dict[str, str]:
    """Write a team's folder (automations, jobs, endpoints) anew; give the settings of a hub that runs by it."""
    shutil.rmtree(folder, ignore_errors=True)
    for name in ("jobs", "endpoints"):
        shutil.copytree(REPOSITORY / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "automations").mkdir()
    for file in sorted((REPOSITORY / "automations").rglob("*.yml")):
        text = file.read_text()
        for before, after in SHORTER:
            text = text.replace(before, after)
        (folder / "automations" / file.name).write_text(text)
    return {**SETTINGS, "HUB_ROOT": str(folder)}
