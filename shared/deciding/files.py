"""Which content of a file counts: the newest one of each path."""

from collections.abc import Iterable

from shared.ledger.records import File


def newest_contents(files: Iterable[File]) -> tuple[File, ...]:
    """Fold the files of a burst by path; the newest content of each stays, ordered by account, container and path
    under which they landed.

    Newest is the higher sequencer, which Azure defines between writes of one blob only; where one is missing (a file
    found by a listing has none) the service's time decides, then the etag, so that the answer depends on no order.
    """
    newest: dict[tuple[str, str, str], File] = {}
    for file in files:
        key = file.place
        known = newest.get(key)
        if known is None or _newer(file, known):
            newest[key] = file
    return tuple(newest[key] for key in sorted(newest))


def _newer(one: File, other: File) -> bool:
    if one.sequencer and other.sequencer and one.sequencer != other.sequencer:
        width = max(len(one.sequencer), len(other.sequencer))
        return one.sequencer.lower().rjust(width, "0") > other.sequencer.lower().rjust(width, "0")
    return (one.time, one.etag) > (other.time, other.etag)
