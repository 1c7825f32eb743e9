"""Telemetry: traces, metrics and logs, recorded without any SDK and handed to OpenTelemetry in the background."""
