"""A collector of OpenTelemetry over HTTP (OTLP, protobuf), as far as reading back what was sent needs one."""

import gzip
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass(frozen=True)
class Seen:
    """One span as it arrived."""

    name: str
    trace: str
    span: str
    parent: str
    attributes: dict[str, Any]
    start: int
    end: int
    error: str
    links: tuple[str, ...]


@dataclass
class Collector:
    """What has arrived so far."""

    endpoint: str = ""
    spans: list[Seen] = field(default_factory=list)
    metrics: list[tuple[str, dict[str, Any], float]] = field(default_factory=list)
    lines: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)

    def trace(self, name: str) -> list[Seen]:
        """Give the spans of a trace, in the order in which they began."""
        return sorted((span for span in list(self.spans) if span.trace == name), key=lambda span: span.start)

    def wait(self, wanted: Callable[["Collector"], bool], seconds: float, what: str) -> None:
        """Wait until what arrived is as wanted."""
        end = time.monotonic() + seconds
        while not wanted(self):
            assert time.monotonic() < end, f"{what} did not arrive; spans: {sorted({one.name for one in self.spans})}"
            time.sleep(0.1)

    def take(self, path: str, body: bytes) -> None:
        """Read one request."""
        if path == "/v1/traces":
            traces = ExportTraceServiceRequest.FromString(body)
            for resource in traces.resource_spans:
                for scope in resource.scope_spans:
                    self.spans += [_seen(span) for span in scope.spans]
        elif path == "/v1/metrics":
            metrics = ExportMetricsServiceRequest.FromString(body)
            for measured in metrics.resource_metrics:
                for part in measured.scope_metrics:
                    for metric in part.metrics:
                        self.metrics += _points(metric)
        else:
            logs = ExportLogsServiceRequest.FromString(body)
            for logged in logs.resource_logs:
                for one in logged.scope_logs:
                    self.lines += [
                        (line.body.string_value, line.trace_id.hex(), _values(line.attributes))
                        for line in one.log_records
                    ]


def _seen(span: Any) -> Seen:
    return Seen(
        span.name,
        span.trace_id.hex(),
        span.span_id.hex(),
        span.parent_span_id.hex(),
        _values(span.attributes),
        span.start_time_unix_nano,
        span.end_time_unix_nano,
        span.status.message if span.status.code == 2 else "",
        tuple(link.trace_id.hex() for link in span.links),
    )


def _points(metric: Any) -> Iterator[tuple[str, dict[str, Any], float]]:
    kind = metric.WhichOneof("data")
    for point in getattr(metric, kind).data_points:
        value = point.sum if kind == "histogram" else point.as_int or point.as_double
        yield metric.name, _values(point.attributes), value


def _values(attributes: Any) -> dict[str, Any]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in attributes}


@contextmanager
def collecting() -> Iterator[Collector]:
    """Run a collector on a free port of this machine."""
    found = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            found.take(self.path, gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *arguments: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.endpoint = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
