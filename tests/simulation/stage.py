"""The stage of the proofs: the shipped hub on the store in memory, hosts that die, queues that deliver again.

Time is virtual: it jumps to the next thing that is due. A message that an instance had taken when it died is visible
again after the host's lease, a failed one after the host's visibility timeout; a minute's timer fires each minute.
"""

import asyncio
import contextlib
import json
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar, Final, cast

from shared import bootstrap
from shared.automations.loading import Catalogue, Loaded
from shared.azureml.batch import Batch
from shared.azureml.endpoints import Endpoints
from shared.azureml.protocol import AzureML, MonitorRun
from shared.bootstrap import Hub, wire
from shared.contents import Contents
from shared.data import Data
from shared.engine.acts import NotPossibleError
from shared.ledger.journal import Journal
from shared.ledger.memory import MemoryQueue, MemoryStore
from shared.ledger.protocol import StoreError
from shared.ledger.records import Activity, File
from shared.notify.channels import Channel
from shared.notify.notifier import QUEUE as NOTIFY
from shared.notify.rendering import Told
from shared.notify.sending import Sender
from shared.reconcile import reconcile
from shared.rulebook import Rulebook
from shared.settings import Settings
from tests.simulation.clouds import BatchEndpoints, OnlineEndpoints, Workspace
from tests.unit.flow.world import ENVIRONMENT, EVALUATE, JOB, START, FakeData

LEASE: Final = timedelta(minutes=10)
"""A Functions host hides a message for so long while it works on it."""
AGAIN: Final = timedelta(seconds=15)
"""host.json: visibilityTimeout."""
MOST_DEQUEUES: Final = 8
"""host.json: maxDequeueCount."""
TICK: Final = timedelta(minutes=1)
LADDER: Final = (10, 30, 60, 300, 600, 1800)
"""Seconds after which Event Grid delivers again."""


class Crash(BaseException):
    """The instance dies here: nothing of it goes on."""


class LostAnswerError(StoreError):
    """The store did, or did not do, what was asked; its answer was lost."""


class ReadOnce(Contents):
    """Frozen contents whose parsing all instances of a test's process share: what is kept is the shipped code's."""

    _all: ClassVar[dict[str, Loaded]] = {}

    async def read(self, content: str) -> Loaded:
        if content not in self._all:
            self._all[content] = await super().read(content)
        await self._blobs.get(f"contents/{content}.zip")
        return self._all[content]

    async def folder(self, content: str) -> Path:
        if content in self._all:
            return Path()
        return await super().folder(content)


@contextlib.contextmanager
def staged() -> Iterator[None]:
    """Let hubs read a frozen content once for all of them, and say nothing of the faults they meet; for a while."""
    log = logging.getLogger("shared")
    level, whole = log.level, cast("Any", bootstrap)
    contents = whole.Contents
    log.setLevel(logging.CRITICAL)
    whole.Contents = ReadOnce
    try:
        yield
    finally:
        log.setLevel(level)
        whole.Contents = contents


_catalogues: dict[str, Catalogue] = {}


class Noticing:
    """Passes everything on, and tells when something is made or changed outside."""

    _CHANGES: ClassVar = ("submit", "cancel", "create", "set_traffic", "delete", "invoke", "copy", "write", "send")

    def __init__(self, target: object, note: Callable[[], None]) -> None:
        self._target, self._note = target, note

    def __getattr__(self, name: str) -> Any:
        if name.startswith(self._CHANGES):
            self._note()
        return getattr(self._target, name)


class Channels(Sender):
    """Channels that take everything, and fold what has a number they know."""

    def __init__(self, deliveries: dict[str, list[str]]) -> None:
        self._deliveries = deliveries

    async def send(self, channel: Channel, told: Sequence[Told], number: str) -> None:
        titles = [one.message.title for one in told]
        assert self._deliveries.setdefault(f"{channel.name}/{number}", titles) == titles


@dataclass
class Push:
    """A delivery of Event Grid to the webhook."""

    body: str
    due: datetime
    tries: int = 0


