"""Every path through the engine, as something that happens to a hub: automations, and what comes from outside."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta

from shared.bootstrap import Hub
from shared.ledger.records import Act
from shared.ledger.switches import Pause
from tests.simulation.releases import RELEASES
from tests.simulation.rules import ALL_OF, LIMITED, MERGING, MISSING, NOTIFYING, PLAIN, RETRAIN, SCHEDULE, SCORE, TRAIN
from tests.simulation.stage import Push, Stage


@dataclass(frozen=True)
class Path:
    """A path: its automations and its story. `most`: jobs of a step that may run at the same moment."""

    automations: str
    story: Callable[[Stage], Awaitable[None]]
    settings: dict[str, str] = field(default_factory=dict)
    most: dict[str, int] = field(default_factory=dict)


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


async def rewritten_meanwhile(stage: Stage) -> None:
    """A file of a list is rewritten while the training runs: it fails; a person's retry is not even submitted."""
    await burst(stage)
    await stage.until(lambda: any("-train-" in name for name in stage.azureml.submitted))
    stage.data.now["flights/2013-01/2.csv"] = "0xOTHER"
    await stage.settle()
    (failed,) = await stage.activities()
    assert failed.status == "failed", failed

    async def once(hub: Hub) -> object:
        """A person who was not answered looks first: the retry fails at once, and can be asked for again."""
        (now,) = await stage.activities()
        return now.attempt > 1 or await hub.acts.ask(failed.id, Act(kind="retry", who="ann", at=stage.now))

    await stage.person(once)
    await stage.settle()
    assert [name[-1] for name in stage.azureml.submitted if "-train-" in name] == ["1"]


async def failing_check(stage: Stage) -> None:
    stage.azureml.fates["check"] = "Failed"
    await train(stage)


async def retried(stage: Stage) -> None:
    stage.azureml.fates["train-1"] = "Failed"
    await train(stage)
    (failed,) = await stage.activities()
    assert failed.status == "failed"
    await stage.person(lambda hub: hub.acts.ask(failed.id, Act(kind="retry", who="ann", at=stage.now)))
    await stage.settle()


async def cancelled(stage: Stage) -> None:
    stage.azureml.length = timedelta(days=1)
    await models(stage, "1")
    await stage.until(lambda: len(stage.azureml.submitted) == 1)
    await models(stage, "2")
    await stage.until_statuses("held", "running")
    first = (await stage.activities())[1]
    await stage.person(lambda hub: hub.acts.ask(first.id, Act(kind="cancel", who="ann", at=stage.now, reason="no")))
    await stage.until(lambda: len(stage.azureml.submitted) == 2)
    stage.azureml.end_all()
    await stage.settle()


async def late_file(stage: Stage) -> None:
    """A file after the close starts the next collection; the same content again does not."""
    await burst(stage)
    await stage.settle()
    await stage.drop(stage.blob_event("flights/2013-01/late.csv", "0xL", number=100))
    await stage.drop(stage.blob_event("flights/2013-01/2.csv", "0x2", number=2, copy=2))
    await stage.drop(stage.blob_event("flights/2013-01/_SUCCESS", "0xG", number=101))
    await stage.settle()


async def incomplete(stage: Stage) -> None:
    """The marker never comes, and the rule says that such a burst fails."""
    await stage.drop(stage.blob_event("flights/2013-01/0.csv", "0x0"))
    await stage.settle()


async def closed_by_hand(stage: Stage) -> None:
    await stage.drop(stage.blob_event("flights/2013-01/0.csv", "0x0"))
    await stage.run(20)
    name = (await stage.rows("collections"))[0].partition if await stage.rows("collections") else ""
    while not name:
        await stage.run(20)
        name = next((row.partition for row in await stage.rows("collections")), "")
    await stage.person(lambda hub: hub.gatherer.ask(name, "closed by ann"))
    await stage.settle()


async def models(stage: Stage, *versions: str) -> None:
    for version in versions:
        stage.now += timedelta(seconds=1)
        await stage.drop(stage.model_event("m", version), queue=False)


async def held_in_order(stage: Stage) -> None:
    await models(stage, "1", "2", "3")
    await stage.settle()


async def merging(stage: Stage) -> None:
    """Files that come while one runs: the first waits, and takes the files of those after it."""
    stage.azureml.length = timedelta(hours=20)
    for number, wanted in enumerate((("running",), ("held", "running"), ("superseded", "held", "running"))):
        stage.now += timedelta(seconds=1)
        await stage.drop(stage.blob_event(f"in/{number}.csv", f"0x{number}", number=number))
        await stage.until_statuses(*wanted)
        await stage.until(lambda: len(stage.azureml.submitted) == 1)
    stage.azureml.end_all()
    stage.azureml.length = timedelta(seconds=40)
    await stage.settle()


async def skipping(stage: Stage) -> None:
    stage.azureml.length = timedelta(hours=20)
    await models(stage, "1")
    await stage.until(lambda: len(stage.azureml.submitted) == 1)
    await models(stage, "2")
    await stage.until_statuses("refused", "running")
    stage.azureml.end_all()
    await stage.settle()


async def paused(stage: Stage) -> None:
    await stage.person(lambda hub: hub.switches.pause(Pause("hub", "ann", "maintenance", stage.now)))
    await models(stage, "1", "2")
    await stage.until_statuses("held", "held")
    first = (await stage.activities())[1]
    await stage.person(lambda hub: hub.acts.ask(first.id, Act(kind="release", who="bob", at=stage.now)))
    await stage.until_statuses("held", "succeeded")
    await stage.person(lambda hub: hub.switches.resume("hub"))
    await stage.settle()


