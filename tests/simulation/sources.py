"""What happens in the world outside: blocks of events, seeded, with what is lost, told twice, late, broken or idle."""

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

from shared.events.identity import claim
from shared.events.model import Broken
from shared.events.parsing import parse_one
from tests.simulation.stage import Push, Stage

SPAN: Final = timedelta(minutes=2)
"""How long a block of events lasts."""
DUPLICATES: Final = 0.10
REORDERED: Final = 0.05
DROPPED: Final = 0.02
"""Of the files: no event tells of them."""
_BATCH: Final = 40


@dataclass
class Expected:
    """What must have come of it all."""

    claims: set[str] = field(default_factory=set)
    """Of every event, those included of which nobody was told."""
    files: dict[str, dict[str, str]] = field(default_factory=dict)
    """By automation: the newest content of each path."""
    models: list[str] = field(default_factory=list)
    """Versions that start `limited`, once each."""
    broken: int = 0
    sent: int = 0
    duplicates: int = 0
    reordered: int = 0
    dropped: int = 0


class Source:
    """Makes blocks of events."""

    def __init__(self, stage: Stage, seed: int) -> None:
        self._stage = stage
        self._draw = random.Random(f"source {seed}")
        self.expected = Expected()

    def block(self, number: int, size: int) -> tuple[list[tuple[float, str]], list[Push]]:
        """Give what is put into the queue (after so many seconds), and what is pushed; files lie there from now on."""
        told: list[tuple[float, dict[str, Any]]] = []
        wanted = list(self._wanted(number))
        for after, event, file in [*wanted, *self._idle(number, size - len(wanted))]:
            told += self._deliveries(after, event, file=file)
        if self._draw.random() < 0.3:
            self.expected.broken += 1
            bad = {"id": f"bad-{number}", "eventType": "Microsoft.Storage.BlobCreated", "subject": "?", "data": 3}
            told.append((self._draw.uniform(0, 100), bad))
        told.sort(key=lambda one: one[0])
        queued = [(after, json.dumps(event)) for after, event in told if self._queued(event)]
        return queued, list(self._pushes([one for one in told if not self._queued(one[1])]))

    @staticmethod
    def _queued(event: dict[str, Any]) -> bool:
        return "containers/landing/" in event["subject"] or "containers/scoring/" in event["subject"]

    def _wanted(self, number: int) -> Iterator[tuple[float, dict[str, Any], tuple[str, str, str] | None]]:
        draw, stage = self._draw, self._stage
        month = f"flights/m{number}"
        count = draw.randrange(4, 16)
        for index in range(count):
            first = self._file(draw.uniform(0, 30), "delay-train", f"{month}/{index}.csv", f"0x{index}", index)
            if draw.random() < 0.1:
                # What is rewritten lies there no more: of that content only its event tells.
                yield *first[:2], None
                after = draw.uniform(31, 44)
                yield self._file(after, "delay-train", f"{month}/{index}.csv", f"0x{index}N", 100 + index)
            else:
                yield first
        yield 45.0, stage.blob_event(f"{month}/_SUCCESS", "0xF", number=999), ("landing", f"{month}/_SUCCESS", "0xF")
        for index in range(draw.randrange(3)):
            self.expected.models.append(f"{number}.{index}")
            yield draw.uniform(0, 100), stage.model_event("m", f"{number}.{index}"), None
        for index in range(draw.randrange(3)):
            yield self._file(draw.uniform(0, 100), "each-file", f"in/{number}-{index}.csv", "0x1", index)
        if number % 5 == 0:
            for index in range(3):
                yield self._file(draw.uniform(0, 20), "delay-score", f"score/{number}/{index}.csv", "0x1", index)
        if number % 4 == 0:
            for index in range(draw.randrange(1, 3)):
                yield draw.uniform(0, 90), stage.model_event("k", f"{number}.{index}"), None
            yield draw.uniform(0, 90), stage.blob_event(f"go/{number}", "0x1"), None

    def _file(
        self, after: float, automation: str, path: str, etag: str, number: int
    ) -> tuple[float, dict[str, Any], tuple[str, str, str]]:
        container = "scoring" if automation == "delay-score" else "landing"
        self.expected.files.setdefault(automation, {})[path] = etag
        return after, self._stage.blob_event(path, etag, number=number, container=container), (container, path, etag)

    def _idle(self, number: int, count: int) -> Iterator[tuple[float, dict[str, Any], None]]:
        for index in range(max(0, count)):
            after = self._draw.uniform(0, 110)
            if index % 3:
                yield after, self._stage.blob_event(f"idle/{number}-{index}", "0x1", container="elsewhere"), None
            else:
                yield after, self._stage.model_event("other", f"{number}.{index}"), None

    def _deliveries(
        self, after: float, event: dict[str, Any], *, file: tuple[str, str, str] | None
    ) -> Iterator[tuple[float, dict[str, Any]]]:
        draw, expected, stage = self._draw, self.expected, self._stage
        at = stage.now + timedelta(seconds=after)
        event["eventTime"] = at.isoformat()
        read = parse_one(event, at)
        assert not isinstance(read, Broken), read
        expected.claims.add(claim(read))
        if file is not None and file[0] == "landing":
            stage.lies(file[1], file[2], at=at, container=file[0])
            if draw.random() < DROPPED:
                expected.dropped += 1
                return
        late = draw.random() < REORDERED
        expected.reordered += late
        expected.sent += 1
        yield after + (draw.uniform(20, 400) if late else draw.uniform(0.2, 2)), event
        if draw.random() < DUPLICATES:
            expected.duplicates += 1
            again = {**event, "id": f"{event['id']}-again"} if draw.random() < 0.5 and _has_identity(event) else event
            yield after + draw.uniform(0.5, 900), again

    def _pushes(self, told: list[tuple[float, dict[str, Any]]]) -> Iterator[Push]:
        while told:
            count = self._draw.randrange(1, _BATCH)
            batch, told = told[:count], told[count:]
            due = self._stage.now + timedelta(seconds=batch[-1][0])
            yield Push(json.dumps([event for _, event in batch]), due)


def _has_identity(event: dict[str, Any]) -> bool:
    """Tell whether the content makes the event what it is, whatever its id."""
    return bool(event["eventType"].endswith(("BlobCreated", "ModelRegistered")))
