"""What Azure Monitor says of an endpoint's requests, read as numbers of a window."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.azureml.online import AzureEndpoints
from shared.azureml.wire import measured_of

START = datetime(2026, 5, 1, 12, tzinfo=UTC)


def metric(name: str, *series: tuple[dict[str, str], list[float | None]]) -> dict[str, Any]:
    return {
        "name": {"value": name},
        "timeseries": [
            {
                "metadatavalues": [{"name": {"value": key}, "value": value} for key, value in of.items()],
                "data": [{"timeStamp": "t", **({} if one is None else {"average": one})} for one in values],
            }
            for of, values in series
        ],
    }


def test_minutes_are_added_up_by_status_and_minutes_without_requests_are_none() -> None:
    requests = metric(
        "RequestsPerMinute",
        ({"deployment": "green", "statuscode": "200"}, [30.0, None, 25.0, 0.0]),
        ({"deployment": "green", "statuscode": "503"}, [None, 3.0]),
        ({"deployment": "green", "statuscode": "424"}, [2.0]),
        ({"deployment": "green", "statuscode": "404"}, [40.0]),
    )
    latency = metric("RequestLatency_P95", ({"deployment": "green"}, [12.0, None, 20.0]))
    found = measured_of({"value": [requests]}, {"value": [latency]}, (START, START + timedelta(minutes=4)), "here")
    assert found.requests == 100
    assert found.error_rate == 0.05
    assert found.latency == {"p95": (12.0, 20.0)}


def test_a_window_without_requests_has_no_error_rate() -> None:
    found = measured_of({"value": [metric("RequestsPerMinute")]}, {}, (START, START), "here")
    assert (found.requests, found.error_rate, found.latency) == (0, None, {})


class Asked(AzureEndpoints):
    """Takes note of what Azure Monitor is asked."""

    def __init__(self) -> None:
        self.parameters: list[Any] = []

    async def request(self, *_: Any, parameters: Any = None, **__: Any) -> Any:
        self.parameters.append(parameters)
        return {}


@pytest.mark.parametrize(
    ("grain", "requests", "latency"), [(5, "PT5S", "PT5S"), (60, "PT1M", "PT1M"), (300, "PT1M", "PT5M")]
)
async def test_requests_are_asked_for_minute_by_minute_in_the_aggregation_that_they_have(
    grain: int, requests: str, latency: str
) -> None:
    endpoints = Asked()
    await endpoints.measured("delay", "green", START, START + timedelta(minutes=10), grain)
    first, second = endpoints.parameters
    assert (first["metricnames"], first["interval"], first["aggregation"]) == ("RequestsPerMinute", requests, "Average")
    assert first["timespan"] == "2026-05-01T12:00:00Z/2026-05-01T12:10:00Z"
    assert first["$filter"] == "deployment eq 'green' and statusCode eq '*'"
    assert (second["interval"], second["aggregation"]) == (latency, "Average")
