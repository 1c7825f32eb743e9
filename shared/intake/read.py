"""An event that was read, with what follows from it alone: the claim that it makes, and the file that it tells of."""

from shared.events.identity import claim
from shared.events.model import BlobCreated, Event
from shared.ledger.journal import claim_name
from shared.ledger.records import File
from shared.telemetry import telling


class Read:
    """An event under its claim."""

    __slots__ = ("_file", "claim", "event")

    def __init__(self, event: Event, claim: str) -> None:
        self.event = event
        self.claim = claim
        self._file: File | None = None

    @classmethod
    def of(cls, event: Event, mark: str = "") -> "Read":
        """Give an event under the claim of its content or, with a mark, of that replay."""
        return cls(event, marked(claim(event), mark))

    @property
    def file(self) -> File:
        """The file that it tells of. Raises TypeError where it tells of none."""
        if self._file is None:
            self._file = _file(self.event, self.claim)
        return self._file


def marked(name: str, mark: str) -> str:
    """Name the claim of a replayed event: a neighbour of its own, told apart by the mark ("" for the event itself)."""
    return name[:20] + claim_name("", f"{name}\0{mark}")[20:] if mark else name


def _file(event: Event, name: str) -> File:
    blob = event.facts
    if not isinstance(blob, BlobCreated):
        raise TypeError(f"event {event.id} is no file")
    return File(
        account=blob.account,
        container=blob.container,
        path=blob.path,
        etag=blob.etag,
        size=blob.size,
        time=event.time,
        sequencer=blob.sequencer,
        claim=name,
        traceparent=telling.brought(event),
    )
