"""Every path through the engine, as something that happens to a hub: automations, and what comes from outside."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from tests.simulation.stage import Stage


@dataclass(frozen=True)
class Path:
    """A path: its automations and its story."""

    automations: str
    story: Callable[[Stage], Awaitable[None]]
    settings: dict[str, str] = field(default_factory=dict)


TRAIN = """
name: delay-train
on:
  - blob-created:
      container: landing
      path: "flights/{month}/**/*.csv"
      collect: {by: [month], quiet: 2m, max-wait: 2h, until: {marker: "flights/{month}/_SUCCESS"}}
dataset: {name: flights, from: accepted, window: 90d}
check: {job: jobs/check.yml}
do:
  train: {job: jobs/train.yml, inputs: {data: "${{ dataset }}"}, register: {model: arrival-delay, from: model}}
"""


async def burst(stage: Stage, month: str = "2013-01", count: int = 3) -> None:
    """A month's files, one twice and one rewritten; the marker last."""
    for number in range(count):
        await stage.drop(stage.blob_event(f"flights/{month}/{number}.csv", f"0x{number}", number=number))
    await stage.drop(stage.blob_event(f"flights/{month}/0.csv", "0xNEW", number=90))
    await stage.drop(stage.blob_event(f"flights/{month}/1.csv", "0x1", number=1, copy=1))
    await stage.drop(stage.blob_event(f"flights/{month}/_SUCCESS", "0xF", number=99))


async def train(stage: Stage) -> None:
    await burst(stage)
    await stage.settle()


async def failing_check(stage: Stage) -> None:
    stage.azureml.fates["check"] = "Failed"
    await train(stage)


PATHS: dict[str, Path] = {
    "a burst is trained on and registered": Path(TRAIN, train),
    "a failing check stops the training": Path(TRAIN, failing_check),
}
