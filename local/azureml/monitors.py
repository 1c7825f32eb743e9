"""Model monitors: what a monitor schedule's definition becomes, a command job that compares data and tags a breach.

The real service computes signals on Spark with many metrics; here a plain script computes those of data drift,
prediction drift and data quality that the definition names. What it cannot compute is refused when it is made.
"""

import json
import shlex
from pathlib import Path
from typing import Any, Final

from local.azureml.assets import Assets
from local.azureml.inputs import Resolver
from local.azureml.uris import asset_ref
from local.azureml.wire import ArmError, Json, invalid

_SCRIPT: Final = Path(__file__).with_name("scoring") / "monitor_signals.py"
_SIGNALS: Final = {"datadrift": "DataDrift", "predictiondrift": "PredictionDrift", "dataquality": "DataQuality"}
_METRICS: Final = frozenset(
    {
        "jensenshannondistance",
        "populationstabilityindex",
        "normalizedwassersteindistance",
        "twosamplekolmogorovsmirnovtest",
        "pearsonschisquaredtest",
        "nullvaluerate",
        "datatypeerrorrate",
        "outofboundsrate",
    }
)
_ENVIRONMENT: Final = "azureml:laptop-serving:1"
TAG: Final = "azureml_modelmonitor_threshold_breached"


class Monitors:
    """Makes jobs of monitor definitions."""

    def __init__(self, assets: Assets, resolver: Resolver) -> None:
        self._assets, self._resolver = assets, resolver

    def check(self, definition: Json) -> None:
        """Raise ArmError for a definition that cannot be computed here."""
        signals = definition.get("signals") or {}
        if not signals:
            raise invalid("The monitor has no signals. (Signals by default need data collected by the service.)")
        for name, signal in signals.items():
            kind = str(signal.get("signalType") or "")
            if kind.lower() not in _SIGNALS:
                known = ", ".join(_SIGNALS.values())
                raise invalid(f"Signal '{name}' is of type '{kind}', which a laptop does not compute: it does {known}.")
            for threshold in signal.get("metricThresholds") or []:
                if str(threshold.get("metric")).lower() not in _METRICS:
                    raise invalid(f"Signal '{name}' uses the metric '{threshold.get('metric')}', not computed here.")
            if not isinstance(signal.get("referenceData"), dict) or not signal.get("productionData"):
                raise invalid(f"Signal '{name}' has no production data and reference data.")

    def job(self, schedule: str, definition: Json) -> Json:
        """Give the command job that computes a monitor's signals once."""
        inputs: Json = {}
        plan: list[Json] = []
        for index, (name, signal) in enumerate(definition["signals"].items()):
            production, reference = _first(signal["productionData"]), _first(signal["referenceData"])
            for key, data in ((f"production_{index}", production), (f"reference_{index}", reference)):
                kind = str(data.get("jobInputType") or "uri_folder").lower()
                inputs[key] = {"jobInputType": kind, "uri": self._address(name, str(data.get("uri") or ""))}
            plan.append(
                {
                    "name": name,
                    "kind": _SIGNALS[str(signal["signalType"]).lower()],
                    "index": index,
                    "features": signal.get("features"),
                    "target": (reference.get("columns") or {}).get("target_column"),
                    "thresholds": [
                        {
                            "metric": str(threshold["metric"]),
                            "dataType": threshold.get("dataType"),
                            "value": (threshold.get("threshold") or {}).get("value"),
                        }
                        for threshold in signal.get("metricThresholds") or []
                    ],
                    "alert": str(signal.get("mode") or "").lower() == "enabled",
                }
            )
        places = " ".join(f"--{key.replace('_', '-')} ${{{{inputs.{key}}}}}" for key in inputs)
        words = f"--monitor {shlex.quote(schedule)} --plan {shlex.quote(json.dumps(plan))}"
        return {
            "jobType": "Command",
            "command": f"python -P {shlex.quote(str(_SCRIPT))} {words} --output ${{{{outputs.signals}}}} {places}",
            "environmentId": _ENVIRONMENT,
            "experimentName": schedule,
            "displayName": f"{schedule} monitor",
            "inputs": inputs,
            "outputs": {"signals": {"jobOutputType": "uri_folder"}},
            "properties": {"azureml.modelmonitor": "true"},
        }

    def _address(self, signal: str, text: str) -> str:
        """Give the address of a signal's data; raises ArmError naming the signal where there is none."""
        ref = asset_ref(text, "data")
        if ref is None:
            return text
        try:
            found: Any = self._assets.find(ref, "data")["properties"]["dataUri"]
        except ArmError as error:
            raise ArmError(error.status, error.code, f"Signal '{signal}': {error.message}", error.inner) from None
        return str(found)


def _first(data: Any) -> Json:
    """Give the data of a signal: prediction drift and others name it as a list of one."""
    found = data[0] if isinstance(data, list) and data else data
    if not isinstance(found, dict):
        raise invalid("The data of a signal is not an object.")
    return found
