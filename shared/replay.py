"""Sends events again: by the way all events come, marked, and only after saying what the duplicate check will say."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from pydantic import BaseModel, ConfigDict, Field

from shared.bootstrap import Hub
from shared.events.identity import claim
from shared.events.model import Broken, Event
from shared.events.parsing import parse, parse_one
from shared.intake.read import marked
from shared.ledger.deadletters import DeadLetter
from shared.ledger.protocol import NotFoundError
from shared.ledger.records import Activity, FileList, Taken, decode
from shared.sources import strange_source

MOST: Final = 5000
_SHOWN: Final = 200
_BATCH: Final = 500
_LONGEST_AGO: Final = timedelta(days=400)
"""How far back refusals are looked for: each day is a partition, and an empty one costs a look too."""


class NothingToReplayError(ValueError):
    """What was asked for holds no event; the message says what was looked at."""


class Telling(BaseModel):
    """What the duplicate check says to one event."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    id: str
    type: str
    subject: str
    known: bool
    since: datetime | None = None
    became: str = ""
    says: str


class Replay(BaseModel):
    """What a replay would do, or did. `told` are the first 200 events."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    events: int
    known: int
    told: list[Telling]
    done: bool
    mark: str = Field(default="", description="By which what was decided before was decided again.")
    new: int = 0
    folded: int = 0
    broken: int = 0
    woken: int = Field(default=0, description="Messages of the hub's own work that were sent again.")


@dataclass(frozen=True)
class Chosen:
    """What is to be sent again: events, messages of the work queue, and messages to people."""

    events: Sequence[Event | Broken] = ()
    work: Sequence[str] = ()
    messages: Sequence[bytes] = ()
    letters: Sequence[DeadLetter] = ()


class Replayer:
    """Replays for one caller."""

    def __init__(self, hub: Hub, who: str, now: datetime) -> None:
        self._hub = hub
        self._who = who
        self._now = now

    async def event(self, identifier: str) -> Chosen:
        """Choose one event by its claim. Raises NotFoundError."""
        found = await self._hub.journal.get(identifier)
        if found is None:
            raise NotFoundError(f"no event {identifier} was received")
        return Chosen([parse_one(found[0].event, self._now)])

    async def dead_letter(self, identifier: str) -> Chosen:
        """Choose a dead letter. Raises NotFoundError."""
        letter, content = await self._hub.letters.get(identifier)
        if letter.kind == "work":
            return Chosen(work=[content.decode("utf-8", "replace")], letters=[letter])
        if letter.kind == "notify":
            return Chosen(messages=[content], letters=[letter])
        return Chosen([self._known(event) for event in parse(content, self._now)], letters=[letter])

    def _known(self, event: Event | Broken) -> Event | Broken:
        """What was quarantined for where it comes from stays there until that place is configured."""
        reason = "" if isinstance(event, Broken) else strange_source(event, self._hub.settings)
        return Broken(reason, event.raw) if reason else event

    async def span(self, since: datetime, until: datetime, outcome: str = "") -> Chosen:
        """Choose what was received in a span, or what of it had an outcome. Raises TooMuchError."""
        chosen: list[Event | Broken] = []
        for stored in await self._hub.journal.span(since, until, most=MOST):
            chosen += [
                parse_one(taken.event, self._now)
                for taken in await self._hub.journal.read(stored)
                if _whole(taken) and (not outcome or any(one.what == outcome for one in taken.outcomes))
            ]
        if not chosen:
            raise NothingToReplayError(f"no such event was received from {since.isoformat()} to {until.isoformat()}")
        return Chosen(chosen)

    async def refused_by(self, automation: str, since: datetime) -> Chosen:
        """Choose the events of all activities that an automation refused."""
        chosen: list[Event | Broken] = []
        since = max(since, self._now - _LONGEST_AGO)
        async for activity in self._hub.activities.newest(self._now, until=since):
            if activity.automation != automation or activity.status != "refused" or activity.created < since:
                continue
            for name in await self._claims(activity):
                if (found := await self._hub.journal.get(name)) is not None and len(chosen) < MOST:
                    chosen.append(parse_one(found[0].event, self._now))
        if not chosen:
            raise NothingToReplayError(f"{automation} refused nothing since {since.isoformat()}")
        return Chosen(chosen)

    async def _claims(self, activity: Activity) -> list[str]:
        if not activity.files.blob:
            return list(activity.cause.claims)
        files = decode(FileList, await self._hub.store.blobs.get(activity.files.blob)).files
        return [file.claim for file in files if file.claim]

    async def tell(self, chosen: Chosen, mark: str) -> Replay:
        """Say what the duplicate check will say; nothing is sent."""
        told = [await self._telling(event, mark) for event in chosen.events]
        return Replay(
            events=len(chosen.events),
            known=sum(one.known for one in told),
            told=told[:_SHOWN],
            done=False,
            mark=mark,
            woken=len(chosen.work),
        )

    async def _telling(self, event: Event | Broken, mark: str) -> Telling:
        if isinstance(event, Broken):
            says = f"it cannot be taken, and starts nothing: {event.reason}"
            return Telling(id="", type="", subject="", known=False, says=says)
        name = marked(claim(event), mark)
        found = await self._hub.journal.get(name)
        became = ", ".join(f"{one.what} {one.target}".strip() for one in found[0].outcomes) if found else ""
        if found is None:
            says = "it is decided again, under this mark" if mark else "it is new: it is decided"
        else:
            says = "it is known: it folds, and changes nothing; send it with `again` to have it decided once more"
        return Telling(
            id=name,
            type=event.type,
            subject=event.subject,
            known=found is not None,
            since=found[1] if found else None,
            became=became,
            says=says,
        )

    async def send(self, chosen: Chosen, mark: str) -> Replay:
        """Send again. Raises UndecidedError or StoreError where it is to be asked for once more."""
        told = await self.tell(chosen, mark)
        new = known = broken = 0
        # What still cannot be read stays the dead letter that it is: it would only become one more.
        readable = chosen.events if not chosen.letters else [e for e in chosen.events if not isinstance(e, Broken)]
        broken = len(chosen.events) - len(readable)
        for start in range(0, len(readable), _BATCH):
            batch = readable[start : start + _BATCH]
            accepted = await self._hub.intake.take(batch, self._now, f"replay:{self._who}", mark=mark)
            new, known, broken = new + accepted.new, known + accepted.known, broken + accepted.broken
        for message in chosen.work:
            await self._hub.store.queue(self._hub.settings.work_queue).send(message)
        for content in chosen.messages:
            await self._hub.notifier.outbox.again(content)
        for letter in chosen.letters:
            await self._hub.letters.replayed(letter, self._who, self._now)
        return told.model_copy(update={"done": True, "new": new, "folded": known, "broken": broken})


def _whole(taken: Taken) -> bool:
    """Whether the event itself was kept: a folded delivery holds its id only."""
    return bool(taken.event.get("eventType") or taken.event.get("type")) and not taken.via.startswith("replay:")
