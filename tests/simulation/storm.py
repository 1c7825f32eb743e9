"""A storm: instances are interleaved at every write and die at any, in a world that tells badly of what happens."""

import asyncio
import hashlib
import heapq
import json
import random
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from typing import Any, Final

from shared.bootstrap import Hub
from shared.engine.acts import NotPossibleError
from shared.ledger.journal import Journal
from shared.ledger.records import Act
from shared.ledger.switches import Pause
from shared.notify.notifier import QUEUE as NOTIFY
from shared.reconcile import reconcile
from tests.simulation.clouds import Workspace
from tests.simulation.rules import STORM
from tests.simulation.sources import SPAN, Source
from tests.simulation.stage import AGAIN, LADDER, MOST_DEQUEUES, TICK, Crash, LostAnswerError, Push, Stage

_Work = Callable[[Hub], Awaitable[object]]
INSTANCES: Final = 3
FAULTS: Final = 1 / 1500
"""The share of writes at which an instance dies, or that the store refuses or does not answer."""
_AT_ONCE: Final = 12
"""Messages of a queue that are worked on at the same moment, over all instances."""
_KEPT: Final = timedelta(hours=1)


@dataclass
class Instance:
    """A host of the app; `dead` once it died: nothing of it goes on."""

    hub: Hub
    dead: bool = False


_CURRENT: ContextVar[Instance | None] = ContextVar("instance", default=None)


class StormyWorkspace(Workspace):
    """Jobs of which some fail, and evaluations of which some lack a metric; whose they are follows from their name."""

    def _part(self, name: str) -> float:
        return int(hashlib.sha256(name.encode()).hexdigest()[:8], 16) / 2**32

    def _state(self, name: str) -> Any:
        step, attempt = name.split("-")[3:5]
        self.fates[f"{step}-{attempt}"] = "Failed" if attempt == "1" and self._part(name) < 0.04 else "Completed"
        return super()._state(name)

    async def metrics(self, run: str) -> dict[str, float]:
        """Give what a run logged; an evaluation in five lacks what the gate asks for."""
        if "-evaluate-" in run and self._part(run) > 0.8:
            return {"rmse": 1.0}
        return {"mae": 17.0, "champion.mae": 17.5}


