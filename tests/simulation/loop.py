"""An event loop on which nobody waits: where nothing can go on, the time of the next timer has come."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop whose time passes only by its timers, so that the same tasks always run in the same order."""

    def __init__(self) -> None:
        super().__init__()
        self._passed = 0.0

    def time(self) -> float:
        """Give the time of the loop, seconds."""
        return self._passed

    def _run_once(self) -> None:
        ready, scheduled = vars(self)["_ready"], vars(self)["_scheduled"]
        if not ready and scheduled:
            self._passed = max(self._passed, scheduled[0]._when)
        super()._run_once()  # type: ignore[misc]  # the one place where asyncio takes its next step


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on a loop of its own."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)
