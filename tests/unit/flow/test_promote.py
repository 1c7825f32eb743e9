"""Promotion of a model to a registry or another workspace: its own gates, the same version, once."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from shared.azureml.protocol import ModelView
from shared.azureml.targets import Target
from shared.bootstrap import wire
from shared.engine.outcomes import PermanentError
from shared.ledger.records import Act, File
from shared.settings import Settings
from tests.unit.flow.releasing import Losing
from tests.unit.flow.world import ENVIRONMENT, START, World

PROMOTE = """
name: delay-promote
on: [{model-registered: {model: arrival-delay, tags: {approved: "yes"}}}]
inputs: {model: {type: string, default: arrival-delay}, version: {type: string, default: "1"}}
do:
  promote:
    to: TARGET
    evaluate: {job: jobs/evaluate.yml, data: "azureml:delay-golden:1"}
    gates:
      - metrics: {mae: "<= 20"}
GATES
"""
REGISTRY = "{registry: models}"
WORKSPACE = "{workspace: production, resource-group: live}"
TAGGED = """{workspace: production, resource-group: live}
    tags: {by: "${{ activity.automation }}"}"""


class FakeTargets:
    """Targets in memory. `late`: looks after which a registry's copy is there."""

    def __init__(self) -> None:
        self.versions: dict[tuple[str, str, str], ModelView] = {}
        self.shares: list[str] = []
        self.late = 0
        self.meanwhile = ""
        """The version that somebody brings there just before it is shared."""
        self._coming: dict[tuple[str, str, str], int] = {}

    async def source(self, name: str, version: str) -> ModelView:
        if version == "404":
            raise PermanentError(f"model {name}:{version}: Azure ML answered 404")
        tags = {"hub.activity": f"train-{version}"}
        uri = f"azureml://datastores/workspaceblobstore/paths/models/{version}/"
        return ModelView(name, version, uri, "mlflow_model", tags, {"hub.run": f"run-{version}"})

    async def place(self, uri: str) -> tuple[str, str, str]:
        return "landing", "models", uri.partition("/paths/")[2]

    async def find(self, target: Target, name: str, version: str) -> ModelView | None:
        key = (str(target), name, version)
        if key in self._coming:
            self._coming[key] -= 1
            if self._coming[key] < 0:
                self.versions[key] = await self.source(name, version)
                del self._coming[key]
        return self.versions.get(key)

    async def share(self, target: Target, name: str, version: str) -> bool:
        self.shares.append(f"{name}:{version}")
        if self.meanwhile:
            self.versions[str(target), name, version] = await self.source(name, self.meanwhile)
            raise PermanentError(f"model {name}:{version} into {target}: Azure ML answered 400, it exists")
        self._coming.setdefault((str(target), name, version), self.late)
        return self.late == 0

    async def store(self, target: Target) -> tuple[str, str]:
        return "production", "blobs"

    async def create(self, target: Target, model: ModelView) -> None:
        self.versions[str(target), model.name, model.version] = model


Make = Callable[[str], tuple[World, FakeTargets]]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def of(target: str, gates: str = "") -> tuple[World, FakeTargets]:
        world, targets = World(tmp_path, PROMOTE.replace("TARGET", target).replace("GATES\n", gates)), FakeTargets()
        rewire(world, targets)
        return world, targets

    return of


def rewire(world: World, targets: Any) -> None:
    settings = Settings.read(ENVIRONMENT, world.root)
    world.hub = wire(
        settings,
        world.store,
        world.data,
        world.azureml,
        lambda: world.now,
        endpoints=world.endpoints,
        batch=world.batch,
        targets=targets,
    )


async def promote(world: World, version: str = "3", minutes: int = 30) -> Any:
    event = world.model_event("arrival-delay", version)
    event["data"] = {**event["data"], "ModelTags": {"approved": "yes"}}  # type: ignore[dict-item]
    await world.send(event)
    await world.run(3)
    world.azureml.end_jobs()
    await world.run(minutes * 60)
    return (await world.activities())[0]


async def test_a_model_that_passes_its_gates_goes_to_the_registry_with_its_lineage(make: Make) -> None:
    world, targets = make(REGISTRY)
    targets.late = 3
    activity = await promote(world)
    assert (activity.status, activity.reason) == ("succeeded", "")
    assert [step.name for step in activity.steps] == ["admit", "evaluate", "gates", "promote"]
    assert targets.shares == ["arrival-delay:3"]
    detail = activity.step("promote").detail
    assert detail["lineage"]["hub.run"] == "run-3"
    assert detail["lineage"]["hub.promoted-from"].endswith("/workspaces/ws/models/arrival-delay/versions/3")
    assert activity.step("gates").detail["evidence"][0]["evidence"]["metrics"][0]["value"] == 17.5


