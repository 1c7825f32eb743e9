"""How well a model did, window by window: labels that come later change the window that they belong to."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar

from shared.deciding.thresholds import Threshold

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Performance:
    """How well the model did in a window, on the `rows` whose labels have come since.

    `window` names the window (a month, such as 2013-06), `first` and `last` are the days of what was predicted in it
    (year-month-day, "" where the monitor does not say): a run of the monitor tells of earlier windows too.
    """

    metric: str
    value: float | None
    threshold: Threshold
    rows: int
    window: str = ""
    first: str = ""
    last: str = ""

    @property
    def is_worse(self) -> bool:
        """Whether it breaks its threshold; a value that is not known does not."""
        return self.value is not None and not self.threshold.keeps(self.value)

    def replaces(self, other: "Performance") -> bool:
        """Whether it is a later word on the same window: of one name, with days in common."""
        if not self.window or self.window != other.window:
            return False
        return not (self.first and other.first) or (self.first <= other.last and other.first <= self.last)


def newest(told: Iterable[tuple[T, Performance]], through: str = "") -> list[tuple[T, Performance]]:
    """Give the newest word on each window, by the windows' own order, of what was told from the oldest to the newest.

    Each comes with who told of it. Windows whose last day is not after `through` are left out: a training has answered
    them, and what their labels say of the model before it, it does not say of the model after it.
    """
    known: list[tuple[T, Performance]] = []
    for teller, one in told:
        if through and one.last and one.last <= through:
            continue
        known = [(other, before) for other, before in known if not one.replaces(before)]
        known.append((teller, one))
    return sorted(known, key=lambda pair: (pair[1].window, pair[1].first))
