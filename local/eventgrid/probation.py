"""When an endpoint that keeps failing is left alone for a while: all its deliveries wait, new ones too.

https://learn.microsoft.com/azure/event-grid/delivery-and-retry#delayed-delivery: where the first ten events fail, all
further tries and new deliveries are put off "for some time", in some cases several hours. The document says no more:
here it is a minute, twice as long each time the try after it fails again, at most four hours; one success ends it.
"""

from typing import Final

FAILURES: Final = 10
"""Deliveries that must fail one after the other."""
FIRST: Final = 60.0
LONGEST: Final = 4 * 3600.0


class Probation:
    """Of one subscription. Times are seconds; every documented one is divided by `scale`."""

    def __init__(self, scale: float = 1.0) -> None:
        self._scale = scale
        self._failed = 0
        self._rounds = 0
        self.until = 0.0
        """When deliveries go on."""

    @property
    def trying(self) -> bool:
        """Whether the endpoint is still suspected: one request at a time finds out."""
        return self._failed >= FAILURES

    def failed(self, count: int, now: float) -> bool:
        """Note deliveries that failed; tells whether probation begins now."""
        self._failed += count
        if self._failed < FAILURES or now < self.until:
            return False
        self.until = now + min(FIRST * 2.0**self._rounds, LONGEST) / self._scale
        self._rounds += 1
        return True

    def end(self) -> None:
        """End it: the endpoint has taken something, or listens again."""
        self._failed, self._rounds, self.until = 0, 0, 0.0
