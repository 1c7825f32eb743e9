"""What tests of releases share: the automation, how one is brought about, and services whose answers get lost."""

from collections import Counter
from typing import Any, Literal

from shared.engine.outcomes import TransientError

RELEASE = """
name: delay-release
on: [{model-registered: {model: arrival-delay}}]
inputs: {model: {type: string, default: arrival-delay}, version: {type: string, default: "1"}}
do:
  deploy:
    endpoint: endpoints/endpoint.yml
    deployment: endpoints/deployment.yml
    evaluate: {job: jobs/evaluate.yml, data: "azureml:delay-golden:1"}
    gates:
      - metrics: {mae: "<= 25"}
GATES
    rollout:
      - canary: {traffic: 10%, for: 15m}
    analysis: {error-rate: "< 1%", min-requests: 50, settle: 3m, inconclusive: hold}
    on-failure: rollback
    keep-previous: 24h
"""


async def release(world: Any, version: str, minutes: int = 60) -> Any:
    """Have a model registered, its evaluation end, and time pass; give the newest activity."""
    await world.send(world.model_event("arrival-delay", version))
    await world.run(3)
    world.azureml.end_jobs()
    await world.run(minutes * 60)
    return (await world.activities())[0]


async def first(world: Any) -> str:
    """Release version 1; give the name of its deployment."""
    activity = await release(world, "1", 10)
    assert (activity.status, activity.reason) == ("succeeded", "")
    (name,) = world.endpoints.traffic["delay"].live
    return str(name)


class Losing:
    """A service each of whose different calls gets no answer a few times: before its effect, or after it."""

    def __init__(self, service: Any, when: Literal["before", "after"], times: int) -> None:
        self.service, self.when, self.times = service, when, times
        self.lost: Counter[str] = Counter()

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.service, name)
        if not callable(found) or name.startswith("_") or name == "end_jobs":
            return found

        async def call(*given: Any) -> Any:
            key = f"{name}{given}"
            if self.lost[key] < self.times:
                self.lost[key] += 1
                if self.when == "after":
                    await found(*given)
                raise TransientError(f"no answer to {name}")
            return await found(*given)

        return call
