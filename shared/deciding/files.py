"""Which content of a file counts: the newest one of each path."""

from collections.abc import Iterable, Sequence

from shared.ledger.records import File

Place = tuple[str, str, str]


class Newest:
    """Files of a burst, folded by the place where they landed as they come; the newest content of each place stays.

    Newest is the highest sequencer, which Azure defines between writes of one blob only. Where one of a path's files
    has none (it was found by a listing), the service's time decides between all of them, then the etag: so the answer
    never depends on the order in which they came.
    """

    def __init__(self, files: Iterable[File] = ()) -> None:
        self._newest: dict[Place, File] = {}
        self._several: dict[Place, list[File]] = {}
        self._unsettled: set[Place] = set()
        self._size = 0
        self.add(files)

    def add(self, files: Iterable[File]) -> None:
        """Take files in."""
        newest = self._newest
        for file in files:
            place = file.place
            if (known := newest.get(place)) is None:
                newest[place] = file
                self._size += file.size
            elif known is not file:
                self._several.setdefault(place, [known]).append(file)
                self._unsettled.add(place)

    def __len__(self) -> int:
        """Give how many places there are."""
        return len(self._newest)

    @property
    def size(self) -> int:
        """Bytes in all."""
        self._settle()
        return self._size

    def files(self) -> tuple[File, ...]:
        """Give the newest content of each place, in order of place."""
        self._settle()
        return tuple(self._newest[place] for place in sorted(self._newest))

    def _settle(self) -> None:
        for place in self._unsettled:
            newest = _newest(self._several[place])
            self._size += newest.size - self._newest[place].size
            self._newest[place] = newest
        self._unsettled.clear()


def newest_contents(files: Iterable[File]) -> tuple[File, ...]:
    """Give the newest content of each place of a burst, in order of place (see Newest)."""
    return Newest(files).files()


def _newest(files: Sequence[File]) -> File:
    if all(file.sequencer for file in files):
        width = max(len(file.sequencer) for file in files)
        return max(files, key=lambda file: (file.sequencer.lower().rjust(width, "0"), file.time, file.etag))
    return max(files, key=lambda file: (file.time, file.etag))