@dataclass
class Stage:
    """One hub and the world around it."""

    root: Path
    automations: str
    environment: Mapping[str, str] = field(default_factory=dict)
    now: datetime = START
    crash: tuple[int, str] | None = None
    """At which write (1 is the first), and how: `before`, `after` (it dies), `refused`, `unheard` (it lives on)."""
    seal: bool = True
    lease: timedelta = LEASE
    reconciles: bool = False

    def __post_init__(self) -> None:
        self.settings = Settings.read({**ENVIRONMENT, **self.environment}, _written(self.root, self.automations))
        self.store = MemoryStore(lambda: self.now)
        self.data = FakeData()
        self.azureml = Workspace(lambda: self.now, self.data)
        self.endpoints = OnlineEndpoints(lambda: self.now)
        self.batch = BatchEndpoints(self.azureml)
        if self.automations not in _catalogues:
            _catalogues[self.automations] = Rulebook.read(self.settings.automations, self.settings.root)
        self.catalogue: Catalogue = _catalogues[self.automations]
        assert not self.catalogue.invalid, self.catalogue.invalid
        self._queues = (self.settings.events_queue, self.settings.work_queue, NOTIFY)
        self.pushes: list[Push] = []
        self.deliveries: dict[str, list[str]] = {}
        """What channels were sent, by the number of the delivery: titles."""
        self.sent: list[dict[str, Any]] = []
        self.poison: list[str] = []
        self.errors: list[str] = []
        self.writes = 0
        self.effects: set[int] = set()
        """After which writes something was made or changed outside, before the next write."""
        self.crashes = 0
        self.journal: list[str] = []
        self._dead = False
        self._outside = False
        self._tick = self.now + TICK
        self.ticks = 0
        self.hub = self.start()
        self.store.hook = self._hook

    def start(self) -> Hub:
        """Start an instance on what the store holds."""
        hub = wire(
            self.settings,
            self.store,
            cast("Data", Noticing(self.data, self._made)),
            cast("AzureML", Noticing(self.azureml, self._made)),
            lambda: self.now,
            endpoints=cast("Endpoints", Noticing(self.endpoints, self._made)),
            batch=cast("Batch", Noticing(self.batch, self._made)),
            catalogue=self.catalogue,
            journal=self._journal(),
        )
        hub.notifier._sender = cast("Sender", Noticing(Channels(self.deliveries), self._made))
        return hub

    def _journal(self) -> Journal | None:
        return None

    def _made(self) -> None:
        self.effects.add(self.writes)

    async def _hook(self, moment: str, what: str) -> None:
        if self._outside:
            return
        if self._dead:
            raise Crash(what)
        if moment == "before":
            self.writes += 1
            self.journal.append(what)
        if self.crash is None or self.crash[0] != self.writes:
            return
        _, how = self.crash
        if how == moment:
            self._dead = True
            raise Crash(f"{moment} write {self.writes}, {what}")
        if (how, moment) in {("refused", "before"), ("unheard", "after")}:
            self.crash = None
            raise LostAnswerError(f"{how} write {self.writes}, {what}")

    async def attempt(self, call: Callable[[], Awaitable[object]]) -> bool:
        """Do something as an instance; False where it failed, or died: then another takes its place."""
        try:
            await call()
        except Crash:
            await self._bury()
            return False
        except Exception as error:
            self.errors.append(f"{type(error).__name__}: {error}")
            return False
        if self._dead:
            await self._bury()
            return False
        return True

    async def _bury(self) -> None:
        """Let nothing of a dead instance go on, and start another."""
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        self._dead, self.crash = False, None
        self.crashes += 1
        self.hub = self.start()

    # What comes from outside

    async def drop(self, *events: dict[str, Any], queue: bool = True) -> None:
        """Have Event Grid deliver events, one a message; to the queue or by push."""
        self.sent += events
        for event in events:
            if not queue:
                self.pushes.append(Push(json.dumps([event]), self.now))
                continue
            self._outside = True
            await self.store.queue(self.settings.events_queue).send(json.dumps(event))
            self._outside = False

    async def person(self, call: Callable[[Hub], Awaitable[object]]) -> None:
        """Have a person do something, again until it is answered."""
        for _ in range(5):
            done: list[bool] = []

            async def ask(done: list[bool] = done) -> None:
                try:
                    await call(self.hub)
                except NotPossibleError:
                    done.append(True)

            if await self.attempt(ask) or done:
                return
            await self.run(2)
        raise AssertionError(f"nobody answered a person: {self.errors}")

    async def until(self, condition: Callable[[], bool | Awaitable[bool]], hours: float = 6) -> None:
        """Let time pass until something is so."""
        end = self.now + timedelta(hours=hours)
        while self.now < end:
            answer = condition()
            if answer if isinstance(answer, bool) else await answer:
                return
            await self.run(5)
        raise AssertionError(f"it never came so: {[(one.id, one.status) for one in await self.activities()]}")

    async def until_statuses(self, *wanted: str | None) -> None:
        """Let time pass until the activities have these statuses, the newest first; None is any."""

        async def so() -> bool:
            found = [one.status for one in await self.activities()]
            return len(found) == len(wanted) and all(w in {None, f} for w, f in zip(wanted, found, strict=True))

        await self.until(so)

    # Time

    async def run(self, seconds: float) -> None:
        """Let time pass, and do what comes due meanwhile."""
        end = self.now + timedelta(seconds=seconds)
        while True:
            if await self._one():
                continue
            following = self._next()
            if following > end:
                break
            self.now = max(self.now, following)
        self.now = max(self.now, end)

    async def settle(self, hours: float = 12) -> None:
        """Let time pass until nothing is under way any more."""
        end = self.now + timedelta(hours=hours)
        while self.now < end:
            await self.run(60)
            if await self.quiet():
                return
        raise AssertionError(f"still under way after {hours} hours: {await self.under_way()}")

    async def quiet(self) -> bool:
        """Tell whether nothing is under way."""
        return not await self.under_way()

    async def under_way(self) -> list[str]:
        """Name what is under way: messages, pushes, and what the index of what is unfinished holds."""
        found = [message.text[:80] for name in self._queues for message in self.store.queue(name).messages]
        found += [push.body[:80] for push in self.pushes]
        rows = await self.store.table("unfinished").partitions()
        found += [row.key for row in rows]
        found += [row.key for row in await self.rows("journal") if row.key.startswith("o:")]
        return found

    async def rows(self, table: str) -> list[Any]:
        """Give all rows of a table."""
        return await self.store.table(table).partitions(limit=100_000_000)

    def _next(self) -> datetime:
        times = [self._tick, *(push.due for push in self.pushes)]
        for name in self._queues:
            following = self.store.queue(name).next_visible()
            if following is not None:
                times.append(following)
        return min(times)

    async def _one(self) -> bool:
        self.azureml.tick()
        while self.azureml.told:
            event = self.azureml.told.pop(0)
            self.sent.append(event)
            self.pushes.append(Push(json.dumps([event]), self.now + timedelta(seconds=1)))
        for push in self.pushes:
            if push.due <= self.now:
                await self._push(push)
                return True
        for name, work in (
            (self.settings.events_queue, lambda text: self.hub.intake.accept(text, self.now, "queue")),
            (self.settings.work_queue, self.hub.work),
            (NOTIFY, lambda text: self.hub.notifier.look(text, self.now)),
        ):
            if await self._message(self.store.queue(name), work):
                return True
        if self._tick <= self.now:
            self._tick += max(1, -(-(self.now - self._tick) // TICK)) * TICK
            self.ticks += 1
            await self.attempt(self._timer)
            return True
        return False

    async def _timer(self) -> None:
        await self.hub.triggers.tick(self.now)
        await self.hub.sweep.run()
        await self.hub.notifier.outbox.sweep(self.now)
        if self.reconciles and self.ticks % 15 == 7:
            await reconcile(self.hub, self.now)
        if self.seal and self.ticks % 10 == 0:
            await self.hub.audit.seal(self.now)

    async def _push(self, push: Push) -> None:
        if await self.attempt(lambda: self.hub.intake.accept(push.body, self.now, "push")):
            self.pushes.remove(push)
            return
        push.due = self.now + timedelta(seconds=LADDER[min(push.tries, len(LADDER) - 1)])
        push.tries += 1

    async def _message(self, queue: MemoryQueue, work: Callable[[str], Awaitable[object]]) -> bool:
        taken = queue.receive(self.lease.total_seconds())
        if taken is None:
            return False
        message, receipt = taken
        if message.received > MOST_DEQUEUES:
            self.poison.append(message.text)
            queue.delete(message, receipt)
            return True
        before = self.crashes
        if await self.attempt(lambda: work(message.text)):
            queue.delete(message, receipt)
        elif self.crashes == before:
            message.visible = self.now + AGAIN
        return True

    # What came of it

    async def activities(self) -> list[Activity]:
        """Give all activities, the newest first."""
        return [one async for one in self.hub.activities.newest(self.now, until=START - timedelta(days=2))]

    def blob_event(
        self, path: str, etag: str, *, number: int = 1, container: str = "landing", copy: int = 0
    ) -> dict[str, Any]:
        """Give the event of a new blob; `copy` tells two deliveries of the same content apart."""
        return {
            "topic": "/subscriptions/s/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/landing",
            "subject": f"/blobServices/default/containers/{container}/blobs/{path}",
            "eventType": "Microsoft.Storage.BlobCreated",
            "id": f"{path}-{etag}-{copy}",
            "eventTime": self.now.isoformat(),
            "data": {
                "api": "PutBlob",
                "eTag": f'"{etag}"',
                "contentLength": 10,
                "blobType": "BlockBlob",
                "sequencer": f"{number:040x}",
            },
            "dataVersion": "",
            "metadataVersion": "1",
        }

    def model_event(self, name: str, version: str) -> dict[str, Any]:
        """Give the event of a model that somebody registered."""
        return {
            "topic": "/subscriptions/s/resourceGroups/rg/providers/Microsoft.MachineLearningServices/workspaces/ws",
            "subject": f"models/{name}:{version}",
            "eventType": "Microsoft.MachineLearningServices.ModelRegistered",
            "id": f"{name}-{version}",
            "eventTime": self.now.isoformat(),
            "data": {"ModelName": name, "ModelVersion": version, "ModelTags": {}, "ModelProperties": {}},
            "dataVersion": "",
            "metadataVersion": "1",
        }

    def breach_event(self, run: str, signal: str = "data-drift") -> dict[str, Any]:
        """Give the event of a monitor's run that found a breach."""
        sentence = f"delay-monitor_{signal} has failed due to one or more features violating metric thresholds."
        return {
            "topic": "/subscriptions/s/resourceGroups/rg/providers/Microsoft.MachineLearningServices/workspaces/ws",
            "subject": f"experiments/e/runs/{run}",
            "eventType": "Microsoft.MachineLearningServices.RunStatusChanged",
            "id": f"{run}-{signal}",
            "eventTime": self.now.isoformat(),
            "data": {
                "experimentId": "e",
                "experimentName": "delay-monitor",
                "runId": run,
                "runType": "azureml.scriptrun",
                "RunTags": {"azureml_modelmonitor_threshold_breached": sentence},
                "runStatus": "Completed",
            },
            "dataVersion": "1.0",
            "metadataVersion": "1",
        }

    def monitored(self, run: str, share: float) -> None:
        """Let a monitor's run end with a report in which a feature of that share of all importance drifts."""
        self.azureml.monitors.append(MonitorRun(run, self.now - timedelta(minutes=5), self.now))
        features = [
            {"name": name, "weight": weight, "metrics": {"psi": {"value": value, "threshold": 0.2}}}
            for name, weight, value in (("hour", share, 0.5), ("origin", 1 - share, 0.05))
        ]
        report = {"rows": 1000, "signals": [{"signal": "data-drift", "features": features}]}
        self.data.contents[f"ExperimentRun/dcid.{run}/outputs/signals.json"] = json.dumps(report).encode()

    def lies(self, path: str, etag: str, *, at: datetime | None = None, container: str = "landing") -> None:
        """Put a file into storage, now or at a time; no event tells of it by this."""
        file = File(account="landing", container=container, path=path, etag=etag, size=10, time=at or self.now)
        self.data.lying.append(file)


def _written(root: Path, automations: str) -> Path:
    (root / "automations").mkdir(parents=True, exist_ok=True)
    (root / "jobs" / "src").mkdir(parents=True, exist_ok=True)
    (root / "automations" / "all.yml").write_text(automations)
    (root / "jobs" / "src" / "main.py").write_text("print('hello')\n")
    for name in ("check", "train"):
        (root / "jobs" / f"{name}.yml").write_text(JOB)
    (root / "jobs" / "evaluate.yml").write_text(EVALUATE)
    (root / "endpoints").mkdir(exist_ok=True)
    (root / "endpoints" / "endpoint.yml").write_text("name: delay\nauth_mode: key\n")
    (root / "endpoints" / "deployment.yml").write_text("name: delay\nendpoint_name: delay\n")
    return root


def counted(items: list[str]) -> dict[str, int]:
    """Count equal texts."""
    return dict(Counter(items))
