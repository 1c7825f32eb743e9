"""The paths of releases: approval, blue and green, and every way back."""

from collections.abc import Awaitable, Callable

from shared.ledger.records import Act
from tests.simulation.rules import APPROVED, RELEASE
from tests.simulation.stage import Stage


async def release(stage: Stage, version: str) -> None:
    await stage.drop(stage.model_event("arrival-delay", version), queue=False)


async def first(stage: Stage) -> None:
    await release(stage, "1")
    await stage.settle()
    assert [sum(one.live.values()) for one in stage.endpoints.traffic.values()] == [100]


async def second(stage: Stage) -> None:
    """The first takes everything at once; the second begins."""
    await first(stage)
    stage.azureml.logged = {"mae": 17.0, "champion.mae": 17.5}
    stage.now = stage.now.replace(second=0, microsecond=0)
    await release(stage, "2")


async def shared_traffic(stage: Stage) -> None:
    await stage.until(lambda: len(stage.endpoints.traffic["delay"].live) == 2)


async def blue_green(stage: Stage) -> None:
    await second(stage)
    await stage.settle()
    await stage.run(2 * 3600)
    assert len(stage.endpoints.found["delay"]) == 1, "the deployment before is not removed"


async def worse(stage: Stage) -> None:
    await second(stage)
    stage.azureml.logged = {"mae": 19.0, "champion.mae": 17.5}
    await stage.settle()


async def bad_live(stage: Stage) -> None:
    await second(stage)
    await shared_traffic(stage)
    stage.endpoints.errors = 0.2
    await stage.settle()


async def cancelled(stage: Stage) -> None:
    await second(stage)
    await shared_traffic(stage)
    stage.endpoints.requests = 3
    newest = (await stage.activities())[0]
    await stage.person(lambda hub: hub.acts.ask(newest.id, Act(kind="cancel", who="ann", at=stage.now, reason="no")))
    await stage.settle()


async def cancelled_early(stage: Stage) -> None:
    """A person cancels while the deployment is being made."""
    stage.endpoints.fate = "Creating"
    await release(stage, "1")
    await stage.until(lambda: bool(stage.endpoints.made))
    (newest,) = await stage.activities()
    await stage.person(lambda hub: hub.acts.ask(newest.id, Act(kind="cancel", who="ann", at=stage.now, reason="no")))
    await stage.settle()
    await stage.run(300)
    assert stage.endpoints.found["delay"] == {}, "a deployment is left behind"


async def broken_deployment(stage: Stage) -> None:
    stage.endpoints.fate = "Failed"
    await release(stage, "1")
    await stage.settle()


async def approved(stage: Stage) -> None:
    await release(stage, "1")
    await stage.until_statuses("waiting-approval")
    await approve(stage, "ann")
    await stage.until_statuses("waiting-approval")
    await approve(stage, "bob")
    await stage.settle()


async def approve(stage: Stage, who: str) -> None:
    (waiting,) = await stage.activities()
    yes = Act(kind="approve", who=who, at=stage.now, person=True, roles=("approver",))
    await stage.person(lambda hub: hub.acts.ask(waiting.id, yes))


async def rejected(stage: Stage) -> None:
    await release(stage, "1")
    await stage.until_statuses("waiting-approval")
    (waiting,) = await stage.activities()
    no = Act(kind="reject", who="ann", at=stage.now, person=True, roles=("approver",))
    await stage.person(lambda hub: hub.acts.ask(waiting.id, no))
    await stage.settle()


async def superseded(stage: Stage) -> None:
    """A newer version comes while one rolls out: that one goes back and the newer one goes on."""
    await second(stage)
    await shared_traffic(stage)
    stage.endpoints.requests = 3
    stage.now = stage.now.replace(second=0, microsecond=0)
    await release(stage, "3")
    await stage.until_statuses(None, "superseded", "succeeded")
    stage.endpoints.requests = 1000
    await stage.settle()


RELEASES: dict[str, tuple[str, Callable[[Stage], Awaitable[None]]]] = {
    "a first release": (RELEASE, first),
    "a release goes by shadow and canary to all traffic": (RELEASE, blue_green),
    "a worse model is refused": (RELEASE, worse),
    "bad live goes back": (RELEASE, bad_live),
    "a rollout is cancelled": (RELEASE, cancelled),
    "a release is cancelled while it deploys": (RELEASE, cancelled_early),
    "a newer version takes the place of one that rolls out": (RELEASE, superseded),
    "a deployment fails": (RELEASE, broken_deployment),
    "people approve": (APPROVED, approved),
    "somebody rejects": (APPROVED, rejected),
}