@dataclass
class Storm(Stage):
    """A hub of several instances in a storm."""

    automations: str = STORM
    seed: int = 0
    faults: float = FAULTS

    def __post_init__(self) -> None:
        self.draw = random.Random(f"storm {self.seed}")
        self._names = count()
        self.instances: list[Instance] = []
        self.slowest = 0.0
        """The longest that one message was worked on, in seconds that somebody waited."""
        self.digest = hashlib.sha256()
        self.refusals = 0
        self._told = 0
        self.source = Source(self, self.seed)
        self._pushed: list[tuple[Any, int, Push]] = []
        self._dropping: list[tuple[Any, int, str]] = []
        self._failed: dict[str, int] = {}
        self.environment = {"HUB_ACCOUNT_LANDING": "UseDevelopmentStorage=true", **self.environment}
        super().__post_init__()
        self.azureml = StormyWorkspace(lambda: self.now, self.data)
        self.batch.azureml = self.azureml
        self.azureml.outputs = {}
        self.hub = self.start()
        self.instances = [Instance(self.start()) for _ in range(INSTANCES)]
        self.store.hook = self._interleave

    def _journal(self) -> Journal:
        return Journal(self.store, lambda: f"{next(self._names):032x}")

    async def _interleave(self, moment: str, what: str) -> None:
        instance = _CURRENT.get()
        if instance is None:
            return
        if instance.dead:
            raise Crash(what)
        for _ in range(self.draw.randrange(3)):
            await asyncio.sleep(0)
        if instance.dead:
            raise Crash(what)
        if moment == "before":
            self.writes += 1
            self.digest.update(what.encode())
        chance = self.draw.random()
        if chance < self.faults / 2:
            instance.dead = True
            self.crashes += 1
            raise Crash(f"{moment} {what}")
        if chance < self.faults:
            self.refusals += 1
            raise LostAnswerError(f"{moment} {what}")

    # What comes from outside

    def begin(self, number: int, size: int) -> None:
        """Let a block of events begin now."""
        self.endpoints.errors = 0.2 if self.draw.random() < 0.1 else 0.0
        queued, pushes = self.source.block(number, size)
        for after, text in queued:
            heapq.heappush(self._dropping, (self.now + timedelta(seconds=after), next(self._names), text))
        for push in pushes:
            self._push_later(push)
        oldest = self.now - _KEPT
        self.data.lying = [file for file in self.data.lying if file.time > oldest]

    def _tell_of_copies(self) -> None:
        """Storage tells of what the hub itself writes, too."""
        for _, target in self.data.copies[self._told :]:
            _, container, path = target.split("/", 2)
            event = self.blob_event(path, "0x1", container=container)
            self._push_later(Push(json.dumps([event]), self.now + timedelta(seconds=1)))
        self._told = len(self.data.copies)

    def _push_later(self, push: Push) -> None:
        heapq.heappush(self._pushed, (push.due, next(self._names), push))

    async def people(self) -> None:
        """Have somebody retry what failed, cancel something, or pause and resume the hub."""
        hub = self.draw.choice(self.instances).hub
        async for activity in hub.activities.newest(self.now, until=self.now - timedelta(minutes=30)):
            if activity.status == "failed" and activity.action != "deploy" and activity.attempt == 1:
                await self._one_of([self._asked(hub, activity.id, Act(kind="retry", who="ann", at=self.now))])
        chance = self.draw.random()
        if chance < 0.1:
            await hub.switches.pause(Pause("hub", "ann", "a look", self.now))
        elif chance < 0.6:
            await hub.switches.resume("hub")
        elif chance < 0.7:
            running = [one async for one in hub.activities.newest(self.now, until=self.now - timedelta(minutes=5))]
            open_ones = [one for one in running if not one.finished and one.automation == "limited"]
            if open_ones:
                await self._one_of([self._asked(hub, open_ones[0].id, Act(kind="cancel", who="ann", at=self.now))])

    @staticmethod
    def _asked(hub: Hub, identifier: str, act: Act) -> _Work:
        async def ask(hub: Hub = hub) -> None:
            try:
                await hub.acts.ask(identifier, act)
            except NotPossibleError:
                return

        return ask

    # Time

    async def _one(self) -> bool:
        """Do at the same moment all that is due."""
        self.azureml.tick()
        self._tell_of_copies()
        while self.azureml.told:
            event = self.azureml.told.pop(0)
            for after in (1.0, self.draw.uniform(1, 300))[: 2 if self.draw.random() < 0.1 else 1]:
                self._push_later(Push(json.dumps([event]), self.now + timedelta(seconds=after)))
        while self._dropping and self._dropping[0][0] <= self.now:
            await self.store.queue(self.settings.events_queue).send(heapq.heappop(self._dropping)[2])
        due: list[tuple[_Work, Callable[[bool], None]]] = []
        while self._pushed and self._pushed[0][0] <= self.now and len(due) < _AT_ONCE:
            due.append(self._delivery(heapq.heappop(self._pushed)[2]))
        for name in self._queues:
            due += self._messages(name)
        if self._tick <= self.now:
            self._tick += max(1, -(-(self.now - self._tick) // TICK)) * TICK
            self.ticks += 1
            due.append((self._timers(self.ticks), lambda done: None))
        if not due:
            return False
        self.draw.shuffle(due)
        answers = await self._one_of([work for work, _ in due])
        for done, (_, settle) in zip(answers, due, strict=True):
            settle(done)
        return True

    async def _one_of(self, works: list[_Work]) -> list[bool]:
        """Do works on instances at the same time; give which of them were done and answered."""
        chosen = [self.draw.choice(self.instances) for _ in works]
        tasks = [asyncio.ensure_future(self._on(one, work)) for one, work in zip(chosen, works, strict=True)]
        done = list(await asyncio.gather(*tasks))
        done = [answer and not one.dead for answer, one in zip(done, chosen, strict=True)]
        for number, one in enumerate(self.instances):
            if one.dead:
                self.instances[number] = Instance(self.start())
        return done

    async def _on(self, instance: Instance, work: _Work) -> bool:
        _CURRENT.set(instance)
        began = asyncio.get_running_loop().time()
        try:
            await work(instance.hub)
        except Crash:
            return False
        except Exception as error:
            self._failed[type(error).__name__] = self._failed.get(type(error).__name__, 0) + 1
            return False
        finally:
            self.slowest = max(self.slowest, asyncio.get_running_loop().time() - began)
        return True

    def _delivery(self, push: Push) -> tuple[_Work, Callable[[bool], None]]:
        def settle(done: bool) -> None:
            if not done:
                push.due = self.now + timedelta(seconds=LADDER[min(push.tries, len(LADDER) - 1)])
                push.tries += 1
                self._push_later(push)

        return (lambda hub: hub.intake.accept(push.body, self.now, "push")), settle

    def _messages(self, name: str) -> list[tuple[_Work, Callable[[bool], None]]]:
        queue = self.store.queue(name)
        found: list[tuple[_Work, Callable[[bool], None]]] = []
        for _ in range(_AT_ONCE):
            taken = queue.receive(self.lease.total_seconds())
            if taken is None:
                break
            message, receipt = taken
            if message.received > MOST_DEQUEUES:
                self.poison.append(message.text)
                queue.delete(message, receipt)
                continue

            def work(hub: Hub, text: str = message.text) -> Awaitable[object]:
                if name == NOTIFY:
                    return hub.notifier.look(text, self.now)
                if name == self.settings.work_queue:
                    return hub.work(text)
                return hub.intake.accept(text, self.now, "queue")

            def settle(done: bool, taken: tuple[Any, int] = taken) -> None:
                if done:
                    queue.delete(*taken)
                elif self.draw.random() < 0.5:
                    taken[0].visible = self.now + AGAIN

            found.append((work, settle))
        return found

    def _timers(self, ticks: int) -> _Work:
        async def tick(hub: Hub) -> None:
            await hub.triggers.tick(self.now)
            await hub.sweep.run()
            await hub.notifier.outbox.sweep(self.now)
            if ticks % 15 == 1:
                await reconcile(hub, self.now)
            if ticks % 10 == 0:
                await hub.audit.seal(self.now)

        return tick

    def _next(self) -> Any:
        times = [self._tick, *(heap[0][0] for heap in (self._pushed, self._dropping) if heap)]
        times += [one for name in self._queues if (one := self.store.queue(name).next_visible()) is not None]
        return min([*times, *self.azureml.ends.values()])

    async def under_way(self) -> list[str]:
        """Name what is under way."""
        found = [text[:80] for _, _, text in self._dropping] + [push.body[:80] for _, _, push in self._pushed]
        return found + await super().under_way()

    async def blow(
        self, blocks: int, size: int, look: Callable[[], Awaitable[None]], hours: float, *, every: int
    ) -> None:
        """Let blocks of events come, looking at the invariants all along, and let it all come to its end."""
        for loaded in self.catalogue.automations.values():
            await self.hub.rulebook.keep(loaded.automation.name)
            await self.hub.admission._rules._contents.read(loaded.content)  # type: ignore[attr-defined]
        await self.run(120)
        for number in range(blocks):
            self.begin(number, size)
            await self.run(SPAN.total_seconds())
            await self.people()
            if number % every == every - 1:
                await look()
        await self.hub.switches.resume("hub")
        await self.settle(hours)
        for _ in range(3):
            # What lies there and nobody told of is found a quarter of an hour later, and what people do in between.
            await self.run(20 * 60)
            await self.people()
            await self.hub.switches.resume("hub")
            await self.settle(hours)
        await look()
