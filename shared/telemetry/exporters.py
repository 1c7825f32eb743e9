"""The exporters of a choice; imported in the background only, since they bring OpenTelemetry and more along."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Any, Final

from opentelemetry.sdk._logs.export import ConsoleLogRecordExporter, LogRecordExporter
from opentelemetry.sdk.metrics.export import ConsoleMetricExporter, MetricExporter
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SpanExporter

from shared.telemetry.choice import Choice

_OTLP: Final = "otlp_proto_http"
_TALKS: Final = (
    "STATSBEAT_DISABLED_ALL",
    "SDKSTATS_DISABLED",
    "CONTROLPLANE_DISABLED",
    "OPENTELEMETRY_RESOURCE_METRIC_DISABLED",
)
"""What Microsoft's exporter would send of itself, and ask for elsewhere: all goes to Application Insights only."""


class ExporterError(Exception):
    """The exporters cannot be made; the message says what is missing."""


@dataclass(frozen=True, slots=True)
class Exporters:
    """Where spans, metrics and log lines go. `lines` is None where the console shows them anyway."""

    spans: SpanExporter
    metrics: MetricExporter
    lines: LogRecordExporter | None


def make(choice: Choice) -> Exporters:
    """Make the exporters; nothing is sent yet."""
    if choice.kind == "console":
        return Exporters(
            ConsoleSpanExporter(out=sys.stderr, formatter=lambda span: f"{span.to_json(indent=None)}\n"),
            ConsoleMetricExporter(out=sys.stderr, formatter=lambda data: f"{data.to_json(indent=None)}\n"),
            ConsoleLogRecordExporter(out=sys.stderr, formatter=lambda line: f"{line.to_json(indent=None)}\n"),
        )
    return _azure(choice) if choice.kind == "azure" else _otlp()


def _azure(choice: Choice) -> Exporters:
    for part in _TALKS:
        os.environ.setdefault(f"APPLICATIONINSIGHTS_{part}", "true")
    from azure.monitor.opentelemetry.exporter import (
        AzureMonitorLogExporter,
        AzureMonitorMetricExporter,
        AzureMonitorTraceExporter,
    )

    options: dict[str, Any] = {"connection_string": choice.connection, "disable_offline_storage": True}
    if choice.client_id:
        from azure.identity import ManagedIdentityCredential

        options["credential"] = ManagedIdentityCredential(client_id=choice.client_id)
    return Exporters(
        AzureMonitorTraceExporter(**options),
        AzureMonitorMetricExporter(**options),
        AzureMonitorLogExporter(**options),
    )


def _otlp() -> Exporters:
    """Make OpenTelemetry's own exporters over HTTP; they read the OTEL_EXPORTER_OTLP_… variables themselves."""
    made: Mapping[str, Any] = {
        kind: _named(f"opentelemetry_{kind}_exporter")() for kind in ("traces", "metrics", "logs")
    }
    return Exporters(made["traces"], made["metrics"], made["logs"])


def _named(group: str) -> Any:
    found = list(entry_points(group=group, name=_OTLP))
    if not found:
        raise ExporterError(
            "telemetry is to go out by OTLP, and its exporter is not installed: add opentelemetry-exporter-otlp-"
            "proto-http, in the version of opentelemetry-sdk, to requirements.txt and run `make lock`"
        )
    return found[0].load()
