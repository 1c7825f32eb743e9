"""Metrics of deployments: late by a set delay, as Azure Monitor's are, and asked for by name and dimension."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from local.azureml.metrics import Metrics


class Nothing:
    """Stands where the state and the endpoints do: nothing is kept yet."""

    def named(self, *_: str) -> list[Any]:
        return []


def rows(metrics: Metrics) -> list[dict[str, Any]]:
    time.sleep(0.01)  # a request of this very millisecond is not over yet
    now = datetime.now(UTC)
    return metrics._rows("e", now - timedelta(minutes=5), now + timedelta(minutes=5), [])


def test_a_request_is_seen_after_the_delay_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """https://learn.microsoft.com/azure/machine-learning/how-to-monitor-online-endpoints: metrics come late."""
    for delay, seen in (("60", 0), ("0", 1)):
        monkeypatch.setenv("HUB_METRICS_DELAY", delay)
        metrics = Metrics(Nothing(), Nothing())  # type: ignore[arg-type]  # a stand-in
        metrics.record("e", "blue", 200, 0, 0.01)
        assert len(rows(metrics)) == seen


def test_requests_are_counted_by_deployment_and_status(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUB_METRICS_DELAY", "0")
    metrics = Metrics(Nothing(), Nothing())  # type: ignore[arg-type]  # a stand-in
    for deployment, status in (("blue", 200), ("blue", 200), ("blue", 424), ("green", 200)):
        metrics.record("E", deployment, status, 500 if status == 424 else 0, 0.02)
    counted = {(row["deployment"], row["statuscode"], row["statuscodeclass"]): len(row["ms"]) for row in rows(metrics)}
    assert counted == {("blue", "200", "2xx"): 2, ("blue", "424", "4xx"): 1, ("green", "200", "2xx"): 1}
