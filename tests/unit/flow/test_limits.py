"""Limits, pauses and what people ask, on the shipped engine in memory."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from shared.engine.acts import NotPossibleError
from shared.ledger.protocol import StoreError
from shared.ledger.records import Act, Activity
from shared.ledger.switches import Pause
from shared.ledger.usage import Usages
from tests.unit.flow.world import ENVIRONMENT

ON = "on: [{model-registered: {model: m}}]\ndo: {job: {job: jobs/train.yml, inputs: {data: 'azureml:x:1'}}}"


def automation(limits: str) -> str:
    return f"name: limited\n{ON}\nlimits: {limits}"


async def open_some(world: Any, *versions: str) -> None:
    for version in versions:
        world.now += timedelta(seconds=1)
        await world.send(world.model_event("m", version))
    await world.run(2)


async def statuses(world: Any) -> list[str]:
    return [activity.status for activity in reversed(await world.activities())]


async def test_a_busy_group_holds_and_lets_go_in_order(world_of: Callable[[str], Any]) -> None:
    world = world_of(automation("{concurrency: {group: g, max: 1}}"))
    await open_some(world, "1", "2", "3")
    assert await statuses(world) == ["running", "held", "held"]
    held = (await world.activities())[1]
    assert "group g: 1 of 1 run" in held.reason
    world.azureml.end_jobs()
    await world.run(30)
    assert await statuses(world) == ["succeeded", "running", "held"]
    for _ in range(3):
        await world.finish()
    assert await statuses(world) == ["succeeded"] * 3


async def test_merge_joins_the_one_that_is_held(world_of: Callable[[str], Any]) -> None:
    world = world_of(automation("{concurrency: {group: g, max: 1, when-busy: merge}}"))
    await open_some(world, "1", "2", "3")
    assert await statuses(world) == ["running", "held", "superseded"]
    newest, held, _ = await world.activities()
    assert newest.reason == f"merged into {held.id}"
    assert (held.merged, held.cause.count) == ([newest.id], 2)


MERGE = "{concurrency: {group: g, max: 1, when-busy: merge}}"


async def half_merged(world: Any) -> list[Activity]:
    """Give three activities: the newest is merged into the one that is held, and the answer of that was lost."""
    await open_some(world, "1", "2")
    activities = world.hub.activities
    save = activities.save

    async def lost(activity: Activity, etag: str) -> str:
        written = str(await save(activity, etag))
        if activity.merged:
            raise StoreError("no answer")
        return written

    activities.save = lost
    await open_some(world, "3")
    activities.save = save
    newest, held, first = await world.activities()
    assert held.merged == [newest.id]
    return [newest, held, first]


async def test_what_was_taken_over_is_not_cancelled_or_tried_again_by_itself(world_of: Callable[[str], Any]) -> None:
    world = world_of(automation(MERGE))
    newest, held, _ = await half_merged(world)
    await world.hub.acts.ask(newest.id, Act(kind="cancel", who="ann", at=world.now))
    await world.run(200)
    newest, *_ = await world.activities()
    assert (newest.status, newest.reason) == ("superseded", f"merged into {held.id}")


async def test_what_was_taken_over_and_gave_up_is_not_run_by_a_retry(world_of: Callable[[str], Any]) -> None:
    """Given that the store answers no merge for so long that a person has to look."""
    world = world_of(automation(MERGE))
    await open_some(world, "1", "2")
    rules = world.hub.admission._rules
    merge, tries = rules.merge, []

    async def unanswered(*arguments: Any) -> Any:
        if not tries:
            await merge(*arguments)
        tries.append(0)
        raise StoreError("no answer")

    rules.merge = unanswered
    await open_some(world, "3")
    identifier = (await world.activities())[0].id
    for _ in range(40):
        await world.run(300)
        world.azureml.end_jobs()
    rules.merge = merge
    assert (await statuses(world))[1:] == ["succeeded", "failed"]
    await world.hub.acts.ask(identifier, Act(kind="retry", who="ann", at=world.now))
    await world.run(300)
    assert (await statuses(world))[2] == "superseded"


def before_the_next_merge(world: Any, happens: Callable[[str], Awaitable[None]]) -> None:
    """Given that something happens to the one that is merged into, just before the next merge."""
    rules = world.hub.admission._rules
    merge = rules.merge

    async def later(activity: Activity, into: str, now: Any) -> Any:
        rules.merge = merge
        await happens(into)
        return await merge(activity, into, now)

    rules.merge = later


async def test_nothing_merges_into_what_is_being_cancelled(world_of: Callable[[str], Any]) -> None:
    world = world_of(automation(MERGE))
    await open_some(world, "1", "2")

    async def cancelled(into: str) -> None:
        await world.hub.acts.ask(into, Act(kind="cancel", who="ann", at=world.now))

    before_the_next_merge(world, cancelled)
    await open_some(world, "3")
    await world.run(60)
    assert await statuses(world) == ["running", "cancelled", "held"]


async def test_nothing_is_merged_into_what_another_instance_is_looking_at(world_of: Callable[[str], Any]) -> None:
    world = world_of(automation(MERGE))
    await open_some(world, "1", "2")

    async def looked_at(into: str) -> None:
        target, etag = await world.hub.activities.load(into)
        target.steps[0].state, target.due = "running", world.now + timedelta(minutes=2)
        await world.hub.activities.save(target, etag)

    before_the_next_merge(world, looked_at)
    await open_some(world, "3")
    await world.run(30)
    newest, held, _ = await world.activities()
    assert (newest.status, held.merged) == ("held", [])
    assert "is busy" in newest.reason
    await world.run(600)
    await world.hub.sweep.run()
    await world.run(60)
    newest, held, _ = await world.activities()
    assert (newest.status, held.merged) == ("superseded", [newest.id])


async def test_an_acknowledgement_that_a_crash_cuts_short_is_audited(world_of: Callable[[str], Any]) -> None:
    world = world_of(automation("{}"))
    await open_some(world, "1")
    world.azureml.fate = "Failed"
    world.azureml.end_jobs()
    await world.run(120)
    (activity,) = await world.activities()
    assert activity.status == "failed"
    acts = world.hub.acts
    record = acts.record

    async def died(*_: Any) -> None:
        raise StoreError("the instance died")

    acts.record = died
    with pytest.raises(StoreError):
        await acts.ask(activity.id, Act(kind="acknowledge", who="ann", at=world.now))
    acts.record = record
    for _ in range(3):
        await world.run(600)
        await world.hub.sweep.run()
    found = await world.hub.audit.newest(world.now, limit=50)
    assert [entry.what for _, entry in found].count("acknowledge") == 1


async def test_what_was_taken_over_never_begins_too(world_of: Callable[[str], Any]) -> None:
    """Given that the other one begins before anybody looks again."""
    world = world_of(automation(MERGE))
    _, held, first = await half_merged(world)
    activities = world.hub.activities
    world.azureml.end_jobs()
    for _ in range(3):
        await activities.wake(first.id, timedelta(0))
        await activities.wake(held.id, timedelta(0))
        await world.run(0)
    assert (await statuses(world))[:2] == ["succeeded", "running"]
    await world.run(600)
    assert (await statuses(world))[2] == "superseded"
    await world.finish()
    assert await statuses(world) == ["succeeded", "succeeded", "superseded"]
    assert (await world.activities())[0].reason == f"merged into {held.id}"


async def test_skip_refuses_and_says_so(world_of: Callable[[str], Any]) -> None:
    world = world_of(automation("{concurrency: {group: g, max: 1, when-busy: skip}}"))
    await open_some(world, "1", "2")
    assert await statuses(world) == ["running", "refused"]


async def test_rate_and_cooldown_hold_until_their_time(world_of: Callable[[str], Any]) -> None:
    world = world_of(automation("{rate: 1 per 1h}"))
    await open_some(world, "1", "2")
    assert await statuses(world) == ["running", "held"]
    await world.run(3700)
    assert await statuses(world) == ["running", "running"]


async def test_a_budget_without_a_price_holds_with_the_reason(world_of: Callable[[str], Any]) -> None:
    world = world_of(automation("{budget: {amount: 5, currency: USD, per: day}}"))
    await open_some(world, "1")
    (activity,) = await world.activities()
    assert activity.status == "held"
    assert "HUB_COMPUTE_PRICES" in activity.reason


async def test_a_pause_holds_and_a_release_lets_one_through(world_of: Callable[[str], Any]) -> None:
    world = world_of(automation("{}"))
    await world.hub.switches.pause(Pause("hub", "ann", "maintenance", world.now))
    await open_some(world, "1", "2")
    assert await statuses(world) == ["held", "held"]
    first = (await world.activities())[1]
    assert first.reason == "held: paused by ann (maintenance)"
    await world.hub.acts.ask(first.id, Act(kind="release", who="bob", at=world.now))
    await world.run(2)
    assert await statuses(world) == ["running", "held"]
    await world.hub.switches.resume("hub")
    await world.run(400)
    assert await statuses(world) == ["running", "running"]


async def test_the_storm_breaker_trips_once_and_holds(world_of: Callable[[str], Any]) -> None:
    world = world_of(automation("{}"))
    await open_some(world, *(str(number) for number in range(110)))
    found = await statuses(world)
    assert (found.count("running"), found.count("held")) == (100, 10)
    since, trips = await world.hub.admission.storm()
    assert since is not None
    assert trips == 1


async def test_a_storm_is_told_to_people_once(world_of: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ENVIRONMENT, "HUB_CHANNELS", '{"ops": {"kind": "teams", "url-setting": "HUB_OPS_URL"}}')
    monkeypatch.setitem(ENVIRONMENT, "HUB_OPS_URL", "https://example.invalid/hook")
    world = world_of(automation("{}"))
    await open_some(world, *(str(number) for number in range(110)))
    for _ in range(3):
        await world.hub.admission.tell_of_storm()
    rows = await world.store.table("outbox").scan("ops", prefix="m:")
    assert [b'"title":"The storm breaker holds everything"' in row.cells["message"] for row in rows] == [True]
    assert b"none of it is lost" in rows[0].cells["message"]


async def test_a_budget_is_estimated_before_and_trued_up_after(
    world_of: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(ENVIRONMENT, "HUB_COMPUTE_PRICES", '{"cpu-cluster": {"amount": 6, "currency": "USD"}}')
    world = world_of(automation("{budget: {amount: 7, currency: USD, per: day}}"))
    await open_some(world, "1", "2")
    assert await statuses(world) == ["running", "held"], "an hour is expected of what never ran: 6 and 6 are over 7"
    assert (
        "6.00 USD of 7.00 USD this day are spent (1 of them estimated), 6.00 USD expected"
        in (await world.activities())[0].reason
    )
    await world.run(600)
    world.azureml.end_jobs()
    await world.run(90)
    assert await statuses(world) == ["succeeded", "running"], "the first took 10 minutes: 1 USD, and 1 more is expected"
    own = (await Usages(world.store).read("automation:limited")).usage
    first, second = own.spent
    assert first.estimated == Decimal(6)
    assert second.actual is None
    assert first.actual is not None
    assert abs(first.actual - 1) < Decimal("0.2")
    assert abs(second.estimated - first.actual) < Decimal("0.01")


async def test_a_failed_attempt_s_cost_stays_when_a_retry_ends(
    world_of: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(ENVIRONMENT, "HUB_COMPUTE_PRICES", '{"cpu-cluster": {"amount": 6, "currency": "USD"}}')
    world = world_of(automation("{budget: {amount: 7, currency: USD, per: day}}"))
    world.azureml.fate = "Failed"
    await open_some(world, "1")
    await world.run(600)
    await world.finish()
    (failed,) = await world.activities()
    world.azureml.fate = "Completed"
    await world.hub.acts.ask(failed.id, Act(kind="retry", who="ann", at=world.now))
    await world.run(5)
    await world.finish()
    assert await statuses(world) == ["succeeded"]
    spent = (await Usages(world.store).read("automation:limited")).usage.spent
    assert len(spent) == 2
    assert spent[0].actual is not None
    assert spent[1].actual is not None
    assert spent[0].actual > Decimal("0.9") > spent[1].actual > 0


async def test_a_cancelled_activity_ends_its_job_and_frees_its_place(world_of: Callable[[str], Any]) -> None:
    world = world_of(automation("{concurrency: {group: g, max: 1}}"))
    await open_some(world, "1", "2")
    first = (await world.activities())[1]
    await world.hub.acts.ask(first.id, Act(kind="cancel", who="ann", at=world.now, reason="wrong data"))
    await world.run(30)
    assert await statuses(world) == ["cancelled", "running"]
    cancelled = (await world.activities())[1]
    assert cancelled.reason == "cancelled by ann: wrong data"
    assert [job.status for job in world.azureml.jobs.values()] == ["Canceled", "Running"]


async def test_a_retry_is_a_new_attempt_on_the_same_inputs(world: Any) -> None:
    files = [world.blob_event(f"flights/2013-01/{n}.csv", f"0x{n}") for n in range(3)]
    await world.send(*files, world.blob_event("flights/2013-01/_SUCCESS", "0xF"))
    await world.run(10)
    world.azureml.end_jobs()
    await world.run(60)
    world.azureml.fate = "Failed"
    await world.finish()
    (failed,) = await world.activities()
    assert failed.status == "failed"
    frozen = failed.step("dataset").detail["version"]
    world.azureml.fate = "Completed"
    await world.hub.acts.ask(failed.id, Act(kind="retry", who="ann", at=world.now))
    await world.finish()
    (again,) = await world.activities()
    assert (again.status, again.attempt) == ("succeeded", 2)
    assert again.step("dataset").detail["version"] == frozen
    assert [request.name.rpartition("-")[2] for request in world.azureml.requests] == ["1", "1", "2"]
    with pytest.raises(NotPossibleError, match="only a failed, refused or cancelled one"):
        await world.hub.acts.ask(failed.id, Act(kind="retry", who="ann", at=world.now))
