"""Endpoints and the way back by an operator's word."""

from datetime import timedelta
from typing import Any

import pytest

from shared.deciding.traffic import Traffic

RELEASE = """
name: delay-release
on: [{model-registered: {model: arrival-delay}}]
do:
  deploy:
    endpoint: endpoints/endpoint.yml
    deployment: endpoints/deployment.yml
    rollout: [{canary: {traffic: 10%, for: 15m}}]
    analysis: {error-rate: "< 1%", min-requests: 50, settle: 3m, inconclusive: hold}
    on-failure: rollback
    keep-previous: 24h
"""


@pytest.fixture
def serving(desk: Any) -> Any:
    """Given a hub that releases."""
    (desk.root / "automations" / "release.yml").write_text(RELEASE)
    desk.hub = desk.start()
    return desk


async def release(desk: Any, version: str, minutes: int = 60) -> Any:
    await desk.send(desk.model_event("arrival-delay", version))
    await desk.run(minutes * 60)
    return (await desk.activities())[0]


async def test_what_is_not_there_yet_is_absent(serving: Any) -> None:
    (one,) = (await serving.ask("endpoints")).json["items"]
    assert (one["name"], one["state"], one["automations"]) == ("delay", "absent", ["delay-release"])
    assert (await serving.ask("endpoint_rollback", name="delay")).status == 404


async def test_the_last_release_is_undone(serving: Any) -> None:
    assert (await release(serving, "1")).status == "succeeded"
    assert (await serving.ask("endpoint_rollback", name="delay")).json["title"] == "Nothing to go back to"
    (first,) = serving.endpoints.traffic["delay"].live
    last = await release(serving, "2")
    assert last.status == "succeeded"
    (one,) = (await serving.ask("endpoints")).json["items"]
    assert sorted((each["model"], each["traffic"]) for each in one["deployments"]) == [
        ("arrival-delay:1", 0),
        ("arrival-delay:2", 100),
    ]
    answer = await serving.ask("endpoint_rollback", {"reason": "customers complain"}, name="delay")
    assert (answer.status, answer.json["traffic"]) == (202, {first: 100})
    assert serving.endpoints.traffic["delay"].live == {first: 100}
    await serving.hub.sweep.run()
    serving.now += timedelta(hours=25)
    await serving.hub.sweep.run()
    assert list(serving.endpoints.found["delay"]) == [first]
    entry = (await serving.ask("audit", query={"limit": "1"})).json["items"][0]
    assert (entry["what"], entry["reason"]) == ("rollback", "customers complain")
    assert (await serving.ask("endpoint_rollback", name="delay")).json["title"] == "Somebody changed it"


async def test_a_release_under_way_goes_back(serving: Any) -> None:
    await release(serving, "1")
    (first,) = serving.endpoints.traffic["delay"].live
    under_way = await release(serving, "2", minutes=5)
    assert under_way.status == "running"
    assert (await serving.ask("endpoints")).json["items"][0]["release"] == under_way.id
    answer = await serving.ask("endpoint_rollback", name="delay")
    assert (answer.status, answer.json["release"]) == (202, under_way.id)
    await serving.run(600)
    assert serving.endpoints.traffic["delay"].live == {first: 100}
    assert (await serving.ask("activity", id=under_way.id)).json["status"] == "cancelled"


async def test_what_a_person_set_is_left_alone(serving: Any) -> None:
    await release(serving, "1")
    last = await release(serving, "2")
    names = list(serving.endpoints.found["delay"])
    serving.endpoints.traffic["delay"] = Traffic.of({names[0]: 50, names[1]: 50})
    answer = await serving.ask("endpoint_rollback", name="delay")
    assert (answer.status, answer.json["title"]) == (409, "Somebody changed it")
    assert last.id in answer.json["detail"]
