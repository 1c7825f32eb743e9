"""What becomes of a release when something goes wrong: said early, taken back, waited for, or left to a person."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, Literal

import pytest

from shared.azureml.endpoints import DeploymentView, EndpointView
from shared.deciding.analysis import Measured
from shared.deciding.traffic import Traffic
from shared.engine.outcomes import PermanentError, TransientError
from shared.ledger.records import Act
from tests.unit.flow.releasing import RELEASE, Losing, first, release


@pytest.fixture
def world(world_of: Callable[[str], Any]) -> Any:
    return world_of(RELEASE.replace("GATES\n", ""))


# Before anything is made


@pytest.mark.parametrize("name", ["-delay", "d", "delay_1", "d" * 33])
async def test_a_name_that_azure_refuses_is_told_before_anything_is_made(
    world_of: Callable[[str], Any], name: str
) -> None:
    world = world_of(RELEASE.replace("GATES\n", ""))
    (world.root / "endpoints" / "endpoint.yml").write_text(f"name: {name}\nauth_mode: key\n")
    world.hub = world.start()
    activity = await release(world, "1")
    assert activity.status == "failed"
    assert "names have 3 to 32 letters" in activity.reason
    assert world.endpoints.traffic == {}


async def test_a_long_deployment_name_is_cut_to_what_azure_takes(world_of: Callable[[str], Any]) -> None:
    world = world_of(RELEASE.replace("GATES\n", ""))
    (world.root / "endpoints" / "deployment.yml").write_text(f"name: {'long-' * 12}\nendpoint_name: delay\n")
    world.hub = world.start()
    name = await first(world)
    assert 3 <= len(name) <= 32


async def test_a_quota_that_does_not_suffice_is_told_before_anything_is_made(world: Any) -> None:
    world.endpoints.short = "1 x Standard_DS2_v2 needs 4 free cores"
    (world.root / "endpoints" / "deployment.yml").write_text(
        "name: delay\nendpoint_name: delay\ninstance_type: Standard_DS2_v2\n"
    )
    world.hub = world.start()
    activity = await release(world, "1")
    assert (activity.status, activity.reason) == ("failed", "1 x Standard_DS2_v2 needs 4 free cores")
    assert world.endpoints.traffic == {}


async def test_a_full_endpoint_is_told_before_anything_is_made(world: Any) -> None:
    await first(world)
    for number in range(19):
        world.endpoints.found["delay"][f"old-{number}"] = DeploymentView(f"old-{number}", "Succeeded")
    activity = await release(world, "2")
    assert activity.status == "failed"
    assert "has 20 deployments, and 20 are the most" in activity.reason
    assert len(world.endpoints.found["delay"]) == 20


async def test_shadow_is_refused_where_traffic_cannot_be_mirrored(
    world_of: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    world = world_of(RELEASE.replace("GATES\n", "").replace("canary: {traffic: 10%", "shadow: {traffic: 10%"))
    await first(world)

    async def kubernetes(name: str) -> EndpointView:
        return EndpointView(name, "Succeeded", world.endpoints.traffic[name], "", "Kubernetes")

    monkeypatch.setattr(world.endpoints, "endpoint", kubernetes)
    activity = await release(world, "2")
    assert activity.status == "failed"
    assert "cannot mirror traffic" in activity.reason
    assert len(world.endpoints.found["delay"]) == 1


# The deployment


async def test_a_deployment_that_fails_tells_the_services_reason_and_its_log(world: Any) -> None:
    world.endpoints.fate = "Failed"
    activity = await release(world, "1")
    assert activity.status == "failed"
    assert "ResourceNotReady" in activity.reason
    assert "ValueError: it broke" in activity.reason
    assert b"it broke" in await world.store.blobs.get(activity.step("deployment").detail["logs"])
    assert world.endpoints.found["delay"] == {}


async def test_a_deployment_that_is_never_ready_fails_with_its_log_and_is_removed(world: Any) -> None:
    world.endpoints.fate = "Creating"
    activity = await release(world, "1", minutes=60)
    assert activity.status == "failed"
    assert "was not ready within 45 minutes" in activity.reason
    assert "it broke" in activity.reason
    assert world.endpoints.found["delay"] == {}


async def test_a_deployment_that_cannot_be_removed_at_once_is_removed_later(
    world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(endpoint: str, name: str) -> None:
        raise PermanentError("it is being updated")

    world.endpoints.fate = "Failed"
    monkeypatch.setattr(world.endpoints, "delete_deployment", refuse)
    activity = await release(world, "1")
    assert activity.status == "failed"
    assert len(world.endpoints.found["delay"]) == 1
    monkeypatch.undo()
    await world.hub.sweep.run()
    assert world.endpoints.found["delay"] == {}


async def test_an_endpoint_that_is_being_changed_is_waited_for(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    await first(world)
    until = world.now + timedelta(minutes=20)

    async def busy(name: str) -> EndpointView:
        state = "Updating" if world.now < until else "Succeeded"
        return EndpointView(name, state, world.endpoints.traffic[name], "")

    monkeypatch.setattr(world.endpoints, "endpoint", busy)
    activity = await release(world, "2", minutes=15)
    assert (activity.status, activity.reason) == ("running", "endpoint delay is Updating")
    assert len(world.endpoints.found["delay"]) == 1
    await world.run(3600)
    assert (await world.activities())[0].status == "succeeded"


# Lost answers and conflicts


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("times", [1, 2])
async def test_every_call_may_get_no_answer_or_a_conflict(
    world: Any, when: Literal["before", "after"], times: int
) -> None:
    blue = await first(world)
    world.azureml.logged = {"mae": 17.0}
    world.endpoints, world.azureml = Losing(world.endpoints, when, times), Losing(world.azureml, when, times)
    world.hub = world.start()
    await world.send(world.model_event("arrival-delay", "2"))
    await world.run(3600)
    world.azureml.end_jobs()
    await world.run(4 * 3600)
    activity = (await world.activities())[0]
    assert (activity.status, activity.reason) == ("succeeded", "")
    green = activity.step("rollout").detail["deployment"]
    changes = [traffic for _, traffic in world.endpoints.changes[1:]]
    assert changes == [", ".join(sorted((f"{blue} 90%", f"{green} 10%"))), f"{green} 100%"]
    assert set(world.endpoints.found["delay"]) == {blue, green}
    assert {name for name in world.azureml.jobs if "evaluate-1" in name} == set(world.azureml.jobs)


@pytest.mark.parametrize("when", ["before", "after"])
async def test_the_way_back_survives_lost_answers_too(world: Any, when: Literal["before", "after"]) -> None:
    blue = await first(world)
    await release(world, "2", minutes=6)
    world.endpoints.errors = 0.5
    world.endpoints = Losing(world.endpoints, when, 2)
    world.hub = world.start()
    await world.run(3600)
    activity = (await world.activities())[0]
    assert activity.status == "failed"
    assert activity.reason.startswith(f"rolled back to {blue} 100%")
    assert set(world.endpoints.found["delay"]) == {blue}


async def test_a_long_outage_never_leaves_the_traffic_shared_out(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    await first(world)
    await release(world, "2", minutes=5)

    async def silent(name: str) -> EndpointView:
        raise TransientError("503")

    monkeypatch.setattr(world.endpoints, "endpoint", silent)
    await world.run(6 * 3600)
    activity = (await world.activities())[0]
    assert (activity.status, activity.reason) == ("running", "looked at again: 503")
    monkeypatch.undo()
    await world.run(3600)
    assert (await world.activities())[0].status == "succeeded"


async def test_what_the_service_refuses_for_good_brings_the_traffic_back(
    world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    blue = await first(world)
    await release(world, "2", minutes=5)
    take = world.endpoints.set_traffic

    async def refuse(endpoint: str, traffic: Traffic, expected: Traffic) -> bool:
        if len(traffic.live) == 1 and blue not in traffic.live:
            raise PermanentError("PUT answered 400: BadRequest")
        return bool(await take(endpoint, traffic, expected))

    monkeypatch.setattr(world.endpoints, "set_traffic", refuse)
    await world.run(3600)
    activity = (await world.activities())[0]
    assert activity.status == "failed"
    assert activity.reason == f"rolled back to {blue} 100%: PUT answered 400: BadRequest"
    assert world.endpoints.traffic["delay"] == Traffic({blue: 100})


# Metrics


@pytest.mark.parametrize("error", [PermanentError("403: no role"), TransientError("503")])
async def test_metrics_that_cannot_be_read_hold_the_rollout_and_say_why(
    world: Any, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    await first(world)

    async def unreadable(*_: Any) -> Any:
        raise error

    monkeypatch.setattr(world.endpoints, "measured", unreadable)
    activity = await release(world, "2", minutes=60)
    assert activity.status == "held"
    assert str(error) in activity.reason
    monkeypatch.undo()
    await world.run(600)
    assert (await world.activities())[0].status == "succeeded"


async def test_it_goes_back_also_while_it_waits_for_a_person(world: Any) -> None:
    blue = await first(world)
    world.endpoints.requests = 3
    activity = await release(world, "2", minutes=30)
    assert activity.status == "held"
    world.endpoints.found["delay"][activity.step("rollout").detail["deployment"]] = DeploymentView(
        activity.step("rollout").detail["deployment"], "Failed"
    )
    await world.run(300)
    activity = (await world.activities())[0]
    assert activity.status == "failed"
    assert activity.reason == f"rolled back to {blue} 100%: the deployment failed: Failed"
    assert set(world.endpoints.found["delay"]) == {blue}


async def test_errors_that_come_while_it_is_held_bring_the_traffic_back(world: Any) -> None:
    blue = await first(world)
    world.endpoints.requests = 3
    assert (await release(world, "2", minutes=30)).status == "held"
    world.endpoints.requests, world.endpoints.errors = 100, 0.5
    await world.run(300)
    assert (await world.activities())[0].reason.startswith(f"rolled back to {blue} 100%: canary 10%: error rate is 50%")


async def test_requests_that_come_late_still_count_so_a_quiet_step_only_takes_longer(
    world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    await first(world)

    async def two_a_minute(endpoint: str, deployment: str, start: Any, end: Any, grain: int) -> Any:
        count = int((end - start).total_seconds() / 30)
        return Measured(start, end, world.now, count, 0.0, {})

    monkeypatch.setattr(world.endpoints, "measured", two_a_minute)
    activity = await release(world, "2", minutes=20)
    assert activity.status == "held"
    assert "at least 50 are needed" in activity.reason
    await world.run(15 * 60)
    assert (await world.activities())[0].status == "succeeded"


# Persons


async def test_a_persons_change_leaves_everything_as_it_is(world: Any) -> None:
    blue = await first(world)
    activity = await release(world, "2", minutes=5)
    green = activity.step("deployment").detail["deployment"]
    world.endpoints.traffic["delay"] = Traffic.of({blue: 70, green: 30})
    await world.run(3600)
    await world.hub.sweep.run()
    assert (await world.activities())[0].reason.startswith("stopped: somebody changed the traffic")
    assert set(world.endpoints.found["delay"]) == {blue, green}
    assert world.endpoints.traffic["delay"] == Traffic.of({blue: 70, green: 30})


async def test_what_a_cancelled_release_made_is_removed_wherever_it_was(
    world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a person who cancels at the moment at which the deployment is ready."""
    blue = await first(world)
    made = world.hub.engine._runners["deployment"]

    async def meanwhile(work: Any) -> Any:
        answer = await made(work)
        if type(answer).__name__ == "Done":
            await world.hub.acts.ask(work.activity.id, Act(kind="cancel", who="ann", at=world.now))
        return answer

    monkeypatch.setitem(world.hub.engine._runners, "deployment", meanwhile)
    activity = await release(world, "2")
    assert activity.status == "cancelled"
    await world.hub.sweep.run()
    assert set(world.endpoints.found["delay"]) == {blue}


async def test_what_the_previous_deployment_costs_is_shown(world: Any) -> None:
    await first(world)
    activity = await release(world, "2")
    assert activity.step("rollout").detail["previous-cost"] == (
        "1d of 1 x Standard_DS2_v2: HUB_COMPUTE_PRICES has no price for it"
    )
