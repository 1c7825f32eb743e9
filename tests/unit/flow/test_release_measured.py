"""What a rollout is judged by beside the service's metrics: the team's own by query, and requests of the hub's own."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from shared.bootstrap import wire
from shared.deciding.analysis import Measured
from shared.engine.outcomes import PermanentError, TransientError
from shared.settings import Settings
from tests.unit.flow.releasing import RELEASE, first, release
from tests.unit.flow.world import ENVIRONMENT

CUSTOM = RELEASE.replace("GATES\n", "").replace(
    "inconclusive: hold}",
    """inconclusive: hold, custom: {cost: {
      query: "T | where Deployment == '{deployment}' and Endpoint == '{endpoint}' and At between ({start} .. {end})",
      value: "rows.map(r, r.cost)[0] / double(size(rows))", threshold: "<= 3"}}}""",
)
SMOKE = RELEASE.replace("GATES\n", "").replace(
    "inconclusive: hold}", "inconclusive: hold, smoke: endpoints/smoke.jsonl}"
)


class Asked:
    """A place of queries that gives what the test says, and remembers what it was asked."""

    def __init__(self, rows: Any) -> None:
        self.rows_given: Any = rows
        self.queries: list[str] = []

    async def rows(self, query: str, start: datetime, end: datetime) -> list[dict[str, Any]]:
        self.queries.append(query)
        if isinstance(self.rows_given, Exception):
            raise self.rows_given
        return list(self.rows_given)


def asking(world: Any, rows: Any) -> Asked:
    asked = Asked(rows)
    world.hub = wire(
        Settings.read(ENVIRONMENT, world.root),
        world.store,
        world.data,
        world.azureml,
        lambda: world.now,
        endpoints=world.endpoints,
        batch=world.batch,
        queries=asked,
    )
    return asked


async def test_a_metric_of_the_teams_own_that_keeps_its_threshold_lets_it_go_on(
    world_of: Callable[[str], Any],
) -> None:
    world = world_of(CUSTOM)
    asked = asking(world, [{"cost": 4.0}, {"cost": 1.0}])
    await first(world)
    activity = await release(world, "2")
    assert (activity.status, activity.reason) == ("succeeded", "")
    finding = next(one["finding"] for one in activity.step("rollout").detail["history"] if "finding" in one)
    assert {"name": "cost", "value": 2.0, "threshold": "<= 3"} in finding["checks"]
    name = activity.step("deployment").detail["deployment"]
    assert f"Deployment == '{name}' and Endpoint == 'delay'" in asked.queries[-1]
    assert f"between ({finding['from']} .. {finding['to']})" in asked.queries[-1]


async def test_one_that_breaks_its_threshold_brings_the_traffic_back(world_of: Callable[[str], Any]) -> None:
    world = world_of(CUSTOM)
    asking(world, [{"cost": 7.0}])
    blue = await first(world)
    activity = await release(world, "2")
    assert activity.status == "failed"
    assert activity.reason == f"rolled back to {blue} 100%: canary 10%: cost is 7, not <= 3"


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ([], "cost: `rows.map"),
        ([{"cost": "much"}], "cost: `rows.map"),
        ([{"other": 1}], "cost: `rows.map"),
        (PermanentError("Log Analytics answered 400: 'T' is unknown"), "'T' is unknown"),
        (TransientError("Log Analytics did not answer"), "did not answer"),
    ],
)
async def test_one_that_has_no_value_holds_and_says_why(world_of: Callable[[str], Any], rows: Any, reason: str) -> None:
    world = world_of(CUSTOM)
    asked = asking(world, rows)
    await first(world)
    activity = await release(world, "2", minutes=60)
    assert activity.status == "held"
    assert "cost: no value was measured" in activity.reason
    assert reason in activity.reason
    asked.rows_given = [{"cost": 1.0}]
    await world.run(600)
    assert (await world.activities())[0].status == "succeeded"


async def test_without_a_place_of_queries_it_holds_and_names_the_setting(world_of: Callable[[str], Any]) -> None:
    world = world_of(CUSTOM)
    await first(world)
    activity = await release(world, "2")
    assert activity.status == "held"
    assert "HUB_LOGS_WORKSPACE is not set" in activity.reason


# Requests of the hub's own


@pytest.fixture
def smoking(world_of: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch) -> Any:
    """A release whose people send 10 requests, and whose service counts the hub's own as well."""
    world = world_of(SMOKE)
    (world.root / "endpoints" / "smoke.jsonl").write_text('{"data": [1]}\n\n{"data": [2]}\n')
    world.hub = world.start()
    world.endpoints.requests = 10
    times: list[datetime] = []
    call = world.endpoints.call

    async def noted(*given: Any) -> Any:
        times.append(world.now)
        return await call(*given)

    async def counted(endpoint: str, deployment: str, start: datetime, end: datetime, grain: int) -> Measured:
        own = sum(start <= at < end for at in times)
        return Measured(start, end, world.now, world.endpoints.requests + own, world.endpoints.errors)

    monkeypatch.setattr(world.endpoints, "call", noted)
    monkeypatch.setattr(world.endpoints, "measured", counted)
    return world


async def test_what_people_do_not_send_the_hub_sends_and_marks_it(smoking: Any) -> None:
    await first(smoking)
    activity = await release(smoking, "2")
    assert (activity.status, activity.reason) == ("succeeded", "")
    finding = next(one["finding"] for one in activity.step("rollout").detail["history"] if "finding" in one)
    assert 40 <= finding["smoke"] <= 50
    assert finding["requests"] == 10 + finding["smoke"]
    green = activity.step("deployment").detail["deployment"]
    assert {name for name, _ in smoking.endpoints.sent} == {green}
    assert {body for _, body in smoking.endpoints.sent} == {b'{"data": [1]}', b'{"data": [2]}'}


async def test_where_people_send_enough_the_hub_sends_nothing(smoking: Any) -> None:
    smoking.endpoints.requests = 500
    await first(smoking)
    assert (await release(smoking, "2")).status == "succeeded"
    assert smoking.endpoints.sent == []


async def test_errors_of_the_hubs_own_requests_count(smoking: Any) -> None:
    await first(smoking)
    smoking.endpoints.errors = 0.4
    assert "error rate is 40%" in (await release(smoking, "2")).reason


@pytest.mark.parametrize("text", ["", "\n\n", "{not json}\n"])
async def test_a_smoke_file_without_requests_brings_the_traffic_back(smoking: Any, text: str) -> None:
    (smoking.root / "endpoints" / "smoke.jsonl").write_text(text)
    smoking.hub = smoking.start()
    blue = await first(smoking)
    smoking.now += timedelta(seconds=1)
    activity = await release(smoking, "2")
    assert activity.status == "failed"
    assert activity.reason.startswith(f"rolled back to {blue} 100%: endpoints/smoke.jsonl")
