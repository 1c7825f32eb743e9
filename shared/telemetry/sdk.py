"""Hands records to OpenTelemetry's SDK, under the ids and at the times they were recorded with."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final

from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.context import Context
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)

from shared.telemetry.choice import Choice
from shared.telemetry.exporters import Exporters
from shared.telemetry.names import METRICS, SECONDS
from shared.telemetry.places import Place
from shared.telemetry.recording import MOST, Line, Number, Record, Span, Value

_SCOPE: Final = "hub"
_KINDS: Final = {"internal": SpanKind.INTERNAL, "client": SpanKind.CLIENT, "consumer": SpanKind.CONSUMER}
_SHARE: Final = "_MS.sampleRate"
"""Application Insights multiplies counts of a span by 100 divided by this."""


class _Ids(IdGenerator):
    """Gives the ids that the record under way has."""

    def __init__(self) -> None:
        self.place = Place("1" * 32, "1" * 16)

    def generate_trace_id(self) -> int:
        return int(self.place.trace, 16)

    def generate_span_id(self) -> int:
        return int(self.place.span, 16)


class Sdk:
    """OpenTelemetry's providers for the hub; used by one thread. They are its own, not those of the process."""

    def __init__(self, choice: Choice, exporters: Exporters) -> None:
        names = {"service.name": choice.hub_id, "service.namespace": "azureml-automation-hub"}
        resource = Resource.create(names | ({"service.instance.id": choice.instance} if choice.instance else {}))
        self._hub = choice.hub_id
        self._ids = _Ids()
        self._traces = TracerProvider(
            sampler=ALWAYS_ON, resource=resource, id_generator=self._ids, shutdown_on_exit=False
        )
        self._traces.add_span_processor(BatchSpanProcessor(exporters.spans, max_queue_size=MOST))
        self._tracer = self._traces.get_tracer(_SCOPE)
        reader = PeriodicExportingMetricReader(exporters.metrics)
        self._meters = MeterProvider([reader], resource, shutdown_on_exit=False)
        meter = self._meters.get_meter(_SCOPE)
        self._counters = {
            name: meter.create_counter(name, metric.unit, metric.about)
            for name, metric in METRICS.items()
            if metric.kind == "counter"
        }
        self._gauges = {
            name: meter.create_gauge(name, metric.unit, metric.about)
            for name, metric in METRICS.items()
            if metric.kind == "gauge"
        }
        self._histograms = {
            name: meter.create_histogram(
                name, metric.unit, metric.about, explicit_bucket_boundaries_advisory=list(SECONDS)
            )
            for name, metric in METRICS.items()
            if metric.kind == "histogram"
        }
        self._lines = None
        if exporters.lines is not None:
            self._lines = LoggerProvider(resource, shutdown_on_exit=False)
            self._lines.add_log_record_processor(BatchLogRecordProcessor(exporters.lines, max_queue_size=MOST))

    def hand_on(self, records: Iterable[Record]) -> None:
        """Hand records on; they are sent soon after, by the SDK's own threads."""
        for record in records:
            if isinstance(record, Span):
                self._span(record)
            elif isinstance(record, Number):
                self._number(record)
            else:
                self._line(record)

    def flush(self, seconds: float) -> None:
        """Send what is left, within so many seconds."""
        patience = int(seconds * 1000)
        self._traces.force_flush(patience)
        self._meters.force_flush(patience)
        if self._lines is not None:
            self._lines.force_flush(patience)

    def close(self, seconds: float) -> None:
        """Send what is left, within so many seconds, and stop; nothing may be handed on any more."""
        self.flush(seconds)
        self._traces.shutdown()
        self._meters.shutdown(seconds * 1000)
        if self._lines is not None:
            self._lines.shutdown()

    def _span(self, record: Span) -> None:
        self._ids.place = record.place
        parent = Context()
        if record.place.parent:
            above = _context(Place(record.place.trace, record.place.parent))
            parent = set_span_in_context(NonRecordingSpan(above), parent)
        attributes: dict[str, Value] = {**record.attributes, "hub.id": self._hub}
        if record.share < 1:
            attributes[_SHARE] = record.share * 100
        span = self._tracer.start_span(
            record.name,
            parent,
            _KINDS[record.kind],
            attributes,
            [Link(_context(place)) for place in record.links],
            _nanoseconds(record.start),
        )
        span.set_status(Status(StatusCode.ERROR, record.error) if record.error else Status(StatusCode.OK))
        span.end(_nanoseconds(record.end))

    def _number(self, record: Number) -> None:
        attributes: Mapping[str, Value] = {**record.attributes, "hub.id": self._hub}
        if record.name in self._counters:
            self._counters[record.name].add(record.value, attributes)
        elif record.name in self._gauges:
            self._gauges[record.name].set(record.value, attributes)
        else:
            self._histograms[record.name].record(record.value, attributes)

    def _line(self, record: Line) -> None:
        if self._lines is None:
            return
        context = Context()
        if record.place is not None:
            context = set_span_in_context(NonRecordingSpan(_context(record.place)), context)
        moment = int(record.time * 1e9)
        self._lines.get_logger(record.logger).emit(
            LogRecord(
                timestamp=moment,
                observed_timestamp=moment,
                context=context,
                severity_text=_severity(record.level).name,
                severity_number=_severity(record.level),
                body=record.text,
                attributes={**record.attributes, "hub.id": self._hub},
            )
        )


def _context(place: Place) -> SpanContext:
    return SpanContext(int(place.trace, 16), int(place.span, 16), is_remote=True, trace_flags=TraceFlags(1))


def _nanoseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1e6) * 1000


def _severity(level: int) -> SeverityNumber:
    if level >= 50:
        return SeverityNumber.FATAL
    if level >= 40:
        return SeverityNumber.ERROR
    return SeverityNumber.WARN if level >= 30 else SeverityNumber.INFO