async def test_a_share_that_another_instance_asked_for_meanwhile_is_taken_as_done(make: Make) -> None:
    world, targets = make(REGISTRY)
    targets.meanwhile = "3"
    activity = await promote(world)
    assert (activity.status, targets.shares) == ("succeeded", ["arrival-delay:3"])


async def test_another_model_that_took_its_name_meanwhile_is_not_taken_for_it(make: Make) -> None:
    world, targets = make(REGISTRY)
    targets.meanwhile = "7"
    activity = await promote(world)
    assert (activity.status, "it exists" in activity.reason) == ("failed", True)


async def test_its_own_gates_refuse_it_and_nothing_is_copied(make: Make) -> None:
    world, targets = make(REGISTRY)
    world.azureml.logged = {"mae": 22.0}
    activity = await promote(world)
    assert (activity.status, activity.reason) == ("refused", "mae is 22, not <= 20")
    assert targets.shares == []


async def test_people_are_asked_before_it_goes(make: Any) -> None:
    world, targets = make(REGISTRY, "      - approval: {roles: [approver], quorum: 1, expires: 48h}\n")
    activity = await promote(world)
    assert activity.status == "waiting-approval"
    act = Act(kind="approve", who="ann", at=world.now, person=True, roles=("approver",))
    await world.hub.acts.ask(activity.id, act)
    await world.run(600)
    assert (await world.activities())[0].status == "succeeded"
    assert targets.shares


async def test_a_model_goes_to_another_workspace_with_files_tags_and_lineage(make: Make) -> None:
    world, targets = make(TAGGED)
    for number in range(70):
        path = f"models/3/{number:03}.bin"
        world.data.lying.append(File(account="landing", container="models", path=path, etag="0x1", size=1, time=START))
    activity = await promote(world)
    assert (activity.status, activity.reason) == ("succeeded", "")
    assert len(world.data.copies) == 70
    assert world.data.copies[0] == ("models/3/000.bin", "production/blobs/promoted/arrival-delay/3/000.bin")
    made = targets.versions["workspace live/production", "arrival-delay", "3"]
    assert made.uri == "azureml://datastores/workspaceblobstore/paths/promoted/arrival-delay/3/"
    assert (made.kind, made.properties["hub.run"]) == ("mlflow_model", "run-3")
    assert (made.tags["by"], made.tags["hub.activity"]) == ("delay-promote", activity.id)


async def test_another_model_of_the_same_name_is_never_overwritten(make: Make) -> None:
    world, targets = make(WORKSPACE)
    targets.versions["workspace live/production", "arrival-delay", "3"] = ModelView("arrival-delay", "3", "x", "y")
    activity = await promote(world)
    assert activity.status == "failed"
    assert "has another arrival-delay:3 already" in activity.reason
    assert world.data.copies == []


async def test_what_was_promoted_before_is_not_promoted_again(make: Make) -> None:
    world, targets = make(REGISTRY)
    await promote(world)
    count = len(targets.shares)
    world.now += timedelta(seconds=1)
    await world.hub.rulebook.open_by_hand("delay-promote", {"version": "3"}, "ann", "key-1", world.now)
    await world.run(3)
    world.azureml.end_jobs()
    await world.run(600)
    assert [one.status for one in await world.activities()] == ["succeeded", "succeeded"]
    assert len(targets.shares) == count


async def test_a_model_without_files_and_one_that_is_gone_are_told(make: Make) -> None:
    world, _ = make(WORKSPACE)
    assert "has no files at landing/models/models/3/" in (await promote(world)).reason
    assert "answered 404" in (await promote(world, "404")).reason


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("target", [REGISTRY, WORKSPACE])
async def test_lost_answers_promote_once(make: Make, when: Any, target: str) -> None:
    world, targets = make(target)
    world.data.lying.append(
        File(account="landing", container="models", path="models/3/a.bin", etag="0x1", size=1, time=START)
    )
    rewire(world, Losing(targets, when, 2))
    activity = await promote(world, minutes=120)
    assert (activity.status, activity.reason) == ("succeeded", "")
    assert len(targets.versions) == 1


async def test_a_registry_that_never_has_it_fails_the_promotion(make: Make) -> None:
    world, targets = make(REGISTRY)
    targets.late = 10_000
    activity = await promote(world, minutes=120)
    assert activity.status == "failed"
    assert "did not come to registry models within 60 minutes" in activity.reason
