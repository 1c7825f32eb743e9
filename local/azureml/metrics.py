"""Requests of online endpoints by the minute, asked for as Azure Monitor's metrics: by name and dimension, and late.

Names, units and dimensions: https://learn.microsoft.com/azure/azure-monitor/reference/supported-metrics/
microsoft-machinelearningservices-workspaces-onlineendpoints-metrics
"""

import asyncio
import os
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from aiohttp import web

from local.azureml.online import KIND, OnlineEndpoints
from local.azureml.routes import Call, Routes
from local.azureml.state import State
from local.azureml.wire import LOCATION, Json, invalid, reply

_KEPT: Final = timedelta(days=2)
_SAMPLES: Final = 5000
"""Latencies kept of one deployment, status and minute; counts go on beyond it."""
_SAVE: Final = 5.0
_PERCENTILES: Final = {"P50": 0.5, "P90": 0.9, "P95": 0.95, "P99": 0.99}
_NAMES: Final = {
    "requestsperminute": ("RequestsPerMinute", "Count"),
    "requestlatency": ("RequestLatency", "MilliSeconds"),
    **{f"requestlatency_{key.lower()}": (f"RequestLatency_{key}", "MilliSeconds") for key in _PERCENTILES},
}
_CLAUSE: Final = re.compile(r"(\w+)\s+eq\s+'([^']*)'", re.IGNORECASE)
_INTERVAL: Final = re.compile(r"PT(\d+)([SMH])|P(\d+)D")
_MINUTE: Final = 60
_SECONDS: Final = {"S": 1, "M": 60, "H": 3600}
_AGGREGATION: Final = "average"
"""The one that is documented for these metrics; Azure Monitor fails when asked for one that a metric lacks
(https://github.com/open-telemetry/opentelemetry-collector-contrib/pull/32320)."""


