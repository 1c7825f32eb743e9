"""Leaves its numbers as a monitor does, and tags a breach."""

import json
from pathlib import Path

from tracking import tag

FEATURES = (
    ("dep_delay", 0.42, {"psi": (0.61, 0.2), "wasserstein": (0.33, 0.25)}),
    ("carrier", 0.24, {"js": (0.12, 0.1)}),
    ("origin", 0.18, {"js": (0.04, 0.1)}),
    ("distance", 0.11, {"psi": (0.07, 0.2), "wasserstein": (0.05, 0.25)}),
    ("wind_speed", 0.05, {"psi": (0.24, 0.2)}),
)
features = [
    {
        "name": name,
        "weight": weight,
        "metrics": {metric: {"value": value, "threshold": limit} for metric, (value, limit) in metrics.items()},
    }
    for name, weight, metrics in FEATURES
]
Path("outputs").mkdir(exist_ok=True)
Path("outputs/signals.json").write_text(
    json.dumps({"rows": 1840, "signals": [{"signal": "data-drift", "features": features}]})
)
tag(
    "azureml_modelmonitor_threshold_breached",
    "delay-monitor_data-drift has failed due to one or more features violating metric thresholds",
)
