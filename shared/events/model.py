"""What an event says, once read: typed facts, and the claim that identifies its content."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class BlobCreated:
    """A blob has a new content. `size` in bytes; `sequencer` orders writes of this one blob, as padded hex text."""

    account: str
    container: str
    path: str
    etag: str
    size: int
    api: str
    sequencer: str = ""
    content_type: str = ""


@dataclass(frozen=True, slots=True)
class BlobIncomplete:
    """A blob was created but its content follows (CreateFile, SftpCreate): another event tells of that."""

    account: str
    container: str
    path: str
    api: str


@dataclass(frozen=True, slots=True)
class BlobDeleted:
    """A blob is gone."""

    account: str
    container: str
    path: str
    sequencer: str = ""


@dataclass(frozen=True, slots=True)
class ModelRegistered:
    """A model version exists. Versions are text, never compared."""

    workspace: str
    name: str
    version: str
    tags: Mapping[str, str] = field(default_factory=dict)
    properties: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ModelDeployed:
    """A service was deployed."""

    workspace: str
    service: str
    models: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RunCompleted:
    """A run has ended well."""

    workspace: str
    experiment: str
    run: str
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RunStatusChanged:
    """A run has another status, in lower case. `breach`: the text that a model monitor left, "" for none."""

    workspace: str
    experiment: str
    run: str
    status: str
    tags: Mapping[str, str] = field(default_factory=dict)
    breach: str = ""


@dataclass(frozen=True, slots=True)
class DatasetDriftDetected:
    """A monitor of the first generation reports drift."""

    workspace: str
    monitor: str
    run: str
    coefficient: float | None = None


@dataclass(frozen=True, slots=True)
class Other:
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


@dataclass(frozen=True, slots=True)
class Event:
    """An event in one form, whichever schema it came in. `raw` is what arrived."""

    id: str
    source: str
    type: str
    subject: str
    time: datetime
    data: Mapping[str, Any]
    facts: Facts
    raw: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Broken:
    """Something that could not be read as an event, why, and what arrived (at most 32 KB of it)."""

    reason: str
    raw: Any = field(repr=False)
