"""What an event says, once read: typed facts, and the claim that identifies its content."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec


class BlobCreated(msgspec.Struct, frozen=True):
    """A blob has a new content. `size` in bytes; `sequencer` orders writes of this one blob, as padded hex text."""

    account: str
    container: str
    path: str
    etag: str
    size: int
    api: str
    sequencer: str = ""
    content_type: str = ""


class BlobIncomplete(msgspec.Struct, frozen=True):
    """A blob was created but its content follows (CreateFile, SftpCreate): another event tells of that."""

    account: str
    container: str
    path: str
    api: str


class BlobDeleted(msgspec.Struct, frozen=True):
    """A blob is gone."""

    account: str
    container: str
    path: str
    sequencer: str = ""


class ModelRegistered(msgspec.Struct, frozen=True):
    """A model version exists. Versions are text, never compared."""

    workspace: str
    name: str
    version: str
    tags: Mapping[str, str] = {}
    properties: Mapping[str, str] = {}


class ModelDeployed(msgspec.Struct, frozen=True):
    """A service was deployed."""

    workspace: str
    service: str
    models: tuple[str, ...] = ()


class RunCompleted(msgspec.Struct, frozen=True):
    """A run has ended well."""

    workspace: str
    experiment: str
    run: str
    tags: Mapping[str, str] = {}


class RunStatusChanged(msgspec.Struct, frozen=True):
    """A run has another status, in lower case. `breach`: the text that a model monitor left, "" for none."""

    workspace: str
    experiment: str
    run: str
    status: str
    tags: Mapping[str, str] = {}
    breach: str = ""


class DatasetDriftDetected(msgspec.Struct, frozen=True):
    """A monitor of the first generation reports drift."""

    workspace: str
    monitor: str
    run: str
    coefficient: float | None = None


class Other(msgspec.Struct, frozen=True):
    """Any other event."""


Facts = (
    BlobCreated
    | BlobIncomplete
    | BlobDeleted
    | ModelRegistered
    | ModelDeployed
    | RunCompleted
    | RunStatusChanged
    | DatasetDriftDetected
    | Other
)


class Event(msgspec.Struct, frozen=True):
    """An event in one form, whichever schema it came in. `raw` is what arrived."""

    id: str
    source: str
    type: str
    subject: str
    time: datetime
    data: Mapping[str, Any]
    facts: Facts
    raw: dict[str, Any]

    def __repr__(self) -> str:
        """Say what it is about; what it holds may be large."""
        return f"Event({self.id!r}, {self.type!r}, {self.subject!r}, {self.facts!r})"


class Broken(msgspec.Struct, frozen=True):
    """Something that could not be read as an event, why, and what arrived (at most 32 KB of it)."""

    reason: str
    raw: Any

    def __repr__(self) -> str:
        """Say what is wrong; what arrived may be large."""
        return f"Broken({self.reason!r})"
