"""Which content of a file counts: the newest one of each path."""

from collections.abc import Iterable, Sequence

from shared.ledger.records import File


def newest_contents(files: Iterable[File]) -> tuple[File, ...]:
    """Fold the files of a burst by the place where they landed; the newest content of each stays, in order of place.

    Newest is the highest sequencer, which Azure defines between writes of one blob only. Where one of a path's files
    has none (it was found by a listing), the service's time decides between all of them, then the etag: so the answer
    never depends on the order in which they came.
    """
    first: dict[tuple[str, str, str], File] = {}
    more: dict[tuple[str, str, str], list[File]] = {}
    for file in files:
        place = file.place
        if (known := first.setdefault(place, file)) is not file:
            more.setdefault(place, [known]).append(file)
    for place, several in more.items():
        first[place] = _newest(several)
    return tuple(first[place] for place in sorted(first))


def _newest(files: Sequence[File]) -> File:
    if all(file.sequencer for file in files):
        width = max(len(file.sequencer) for file in files)
        return max(files, key=lambda file: (file.sequencer.lower().rjust(width, "0"), file.time, file.etag))
    return max(files, key=lambda file: (file.time, file.etag))
