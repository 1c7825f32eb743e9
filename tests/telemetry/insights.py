"""Stands where Application Insights takes telemetry in, and lays what arrives out as the tables that queries ask.

The tables and columns are those of https://learn.microsoft.com/azure/azure-monitor/reference/tables-index, under the
names that Application Insights itself uses (requests, dependencies, traces, exceptions, customMetrics).
"""

import gzip
import json
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

_TABLES: Final = {
    "RequestData": "requests",
    "RemoteDependencyData": "dependencies",
    "MessageData": "traces",
    "ExceptionData": "exceptions",
}
Row = Mapping[str, Any]


@dataclass
class Insights:
    """What has arrived, by table."""

    connection: str = ""
    tables: dict[str, list[Row]] = field(default_factory=dict)

    def take(self, body: bytes) -> int:
        """Read one request of envelopes; give how many there were."""
        text = body.decode()
        read = json.loads(text) if text.startswith("[") else [json.loads(line) for line in text.splitlines() if line]
        for envelope in read:
            for table, row in _rows(envelope):
                self.tables.setdefault(table, []).append(row)
        return len(read)

    def asked(self, table: str, conditions: str) -> list[Row]:
        """Give the rows of a table that a `where` of a query leaves in."""
        tests = [_condition(one.strip()) for one in conditions.split(" and ")]
        return [row for row in self.tables.get(table, []) if all(test(row) for test in tests)]


def _rows(envelope: Mapping[str, Any]) -> Iterator[tuple[str, Row]]:
    kind, data, tags = envelope["data"]["baseType"], envelope["data"]["baseData"], envelope.get("tags") or {}
    common = {
        "timestamp": envelope["time"],
        "operation_Id": tags.get("ai.operation.id"),
        "operation_ParentId": tags.get("ai.operation.parentId"),
        "operation_Name": tags.get("ai.operation.name"),
        "cloud_RoleName": tags.get("ai.cloud.role"),
        "customDimensions": data.get("properties") or {},
        "itemCount": round(100 / (envelope.get("sampleRate") or 100)),
    }
    if kind == "MetricData":
        for metric in data["metrics"]:
            sums = {"value": metric["value"], "valueSum": metric["value"], "valueCount": metric.get("count") or 1}
            bounds = {"valueMin": metric.get("min"), "valueMax": metric.get("max")}
            yield "customMetrics", {**common, "name": metric["name"], **sums, **bounds}
        return
    found = {key: data[key] for key in ("id", "name", "success", "message", "severityLevel", "duration") if key in data}
    yield _TABLES[kind], {**common, **found}


def _condition(text: str) -> Any:
    match = re.fullmatch(r"(\S+) (==|>=|<=|<|>|in|startswith) (.+)", text)
    assert match, f"this reader of queries does not know {text!r}"
    column, operator, written = match.groups()
    values = [_value(one.strip()) for one in written.strip("()").split(",")]

    def test(row: Row) -> bool:
        found = column_of(row, column)
        if found is None:
            return False
        if operator == "in":
            return found in values
        if operator == "startswith":
            return str(found).startswith(values[0])
        if operator == "==":
            return bool(found == values[0])
        return {
            ">": found > values[0],
            "<": found < values[0],
            ">=": found >= values[0],
            "<=": found <= values[0],
        }[operator]

    return test


def column_of(row: Row, column: str) -> Any:
    """Give what a row holds in a column, or in one of its custom dimensions; None where it holds nothing."""
    if match := re.fullmatch(r"customDimensions(?:\.(\w+)|\[['\"]([\w.]+)['\"]\])", column):
        return row["customDimensions"].get(match[1] or match[2])
    return row.get(column)


def _value(text: str) -> Any:
    if text in {"true", "false"}:
        return text == "true"
    return text[1:-1] if text[0] in "\"'" else float(text)


@contextmanager
def ingesting() -> Iterator[Insights]:
    """Take telemetry in on a free port of this machine."""
    found = Insights()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            count = found.take(gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body)
            answer = json.dumps({"itemsReceived": count, "itemsAccepted": count, "errors": []}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *arguments: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    address = f"http://127.0.0.1:{server.server_address[1]}/"
    found.connection = f"InstrumentationKey=00000000-0000-4000-8000-000000000000;IngestionEndpoint={address}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