class Metrics:
    """Counts by endpoint, minute and (deployment, status, the model's status).

    HUB_METRICS_DELAY is how late they can be seen, in seconds (2): in Azure it is a minute or more.
    """

    def __init__(self, state: State, endpoints: OnlineEndpoints) -> None:
        self._state, self._endpoints = state, endpoints
        self._delay = timedelta(seconds=float(os.environ.get("HUB_METRICS_DELAY", "2")))
        self._minutes: dict[tuple[str, int], dict[str, Json]] = {}
        self._changed: set[tuple[str, int]] = set()
        for endpoint, _ in state.named(KIND):
            for minute, body in state.named("metrics", endpoint):
                self._minutes[endpoint, int(minute)] = body

    def serve(self, arm: Routes) -> None:
        """Add the routes: of an endpoint, and of a deployment."""
        arm.add("GET", f"{KIND}/{{name}}/providers/microsoft.insights/metrics", self._query)
        arm.add("GET", f"{KIND}/{{name}}/providers/microsoft.insights/metricDefinitions", self._definitions)

    def record(self, endpoint: str, deployment: str, status: int, model_status: int, took: float) -> None:
        """Count a request; `took` in seconds."""
        moment = time.time()
        key = (endpoint.lower(), int(moment // 60))
        series = self._minutes.setdefault(key, {}).setdefault(
            f"{deployment}|{status}|{model_status}", {"count": 0, "at": [], "ms": []}
        )
        series["count"] += 1
        if len(series["ms"]) < _SAMPLES:
            series["at"].append(round(moment, 3))
            series["ms"].append(round(took * 1000, 2))
        self._changed.add(key)

    def requests(self) -> Iterator[tuple[str, str, int, int, float, float]]:
        """Give what can be seen of each request: endpoint, deployment, status, the model's status, when, how long (ms).

        Of minutes with very many requests, those of which the latency was kept.
        """
        visible = (datetime.now(UTC) - self._delay).timestamp()
        for (endpoint, _), series in sorted(self._minutes.items()):
            for key, found in series.items():
                deployment, status, model = key.split("|")
                for at, took in zip(found["at"], found["ms"], strict=True):
                    if at <= visible:
                        yield endpoint, deployment, int(status), int(model), at, took

    async def save(self) -> None:
        """Write what changed, every few seconds, for ever."""
        while True:
            await asyncio.sleep(_SAVE)
            self.flush()

    def flush(self) -> None:
        """Write what changed; forget what is old."""
        oldest = int((datetime.now(UTC) - _KEPT).timestamp() // 60)
        for key in [key for key in self._minutes if key[1] < oldest]:
            del self._minutes[key]
            self._state.delete("metrics", str(key[1]), key[0])
        for endpoint, minute in self._changed:
            if (endpoint, minute) in self._minutes:
                self._state.put("metrics", str(minute), self._minutes[endpoint, minute], endpoint)
        self._changed.clear()

    async def _definitions(self, call: Call) -> web.Response:
        identity = self._endpoints.stored(call.name)["body"]["id"]
        dimensions = [{"value": name, "localizedValue": name} for name in ("deployment", "statusCode")]
        return reply(
            {
                "value": [
                    {
                        "id": f"{identity}/providers/microsoft.insights/metricdefinitions/{name}",
                        "resourceId": identity,
                        "name": {"value": name, "localizedValue": name},
                        "unit": unit,
                        "primaryAggregationType": "Average",
                        "dimensions": dimensions if name == "RequestsPerMinute" else dimensions[:1],
                    }
                    for name, unit in _NAMES.values()
                ]
            }
        )

    async def _query(self, call: Call) -> web.Response:
        body = self._endpoints.stored(call.name)["body"]
        start, end = _timespan(call.query.get("timespan", ""))
        step = _step(call.query.get("interval") or "PT1M")
        wanted = [name.strip() for name in call.query.get("metricnames", "").split(",") if name.strip()]
        filters = [(key.lower(), value) for key, value in _CLAUSE.findall(call.query.get("$filter", ""))]
        for kind in (call.query.get("aggregation") or _AGGREGATION).split(","):
            if kind.strip().lower() != _AGGREGATION:
                raise invalid(f"The aggregation '{kind.strip()}' is not documented for metrics of online endpoints.")
        for name in wanted:
            if name.lower() not in _NAMES:
                known = ", ".join(name for name, _ in _NAMES.values())
                raise invalid(f"There is no metric '{name}' of an online endpoint here. Known: {known}.")
        rows = self._rows(body["name"].lower(), start, end, filters)
        if step < _MINUTE:
            rows = _fine(rows, start, end, step)
        value = [self._metric(body["id"], *_NAMES[name.lower()], rows, filters, (start, step)) for name in wanted]
        return reply(
            {
                "cost": 0,
                "timespan": f"{_stamp(start)}/{_stamp(end)}",
                "interval": call.query.get("interval") or "PT1M",
                "value": value,
                "namespace": "Microsoft.MachineLearningServices/workspaces/onlineEndpoints",
                "resourceregion": LOCATION,
            }
        )

    def _rows(self, endpoint: str, start: datetime, end: datetime, filters: list[tuple[str, str]]) -> list[Json]:
        """Give what was counted and can be seen by now: dimensions, minute, latencies."""
        visible = (datetime.now(UTC) - self._delay).timestamp()
        first, last = int(start.timestamp() // 60), end.timestamp()
        rows = []
        for (name, minute), series in self._minutes.items():
            if name != endpoint or minute < first or minute * 60 >= last:
                continue
            for key, found in series.items():
                deployment, status, model = key.split("|")
                row: Json = {
                    "deployment": deployment,
                    "statuscode": status,
                    "statuscodeclass": f"{status[0]}xx",
                    "modelstatuscode": model if model != "0" else "",
                    "minute": minute,
                }
                pairs = zip(found["at"], found["ms"], strict=True)
                seen = [(at, ms) for at, ms in pairs if at <= visible]
                row["ms"], row["at"] = [ms for _, ms in seen], [at for at, _ in seen]
                # Those beyond the samples kept came last; they are seen with the whole minute.
                row["more"] = found["count"] - len(found["ms"]) if (minute + 1) * 60 <= visible else 0
                if row["ms"] and _matches(row, filters):
                    rows.append(row)
        return rows

    @staticmethod
    def _metric(
        identity: str,
        name: str,
        unit: str,
        rows: list[Json],
        filters: list[tuple[str, str]],
        grid: tuple[datetime, int],
    ) -> Json:
        dimensions = list(dict.fromkeys(key for key, _ in filters))
        groups: dict[tuple[str, ...], dict[int, list[Json]]] = {}
        start, step = grid
        for row in rows:
            group = groups.setdefault(tuple(row[key] for key in dimensions), {})
            slot = max(0, (row["minute"] * 60 - int(start.timestamp() // 60) * 60) // step)
            group.setdefault(row.get("slot", slot), []).append(row)
        base = int(start.timestamp() // 60) * 60 if step >= _MINUTE else int(start.timestamp())
        series = [
            {
                "metadatavalues": [
                    {"name": {"value": key, "localizedValue": key}, "value": value}
                    for key, value in zip(dimensions, group, strict=True)
                ],
                "data": [
                    {
                        "timeStamp": _stamp(datetime.fromtimestamp(base + slot * step, UTC)),
                        _AGGREGATION: _value(name, found),
                    }
                    for slot, found in sorted(slots.items())
                ],
            }
            for group, slots in groups.items()
        ]
        return {
            "id": f"{identity}/providers/Microsoft.Insights/metrics/{name}",
            "type": "Microsoft.Insights/metrics",
            "name": {"value": name, "localizedValue": name},
            "displayDescription": name,
            "unit": unit,
            "timeseries": series,
            "errorCode": "Success",
        }


def _matches(row: Json, filters: list[tuple[str, str]]) -> bool:
    """Tell whether a row fits: values of one dimension are alternatives, `*` is any."""
    for key in {key for key, _ in filters}:
        if key not in row:
            raise invalid(
                f"There is no dimension '{key}': deployment, statusCode, statusCodeClass, modelStatusCode are."
            )
        if not any(value in {"*", row[key]} for other, value in filters if other == key):
            return False
    return True


def _value(name: str, rows: list[Json]) -> float:
    """Give the average: of the minutes for requests, of the requests for latencies; a percentile is the service's."""
    if name == "RequestsPerMinute":
        minutes = {row["minute"] for row in rows if "slot" not in row}  # finer than minutes, each slot is a value
        return float(sum(len(row["ms"]) + row["more"] for row in rows)) / (len(minutes) or 1)
    values = sorted(value for row in rows for value in row["ms"])
    share = _PERCENTILES.get(name.rpartition("_")[2])
    if share is not None:
        return float(values[min(len(values) - 1, int(share * len(values)))])
    return float(sum(values) / len(values))


def _fine(rows: list[Json], start: datetime, end: datetime, step: int) -> list[Json]:
    """Share rows out to intervals of seconds, finer than in Azure: so that a rollout can be watched in minutes."""
    first, last = start.timestamp(), end.timestamp()
    slots: dict[tuple[int, int], Json] = {}
    for index, row in enumerate(rows):
        for at, ms in zip(row["at"], row["ms"], strict=True):
            if first <= at < last:
                slot = int((at - first) // step)
                fine = slots.setdefault((index, slot), {**row, "ms": [], "more": 0, "slot": slot})
                fine["ms"].append(ms)
    return list(slots.values())


def _timespan(text: str) -> tuple[datetime, datetime]:
    """Read start/end, or a duration back from now; the last hour where nothing is said."""
    now = datetime.now(UTC)
    if not text:
        return now - timedelta(hours=1), now
    first, _, last = text.partition("/")
    try:
        if first.startswith("P"):
            return now - timedelta(seconds=_step(first)), now
        begin = datetime.fromisoformat(first)
        end = datetime.fromisoformat(last) if last else now
    except ValueError:
        raise invalid(f"The timespan '{text}' is not start/end in ISO 8601.") from None
    utc: Any = [moment if moment.tzinfo else moment.replace(tzinfo=UTC) for moment in (begin, end)]
    return utc[0], utc[1]


def _step(text: str) -> int:
    found = _INTERVAL.fullmatch(text.upper())
    if not found:
        raise invalid(f"The interval '{text}' is not such as PT1M, PT1H or P1D.")
    if found[3]:
        return int(found[3]) * 86400
    return max(1, int(found[1]) * _SECONDS[found[2]])


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
