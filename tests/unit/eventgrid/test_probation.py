"""An endpoint that keeps failing is left alone, longer each time; a success ends that.

Source: https://learn.microsoft.com/azure/event-grid/delivery-and-retry#delayed-delivery
"""

from collections.abc import Sequence
from pathlib import Path

from local.eventgrid.journal import Stored
from local.eventgrid.probation import FIRST, LONGEST, Probation
from tests.unit.eventgrid.test_subscriber import Slow, deliver


def test_ten_failures_in_a_row_begin_it_and_a_success_between_them_does_not() -> None:
    probation = Probation()
    assert not any(probation.failed(1, now) for now in range(9))
    probation.end()
    assert not any(probation.failed(1, now) for now in range(9))
    assert not probation.trying
    assert probation.failed(1, 10)
    assert probation.until == 10 + FIRST
    assert probation.trying


def test_it_is_twice_as_long_each_time_up_to_four_hours() -> None:
    probation, now, lengths = Probation(), 0.0, []
    probation.failed(9, now)
    for _ in range(12):
        assert probation.failed(1, now)
        lengths.append(probation.until - now)
        assert not probation.failed(1, now), "what was already under way adds nothing"
        now = probation.until
    assert lengths[:4] == [60, 120, 240, 480]
    assert lengths[-1] == LONGEST


def test_times_are_scaled() -> None:
    probation = Probation(scale=60)
    assert probation.failed(10, 0)
    assert probation.until == FIRST / 60


class Failing(Slow):
    """Fails for a while, then takes everything."""

    def __init__(self, failures: int) -> None:
        super().__init__()
        self.failures = failures
        self.tries: list[int] = []

    async def send(self, events: Sequence[Stored], attempts: int) -> int:
        self.tries.append(self.now)
        if len(self.tries) <= self.failures:
            return 500
        return await super().send(events, attempts)


async def test_new_deliveries_wait_too_and_all_arrive_in_the_end(tmp_path: Path) -> None:
    failing = Failing(12)
    await deliver(tmp_path, failing, 40, busy=False, scale=200)
    assert failing.count == 40
    assert 52 <= len(failing.tries) <= 60, "few are tried while it lasts"
