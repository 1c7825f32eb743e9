"""Telemetry starts in the background: nothing waits for it, nothing is lost meanwhile, and its failure is nobody's."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.telemetry.collector import collecting
from tests.telemetry.insights import ingesting

ROOT = Path(__file__).resolve().parents[3]
PROCESS = """
import json, os, sys, time
from datetime import UTC, datetime
import function_app
functions = function_app.app.get_functions()
from shared.telemetry import recording, starting
from shared.telemetry.places import Place
from shared.telemetry.recording import Span
def heavy():
    return [name for name in ("opentelemetry", "azure.monitor", "azure.ai.ml") if name in sys.modules]
starting._PATIENCE = 30.0  # this machine may be busy, and all of it is counted
starting.start(os.environ, "hub")
told, now, began = {"before": heavy()}, datetime.now(UTC), time.perf_counter()
for n in range(5000):
    recording.put(Span("event BlobCreated", Place(f"{n + 1:032x}", f"{n + 1:016x}"), now, now, {"hub.claim": "c"}))
    recording.number("hub.events", 1, via="queue", result="new")
told |= {"microseconds": (time.perf_counter() - began) * 200, "after": heavy()}
end, pump = time.monotonic() + 60, starting._pump
while pump and recording.on() and not pump.started.is_set() and time.monotonic() < end:
    time.sleep(0.05)
print(json.dumps({**told, "later": heavy(), "on": recording.on()}))
"""


def run(settings: dict[str, str]) -> tuple[dict[str, object], str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HUB_", "OTEL_", "APPLICATIONI"))}
    done = subprocess.run(
        [sys.executable, "-c", PROCESS],
        cwd=ROOT,
        env={**kept, **settings},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1]), done.stderr


def test_what_was_done_before_the_exporter_was_there_arrives_whole() -> None:
    with collecting() as collector:
        told, _ = run({"OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint})
        # Events are served before anything of OpenTelemetry is imported, and the process ends with nothing left behind.
        assert (told["before"], told["after"]) == ([], [])
        assert told["later"] == ["opentelemetry"]
        assert isinstance(told["microseconds"], float)
        assert told["microseconds"] < 300, "a span and a number: some 5 microseconds on a quiet machine"
        assert {span.trace for span in collector.spans} == {f"{n + 1:032x}" for n in range(5000)}
        assert sum(value for name, _, value in collector.metrics if name == "hub.events") == 5000


def test_application_insights_is_sent_the_same() -> None:
    with ingesting() as insights:
        told, _ = run({"APPLICATIONINSIGHTS_CONNECTION_STRING": insights.connection})
        assert (told["before"], told["after"]) == ([], [])
        assert {row["operation_Id"] for row in insights.tables["dependencies"]} == {
            f"{n + 1:032x}" for n in range(5000)
        }
        (events,) = [row for row in insights.tables["customMetrics"] if row["name"] == "hub.events"]
        assert events["value"] == 5000


def test_without_a_setting_nothing_starts() -> None:
    told, said = run({})
    assert (told["on"], told["later"], said) == (False, [], "")


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"HUB_TELEMETRY": "azure", "APPLICATIONINSIGHTS_CONNECTION_STRING": "nonsense"}, "its exporter did not start"),
        ({"HUB_TELEMETRY": "jaeger"}, "HUB_TELEMETRY is 'jaeger'"),
    ],
)
def test_a_hub_whose_telemetry_does_not_start_says_so_and_works(settings: dict[str, str], reason: str) -> None:
    told, said = run(settings)
    assert told["on"] is False
    assert "telemetry is off" in said
    assert reason in said
