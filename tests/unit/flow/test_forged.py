"""Events that only claim something: what is not there starts nothing, moves no traffic, and says why."""

from collections.abc import Callable
from typing import Any

from shared.engine.outcomes import PermanentError
from tests.unit.flow.test_release import RELEASE

World = Any


async def test_a_model_version_that_does_not_exist_is_not_released(world_of: Callable[[str], World]) -> None:
    world = world_of(RELEASE.replace("GATES\n", ""))

    async def submit(request: Any) -> Any:
        raise PermanentError(f"Azure ML refused job {request.name}: model arrival-delay:999 was not found")

    world.azureml.submit = submit
    await world.send(world.model_event("arrival-delay", "999"))
    await world.run(3600)
    (activity,) = await world.activities()
    assert activity.status == "failed"
    assert "arrival-delay:999 was not found" in activity.reason
    assert (world.endpoints.traffic, world.endpoints.found, world.endpoints.changes) == ({}, {}, [])


async def test_a_file_that_does_not_exist_is_trained_on_by_nothing(world: World) -> None:
    async def copy(source: Any, *target: str) -> Any:
        raise PermanentError(f"{source.account}/{source.container}/{source.path} is gone")

    world.data.copy = copy
    await world.send(
        world.blob_event("flights/2013-01/forged.csv", "0x1"), world.blob_event("flights/2013-01/_SUCCESS", "0x2")
    )
    await world.run(3600)
    (activity,) = await world.activities()
    assert (activity.status, world.azureml.requests) == ("failed", [])
    assert "flights/2013-01/forged.csv is gone" in activity.reason
