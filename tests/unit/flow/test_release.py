"""A release from the registration of a model to all traffic, and every way back; in memory and by the shipped code."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from shared.deciding.traffic import Traffic
from shared.ledger.records import Act

RELEASE = """
name: delay-release
on: [{model-registered: {model: arrival-delay}}]
do:
  deploy:
    endpoint: endpoints/endpoint.yml
    deployment: endpoints/deployment.yml
    evaluate: {job: jobs/evaluate.yml, data: "azureml:delay-golden:1"}
    gates:
      - metrics: {mae: "<= 25"}
      - champion: {metric: mae, better: lower, tolerance: 1%, when-none: pass-with-note}
GATES
    rollout:
      - shadow: {traffic: 20%, for: 10m}
      - canary: {traffic: 10%, for: 15m}
      - canary: {traffic: 50%, for: 15m}
    analysis: {error-rate: "< 1%", p95-latency: "< 300ms", min-requests: 50, settle: 3m, inconclusive: hold}
    on-failure: rollback
    keep-previous: 24h
"""


@pytest.fixture
def world(world_of: Callable[[str], Any]) -> Any:
    return world_of(RELEASE.replace("GATES\n", ""))


async def release(world: Any, version: str, minutes: int = 90) -> Any:
    await world.send(world.model_event("arrival-delay", version))
    await world.run(3)
    world.azureml.end_jobs()
    await world.run(minutes * 60)
    return (await world.activities())[0]


async def first(world: Any) -> str:
    """Release version 1; give the name of its deployment."""
    activity = await release(world, "1")
    assert (activity.status, activity.reason) == ("succeeded", "")
    (name,) = world.endpoints.traffic["delay"].live
    return str(name)


async def test_a_first_release_takes_all_traffic_at_once(world: Any) -> None:
    name = await first(world)
    assert world.endpoints.changes == [("delay", f"{name} 100%")]
    (activity,) = await world.activities()
    gates = activity.step("gates").detail["evidence"]
    assert [gate["result"] for gate in gates] == ["passed", "passed-with-note"]


async def test_a_better_model_goes_by_shadow_and_canary_to_all_traffic(world: Any) -> None:
    blue = await first(world)
    world.azureml.logged = {"mae": 17.0, "champion.mae": 17.5, "difference.mae.low": -1.0, "difference.mae.high": -0.1}
    activity = await release(world, "2")
    assert (activity.status, activity.reason) == ("succeeded", "")
    green = activity.step("rollout").detail["deployment"]
    assert [traffic for _, traffic in world.endpoints.changes[1:]] == [
        f"{blue} 100%, {green} mirrors 20%",
        *(", ".join(sorted((f"{blue} {100 - n}%", f"{green} {n}%"))) for n in (10, 50)),
        f"{green} 100%",
    ]
    assert set(world.endpoints.found["delay"]) == {blue, green}
    request = world.azureml.requests[-1]
    assert request.inputs["champion"].value == "azureml:arrival-delay:1"
    world.now += timedelta(hours=25)
    await world.hub.sweep.run()
    assert set(world.endpoints.found["delay"]) == {green}


@pytest.mark.parametrize("fraction", [0, 400_000, 999_999])
async def test_a_step_is_measured_from_its_first_whole_interval_on(world: Any, fraction: int) -> None:
    await first(world)
    world.azureml.logged = {"mae": 17.0, "champion.mae": 17.5}
    world.now = world.now.replace(microsecond=fraction)
    activity = await release(world, "2", minutes=180)
    assert (activity.status, activity.reason) == ("succeeded", "")
    settled = [one["at"] for one in activity.step("rollout").detail["history"] if one["act"] == "Confirm"]
    starts = [one["finding"]["from"] for one in activity.step("rollout").detail["history"] if "finding" in one]
    pairs = zip(settled, starts, strict=False)
    assert all(datetime.fromisoformat(start) >= datetime.fromisoformat(at) for at, start in pairs)


async def test_a_worse_model_is_refused_with_numbers(world: Any) -> None:
    blue = await first(world)
    world.azureml.logged = {"mae": 19.0, "champion.mae": 17.5}
    activity = await release(world, "2")
    assert activity.status == "refused"
    assert "worse than the champion: mae 19 against 17.5 (tolerance 1%)" in activity.reason
    assert set(world.endpoints.found["delay"]) == {blue}


async def test_a_missing_metric_refuses(world: Any) -> None:
    world.azureml.logged = {"rmse": 3.0}
    activity = await release(world, "1")
    assert activity.status == "refused"
    assert "mae is missing" in activity.reason


async def test_bad_live_goes_back_and_saves_the_log(world: Any) -> None:
    blue = await first(world)
    world.azureml.logged = {"mae": 17.0, "champion.mae": 17.5}
    await release(world, "2", minutes=16)
    world.endpoints.errors = 0.2
    await world.run(3600)
    activity = (await world.activities())[0]
    assert activity.status == "failed"
    assert activity.reason.startswith(f"rolled back to {blue} 100%: canary 10%: error rate is 20%")
    assert world.endpoints.traffic["delay"] == Traffic({blue: 100})
    assert set(world.endpoints.found["delay"]) == {blue}
    assert b"it broke" in await world.store.blobs.get(activity.step("rollout").detail["logs"])


async def test_too_few_requests_hold_until_a_person_decides(world: Any) -> None:
    await first(world)
    world.azureml.logged = {"mae": 17.0, "champion.mae": 17.5}
    world.endpoints.requests = 3
    activity = await release(world, "2", minutes=60)
    assert activity.status == "held"
    assert "3 requests, at least 50 are needed" in activity.reason
    await world.hub.acts.ask(activity.id, Act(kind="release", who="ann", at=world.now))
    world.endpoints.requests = 100
    await world.run(3600 * 2)
    assert (await world.activities())[0].status == "succeeded"


async def test_a_person_who_changes_the_traffic_stops_the_rollout(world: Any) -> None:
    await first(world)
    world.azureml.logged = {"mae": 17.0, "champion.mae": 17.5}
    activity = await release(world, "2", minutes=5)
    green = activity.step("deployment").detail["deployment"]
    world.endpoints.traffic["delay"] = Traffic({green: 100})
    await world.run(3600)
    activity = (await world.activities())[0]
    assert activity.status == "failed"
    assert activity.reason.startswith("stopped: somebody changed the traffic")
    assert world.endpoints.traffic["delay"] == Traffic({green: 100})


async def test_lost_changes_of_traffic_are_asked_for_again(world: Any) -> None:
    world.endpoints.lost = 3
    await first(world)


async def test_a_deployment_that_fails_ends_with_its_log(world: Any) -> None:
    world.endpoints.fate = "Failed"
    activity = await release(world, "1")
    assert activity.status == "failed"
    assert "ValueError: it broke" in activity.reason
    assert world.endpoints.found["delay"] == {}


async def test_people_approve_and_the_release_goes_on(world_of: Callable[[str], Any]) -> None:
    world = world_of(RELEASE.replace("GATES", "      - approval: {roles: [approver], quorum: 2, expires: 48h}"))
    activity = await release(world, "1", minutes=10)
    assert activity.status == "waiting-approval"

    async def approve(who: str, *, person: bool = True) -> None:
        act = Act(kind="approve", who=who, at=world.now, person=person, roles=("approver",))
        await world.hub.acts.ask(activity.id, act)
        await world.run(60)

    await approve("ann")
    await approve("ANN")
    await approve("key:ops", person=False)
    assert (await world.activities())[0].status == "waiting-approval"
    await approve("bob")
    await world.run(600)
    assert (await world.activities())[0].status == "succeeded"


async def test_nobody_answers_and_it_is_refused(world_of: Callable[[str], Any]) -> None:
    world = world_of(RELEASE.replace("GATES", "      - approval: {roles: [approver], quorum: 1, expires: 48h}"))
    activity = await release(world, "1", minutes=49 * 60)
    assert activity.status == "refused"
    assert "expired" in activity.reason


async def test_one_release_at_a_time_and_the_newest_of_those_held_goes_on(world: Any) -> None:
    blue = await first(world)
    world.azureml.logged = {"mae": 17.0, "champion.mae": 17.5}
    await release(world, "2", minutes=5)
    for version in ("3", "4"):
        world.now += timedelta(seconds=1)
        await world.send(world.model_event("arrival-delay", version))
        await world.run(5)
    assert [one.status for one in await world.activities()] == ["held", "superseded", "running", "succeeded"]
    await world.run(3600)
    world.azureml.end_jobs()
    await world.run(2 * 3600)
    newest = (await world.activities())[0]
    assert (newest.status, newest.step("deployment").detail["model"]) == ("succeeded", "arrival-delay:4")
    assert blue not in world.endpoints.traffic["delay"].live


async def test_cancelling_a_rollout_brings_the_traffic_back(world: Any) -> None:
    blue = await first(world)
    world.azureml.logged = {"mae": 17.0, "champion.mae": 17.5}
    activity = await release(world, "2", minutes=20)
    assert len(world.endpoints.traffic["delay"].live) == 2
    await world.hub.acts.ask(activity.id, Act(kind="cancel", who="ann", at=world.now, reason="no"))
    await world.run(120)
    assert (await world.activities())[0].reason == "cancelled by ann: no"
    assert world.endpoints.traffic["delay"] == Traffic({blue: 100})
    assert set(world.endpoints.found["delay"]) == {blue}
