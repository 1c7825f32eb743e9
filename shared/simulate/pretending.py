"""Stands in for everything that acts: steps end after the time they usually take, and nothing outside is touched."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from shared.data import Copied, Seen
from shared.engine.outcomes import Again, Answer, Done
from shared.engine.run import StepRunner, Work
from shared.ledger.records import Activity, File, Step

Length = Callable[[Activity, Step], timedelta]
"""How long a job is taken to last."""
HELD_BY: Final = "admit"


class Nothing:
    """Data accounts that are neither read nor written."""

    async def look(self, file: File) -> Seen | None:
        """See what was told of."""
        return Seen(file.etag, file.size)

    async def copy(self, source: File, account: str, container: str, path: str) -> Copied:
        """Copy nothing."""
        return Copied(source.etag, source.size)

    async def read(self, account: str, container: str, path: str, *, limit: int) -> bytes:
        """Read nothing."""
        return b"{}"

    async def write(self, account: str, container: str, path: str, content: bytes) -> None:
        """Write nothing."""

    async def files(self, account: str, container: str, prefix: str) -> AsyncIterator[File]:
        """Give nothing."""
        return
        yield


class Steps:
    """The steps of a pretended hub: admission is the shipped one, and every hold that it says is kept."""

    def __init__(self, length: Length, clock: Callable[[], datetime]) -> None:
        self._length = length
        self._clock = clock
        self.holds: dict[str, list[str]] = {}

    def __call__(self, runners: Mapping[str, StepRunner]) -> Mapping[str, StepRunner]:
        """Give the runners to work with in the place of the shipped ones."""
        return {kind: self._watched(runner) if kind == HELD_BY else self._pretend for kind, runner in runners.items()}

    def _watched(self, runner: StepRunner) -> Callable[[Work], Awaitable[Answer]]:
        async def watch(work: Work) -> Answer:
            answer = await runner(work)
            if isinstance(answer, Again) and answer.status == "held":
                reasons = self.holds.setdefault(work.activity.id, [])
                if answer.reason not in reasons:
                    reasons.append(answer.reason)
            return answer

        return watch

    async def _pretend(self, work: Work) -> Answer:
        if work.step.kind != "job":
            return Done(dict(work.step.detail))
        detail: dict[str, Any] = dict(work.step.detail)
        until = detail.get("until")
        if until is None:
            until = (work.now + self._length(work.activity, work.step)).isoformat()
            detail["until"] = until
        left = datetime.fromisoformat(until) - work.now
        return Again(left, detail) if left > timedelta(0) else Done(detail)
