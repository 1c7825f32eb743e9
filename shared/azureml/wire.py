"""The shapes of online endpoints on the wire, and of what Azure Monitor says of them, read into the hub's own."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from shared.azureml.endpoints import DeploymentView, EndpointView
from shared.deciding.analysis import Measured
from shared.deciding.traffic import Traffic

_MODEL: Final = re.compile(r"/models/([^/]+)/versions/([^/]+)$")
_FAILED: Final = frozenset({"408", "424", "429"})
"""Beside 5xx: too slow, the model raised (https://learn.microsoft.com/azure/machine-learning/
how-to-troubleshoot-online-endpoints#http-status-codes), more than it can take. Other 4xx are the caller's."""


def endpoint_of(body: Mapping[str, Any]) -> EndpointView:
    """Read an endpoint."""
    properties = body["properties"]
    return EndpointView(
        name=str(body["name"]),
        state=str(properties.get("provisioningState") or ""),
        traffic=Traffic.of(_shares(properties.get("traffic")), _shares(properties.get("mirrorTraffic"))),
        scoring_uri=str(properties.get("scoringUri") or ""),
        compute="Kubernetes" if properties.get("compute") else "Managed",
        tags=dict(body.get("tags") or {}),
    )


def _shares(value: Any) -> dict[str, int]:
    return {str(name): int(share) for name, share in (value or {}).items()}


def deployment_of(body: Mapping[str, Any]) -> DeploymentView:
    """Read a deployment."""
    properties = body["properties"]
    match = _MODEL.search(str(properties.get("model") or ""))
    return DeploymentView(
        name=str(body["name"]),
        state=str(properties.get("provisioningState") or ""),
        model=f"{match[1]}:{match[2]}" if match else str(properties.get("model") or "").removeprefix("azureml:"),
        instances=int((body.get("sku") or {}).get("capacity") or 1),
        instance_type=str(properties.get("instanceType") or ""),
        tags=dict(body.get("tags") or {}),
    )


def stamp(moment: datetime) -> str:
    """Give a moment as Azure Monitor takes it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def measured_of(
    requests: Mapping[str, Any], latency: Mapping[str, Any], window: tuple[datetime, datetime], source: str
) -> Measured:
    """Read counts by status, and percentiles, of a window; failures are those that the deployment is to blame for."""
    total = failed = 0.0
    for metric in requests.get("value", []):
        for series in metric.get("timeseries", []):
            statuses = [str(item["value"]) for item in series.get("metadatavalues", []) if _is_status(item)]
            count = sum(float(point.get("average") or 0) for point in series.get("data", []))
            total += count
            failed += count if any(one.startswith("5") or one in _FAILED for one in statuses) else 0
    percentiles: dict[str, tuple[float, ...]] = {}
    for metric in latency.get("value", []):
        name = str(metric["name"]["value"]).rpartition("_")[2].lower()
        points = [point for series in metric.get("timeseries", []) for point in series.get("data", [])]
        percentiles[name] = tuple(float(point["average"]) for point in points if point.get("average") is not None)
    return Measured(
        start=window[0],
        end=window[1],
        read=datetime.now(UTC),
        requests=round(total),
        error_rate=failed / total if total else None,
        latency=percentiles,
        source=source,
    )


def _is_status(item: Mapping[str, Any]) -> bool:
    return str(item["name"]["value"]).lower() == "statuscode"