async def by_hand(stage: Stage) -> None:
    await stage.person(lambda hub: hub.rulebook.open_by_hand("limited", {}, "ann", "key-1", stage.now))
    await stage.person(lambda hub: hub.rulebook.open_by_hand("limited", {}, "ann", "key-1", stage.now))
    await stage.settle()


async def scored(stage: Stage) -> None:
    for number in range(3):
        await stage.drop(stage.blob_event(f"flights/{number}.csv", f"0x{number}", container="scoring"))
    await stage.settle()


async def drifted(stage: Stage) -> None:
    """The first breach is not enough; the second retrains; a second signal of it is the same breach."""
    await burst(stage)
    await stage.settle()
    for run in ("m1", "m2"):
        stage.now += timedelta(days=1)
        stage.monitored(run, 0.8)
        await stage.drop(stage.breach_event(run), queue=False)
        await stage.drop(stage.breach_event(run, "data-drift-2"), queue=False)
        await stage.settle()


async def unreadable_drift(stage: Stage) -> None:
    await stage.drop(stage.breach_event("m1"), queue=False)
    await stage.settle()


async def scheduled(stage: Stage) -> None:
    await stage.run(2400)
    await stage.settle()


async def missed(stage: Stage) -> None:
    await stage.run(1200)
    await models(stage, "1")
    await stage.run(3000)
    await stage.settle()


async def both(stage: Stage) -> None:
    """All of: two models and a file within the hour; then a second round."""
    await models(stage, "1", "2")
    await stage.run(1200)
    await stage.drop(stage.blob_event("go/now", "0x1"))
    await stage.settle()
    await stage.drop(stage.blob_event("go/again", "0x2"))
    await stage.run(1200)
    await models(stage, "3")
    await stage.settle()


async def told(stage: Stage) -> None:
    await models(stage, "1", "2", "3", "4")
    await stage.settle()


async def broken(stage: Stage) -> None:
    """Batches with broken and irrelevant events, known ones and new ones."""
    good = [stage.model_event("m", "1"), stage.model_event("other", "1"), stage.blob_event("nowhere/x", "0x1")]
    bad = {"id": "b1", "eventType": "Microsoft.Storage.BlobCreated", "subject": "?", "data": 3}
    stage.sent += good
    stage.pushes.append(Push(json.dumps([good[0], bad, good[1]]), stage.now))
    stage.pushes.append(Push(json.dumps([good[1], bad, good[2]]), stage.now + timedelta(seconds=1)))
    await stage.settle()
    letters = await stage.hub.letters.newest(limit=10)
    assert [letter.kind for letter in letters] == ["quarantine"], letters


async def lost(stage: Stage) -> None:
    """Files of which no event tells: the reconciler finds them; one is told of late, after all."""
    stage.reconciles = True
    await stage.run(24 * 60)
    for number in range(3):
        stage.lies(f"in/{number}.csv", f"0x{number}")
    await stage.run(40 * 60)
    await stage.drop(stage.blob_event("in/1.csv", "0x1"))
    await stage.settle()
    assert len(await stage.activities()) == 3


PATHS: dict[str, Path] = {
    "a burst is trained on and registered": Path(TRAIN, train),
    "a burst is frozen by a list": Path(TRAIN, train, {"HUB_FREEZE_COPY_MOST": "10"}),
    "a file of a list is rewritten": Path(TRAIN, rewritten_meanwhile, {"HUB_FREEZE_COPY_MOST": "10"}),
    "a failing check stops the training": Path(TRAIN, failing_check),
    "a person retries": Path(TRAIN, retried),
    "a person cancels": Path(LIMITED.format("{concurrency: {group: g, max: 1}}"), cancelled, most={"job": 1}),
    "a late file begins the next collection": Path(TRAIN, late_file),
    "an incomplete burst fails": Path(TRAIN.replace("max-wait: 2h", "max-wait: 1h, if-incomplete: fail"), incomplete),
    "a collection is closed by hand": Path(TRAIN, closed_by_hand),
    "a busy group holds": Path(LIMITED.format("{concurrency: {group: g, max: 1}}"), held_in_order, most={"job": 1}),
    "rate, cooldown and budget hold": Path(
        LIMITED.format(
            "{rate: 2 per 1h, cooldown: {for: 10m, from: end}, budget: {amount: 5, currency: USD, per: day}}"
        ),
        held_in_order,
        {"HUB_COMPUTE_PRICES": '{"cpu-cluster": {"amount": 2, "currency": "USD"}}'},
        {"job": 1},
    ),
    "a busy group merges": Path(MERGING, merging, most={"job": 1}),
    "a busy group skips": Path(LIMITED.format("{concurrency: {group: g, max: 1, when-busy: skip}}"), skipping),
    "a pause holds, a release lets one through": Path(LIMITED.format("{}"), paused),
    "a person starts it by hand, twice with one key": Path(LIMITED.format("{}"), by_hand),
    "files are scored": Path(SCORE, scored),
    "drift that persists retrains": Path(RETRAIN, drifted, most={"train": 1}),
    "drift that cannot be read is told": Path(RETRAIN, unreadable_drift),
    "a schedule": Path(SCHEDULE, scheduled),
    "an expected event does not come": Path(MISSING, missed),
    "all of several events": Path(ALL_OF, both),
    "people are told": Path(
        NOTIFYING,
        told,
        {
            "HUB_CHANNELS": '{"ops": {"kind": "teams", "url": "https://example.com/hook", '
            '"routes": [{"on": ["succeeded"]}]}}'
        },
    ),
    "broken events among others": Path(LIMITED.format("{}"), broken),
    "lost events are found": Path(PLAIN, lost),
    **{name: Path(*one) for name, one in RELEASES.items()},
}
