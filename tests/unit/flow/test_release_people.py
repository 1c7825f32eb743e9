"""Who may let a release go on, and which release goes first: approvals, newer versions, events twice or never."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from shared.ledger.records import Act
from tests.unit.flow.releasing import RELEASE, first, release
from tests.unit.flow.world import AUTOMATION

APPROVED = RELEASE.replace("GATES", "      - approval: {roles: [approver], quorum: 1, expires: 48h}")


@pytest.fixture
def world(world_of: Callable[[str], Any]) -> Any:
    return world_of(RELEASE.replace("GATES\n", ""))


@pytest.fixture
def approved(world_of: Callable[[str], Any]) -> Any:
    return world_of(APPROVED)


async def say(
    world: Any, activity: Any, who: str, kind: Any = "approve", *, person: bool = True, role: str = "approver"
) -> Any:
    act = Act(kind=kind, who=who, at=world.now, reason=f"{who} says so", person=person, roles=(role,))
    await world.hub.acts.ask(activity.id, act)
    await world.run(60)
    return next(one for one in await world.activities() if one.id == activity.id)


async def by_hand(world: Any, who: str) -> Any:
    """Have somebody start a release by hand, and its evaluation end."""
    identifier, _ = await world.hub.rulebook.open_by_hand("delay-release", {"version": "7"}, who, "once", world.now)
    await world.run(3)
    world.azureml.end_jobs()
    await world.run(600)
    return next(one for one in await world.activities() if one.id == identifier)


async def test_who_asked_for_the_release_cannot_approve_it(approved: Any) -> None:
    activity = await by_hand(approved, "ann")
    assert (await say(approved, activity, "Ann")).status == "waiting-approval"
    assert (await say(approved, activity, "bob")).step("gates").state == "done"


async def test_a_key_that_asked_for_the_release_cannot_approve_it(approved: Any) -> None:
    activity = await by_hand(approved, "ci")
    assert (await say(approved, activity, "ci", person=False)).status == "waiting-approval"
    assert (await say(approved, activity, "cd", person=False)).step("gates").state == "done"


async def test_who_had_a_refused_release_tried_again_cannot_approve_it(approved: Any) -> None:
    activity = await release(approved, "1", minutes=10)
    assert (await say(approved, activity, "ann", "reject")).reason == "rejected by ann: ann says so"
    await approved.hub.acts.ask(activity.id, Act(kind="retry", who="bob", at=approved.now, person=True))
    await approved.run(60)
    approved.azureml.end_jobs()
    await approved.run(600)
    assert (await say(approved, activity, "bob")).status == "waiting-approval"
    assert (await say(approved, activity, "ann")).step("gates").state == "done"


async def test_somebody_without_the_role_does_not_count_and_reasons_are_kept(approved: Any) -> None:
    activity = await release(approved, "1", minutes=10)
    waiting = await say(approved, activity, "eve", role="operator")
    assert waiting.status == "waiting-approval"
    (vote,) = waiting.step("gates").detail["evidence"][-1]["evidence"]["votes"]
    assert (vote["counts"], vote["why-not"], vote["reason"]) == (False, "none of the roles approver", "eve says so")


async def test_nobody_is_asked_where_another_gate_refuses(approved: Any) -> None:
    approved.azureml.logged = {"mae": 26.0}
    activity = await release(approved, "1", minutes=10)
    assert (activity.status, activity.reason) == ("refused", "mae is 26, not <= 25")


# Which release goes first


async def test_a_newer_release_waits_while_people_are_asked(approved: Any) -> None:
    older = await release(approved, "1", minutes=10)
    assert older.status == "waiting-approval"
    newer = await release(approved, "2", minutes=10)
    assert (newer.status, "running" in newer.reason or "endpoint-delay" in newer.reason) == ("held", True)
    assert (await say(approved, older, "ann")).status in {"running", "succeeded"}
    await approved.run(120)
    approved.azureml.end_jobs()
    await approved.run(600)
    newer, older = await approved.activities()
    assert (older.status, newer.status) == ("succeeded", "waiting-approval")


async def test_a_newer_release_ends_one_whose_rollout_is_held(world: Any) -> None:
    blue = await first(world)
    world.endpoints.requests = 3
    older = await release(world, "2", minutes=30)
    assert older.status == "held"
    world.now += timedelta(seconds=1)
    await world.send(world.model_event("arrival-delay", "3"))
    await world.run(600)
    world.azureml.end_jobs()
    world.endpoints.requests = 100
    await world.run(3600)
    newer, older, _ = await world.activities()
    assert older.status == "superseded"
    assert older.reason == f"rolled back to {blue} 100%: superseded by {newer.id}"
    assert (newer.status, newer.step("deployment").detail["model"]) == ("succeeded", "arrival-delay:3")


async def test_two_models_of_the_same_second_are_two_releases_one_after_the_other(world: Any) -> None:
    await first(world)
    world.now += timedelta(seconds=60)
    await world.send(world.model_event("arrival-delay", "9"), world.model_event("arrival-delay", "10"))
    for _ in range(3):
        await world.run(60)
        world.azureml.end_jobs()
        await world.run(3600)
    found = [one for one in await world.activities() if one.step("deployment").detail.get("model") != "arrival-delay:1"]
    assert len(found) == 2
    assert sorted(one.status for one in found) in (["succeeded", "succeeded"], ["succeeded", "superseded"])
    (live,) = world.endpoints.traffic["delay"].live
    last = next(one for one in found if one.step("rollout").detail.get("live") == live)
    assert last.status == "succeeded"


async def test_an_event_that_comes_twice_is_one_release(world: Any) -> None:
    event = world.model_event("arrival-delay", "1")
    await world.send(event)
    await world.send({**event, "id": "another", "data": {**event["data"], "modelName": "arrival-delay"}})
    await world.run(3)
    world.azureml.end_jobs()
    await world.run(600)
    await world.send(event)
    await world.run(600)
    (activity,) = await world.activities()
    assert (activity.status, activity.cause.count) == ("succeeded", 1)


async def test_the_version_that_the_event_names_is_released_and_never_the_latest(world: Any) -> None:
    for version in ("9", "10"):
        await world.azureml.create_model("arrival-delay", version, "u", "mlflow_model", {}, {})
    activity = await release(world, "9")
    assert activity.step("deployment").detail["model"] == "arrival-delay:9"
    assert world.azureml.requests[-1].inputs["challenger"].value == "azureml:arrival-delay:9"


async def test_a_model_of_the_hubs_own_is_released_though_its_event_never_comes_and_once_if_it_does(
    world_of: Callable[[str], Any],
) -> None:
    """Given a training that registers a model, whose registration the service tells of much later."""
    world = world_of(f"{AUTOMATION}---{RELEASE.replace('GATES' + chr(10), '')}")
    for name in ("2013-01/a.csv", "2013-01/_SUCCESS"):
        await world.send(world.blob_event(f"flights/{name}", f"0x{name}"))
    for _ in range(8):
        await world.run(60)
        world.azureml.end_jobs()
    await world.run(1800)
    released, trained = await world.activities()
    version = trained.step("register").detail["version"]
    assert (released.automation, released.status) == ("delay-release", "succeeded")
    assert released.step("deployment").detail["model"] == f"arrival-delay:{version}"
    await world.send(world.model_event("arrival-delay", version))
    await world.run(1800)
    assert len(await world.activities()) == 2


@pytest.mark.parametrize("name", ["hub.dataset", "hub.files"])
@pytest.mark.parametrize("learned", ["1", "2"])
async def test_a_golden_set_that_a_model_was_trained_on_refuses(world: Any, name: str, learned: str) -> None:
    """Given a champion (1) or a challenger (2) whose lineage names the golden set."""
    await first(world)
    await world.azureml.create_model("arrival-delay", learned, "u", "mlflow_model", {}, {name: "delay-golden:1"})
    activity = await release(world, "2")
    assert activity.status == "refused"
    assert activity.reason.startswith(f"arrival-delay:{learned} was trained on azureml:delay-golden:1")
