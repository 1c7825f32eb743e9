"""What a generation of a collection holds: what each delivery brought, and all of it folded."""

from collections.abc import Iterable
from datetime import datetime

import msgspec

from shared.deciding.files import Newest
from shared.deciding.manifests import Manifest, Present, missing
from shared.ledger.records import File


class Member(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one delivery brought to a collection: files, and markers (paths that say that the burst is whole)."""

    arrived: datetime
    files: tuple[File, ...] = ()
    markers: tuple[File, ...] = ()
    manifests: dict[str, Manifest] = {}
    """What those markers list that are manifests, by claim."""


class Gathered:
    """What a generation holds so far, newest content of each path. `first`, `arrived` and `marked`: when the first and
    the last of it arrived, and its last marker; None for nothing.
    """

    def __init__(self, members: Iterable[Member] = ()) -> None:
        self.first: datetime | None = None
        self.arrived: datetime | None = None
        self.marked: datetime | None = None
        self._files = Newest()
        self._markers = Newest()
        self._manifests: dict[str, Manifest] = {}
        for member in members:
            self.add(member)

    def add(self, member: Member) -> None:
        """Take in what a delivery brought."""
        arrived = member.arrived
        self.first = min(self.first or arrived, arrived)
        self.arrived = max(self.arrived or arrived, arrived)
        self._files.add(member.files)
        if member.markers:
            self.marked = max(self.marked or arrived, arrived)
            self._markers.add(member.markers)
            self._manifests |= member.manifests

    @property
    def files(self) -> tuple[File, ...]:
        """The files, by place."""
        return self._files.files()

    @property
    def count(self) -> int:
        """How many files there are."""
        return len(self._files)

    @property
    def size(self) -> int:
        """Bytes in all."""
        return self._files.size

    @property
    def markers(self) -> tuple[File, ...]:
        """The markers, by place."""
        return self._markers.files()

    @property
    def missing(self) -> tuple[str, ...]:
        """What the newest content of each manifest lists and is not there as listed."""
        listed = [self._manifests[file.claim] for file in self.markers if file.claim in self._manifests]
        return missing(listed, (Present(file.path, file.size, file.etag) for file in self.files)) if listed else ()
