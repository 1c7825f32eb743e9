"""A wrong function for each invariant, put in the place of a shipped one: a storm must find every one of them.

A switch of the tests only. Each is named by the number of the invariant that it breaks (docs/architecture.md).
"""

import asyncio
from collections.abc import Callable, Mapping
from itertools import count
from typing import Any, Final

import pytest

from shared.actions import deploying, judging
from shared.actions.admit import Admission
from shared.actions.context import Context
from shared.actions.jobs import Jobs
from shared.deciding import gates, limits, rollout
from shared.deciding.matching import Matcher
from shared.deciding.traffic import Traffic
from shared.deciding.verdicts import Passed
from shared.events.model import Event
from shared.intake import accept, read
from shared.intake.accept import Accepted, Intake
from shared.ledger.activities import Activities
from shared.ledger.deadletters import DeadLetter, DeadLetters
from shared.ledger.journal import UndecidedError, claim_name
from shared.ledger.protocol import StoreError
from shared.ledger.records import Activity, Outcome, Step
from tests.simulation import sources

Plant = Callable[[pytest.MonkeyPatch], None]


def answers_before_it_is_recorded(patch: pytest.MonkeyPatch) -> None:
    shipped = Intake.accept

    async def wrong(self: Intake, body: bytes | str, now: Any, via: str) -> Accepted:
        try:
            return await shipped(self, body, now, via)
        except (StoreError, UndecidedError):
            return Accepted()

    patch.setattr(Intake, "accept", wrong)


def claims_by_the_id_of_the_delivery(patch: pytest.MonkeyPatch) -> None:
    def wrong(event: Event) -> str:
        return claim_name(f"{event.source}\0{event.subject}", event.id)

    patch.setattr(read, "claim", wrong)
    patch.setattr(sources, "claim", wrong)


def names_each_request_anew(patch: pytest.MonkeyPatch) -> None:
    shipped, numbers = Context.job_name, count()

    def wrong(self: Context, activity: Activity, step: Step) -> str:
        known = str(step.detail.get("job", ""))
        return known or f"{shipped(self, activity, step)}-{next(numbers)}"

    patch.setattr(Context, "job_name", wrong)


def opens_before_it_is_in_the_index(patch: pytest.MonkeyPatch) -> None:
    shipped = Activities.open

    async def wrong(self: Activities, activity: Activity) -> bool:
        unfinished, self._unfinished = self._unfinished, _Nothing()  # type: ignore[assignment]
        try:
            return await shipped(self, activity)
        finally:
            self._unfinished = unfinished

    patch.setattr(Activities, "open", wrong)


class _Nothing:
    async def add(self, kind: str, name: str) -> None:
        """Forget it."""


def drops_what_is_to_be_held(patch: pytest.MonkeyPatch) -> None:
    shipped = limits.decide

    def wrong(rules: Any, facts: Any, now: Any) -> Any:
        decided = shipped(rules, facts, now)
        return limits.Skip("busy", decided.reasons) if isinstance(decided, limits.Hold) else decided

    patch.setattr("shared.actions.admit.decide", wrong)


def lets_one_more_begin(patch: pytest.MonkeyPatch) -> None:
    async def wrong(self: Admission, rows: Any, *_: Any) -> None:
        await self._usages.write([row for row in rows if row.key.startswith("automation:")])

    patch.setattr(Admission, "_write", wrong)


def waits_for_a_job(patch: pytest.MonkeyPatch) -> None:
    shipped = Jobs.follow

    async def wrong(self: Jobs, *given: Any, **more: Any) -> Any:
        await asyncio.sleep(30)
        return await shipped(self, *given, **more)

    patch.setattr(Jobs, "follow", wrong)


def does_not_say_why_not(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(accept, "_negative", lambda item: (Outcome(what="ignored"),))


def shares_out_more_than_all(patch: pytest.MonkeyPatch) -> None:
    def wrong(before: Traffic, challenger: str, share: int) -> Traffic:
        return Traffic.of({**before.live, challenger: share})

    patch.setattr(rollout, "split", wrong)


def releases_the_latest(patch: pytest.MonkeyPatch) -> None:
    shipped, seen = judging.model_of, [""]

    def wrong(activity: Activity, rule: Any) -> str:
        seen[0] = max(seen[0], shipped(activity, rule))
        return seen[0]

    for module in (judging, deploying):
        patch.setattr(module, "model_of", wrong)


def takes_its_own_outputs(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Matcher, "_is_own", lambda self, event: False)


def passes_a_metric_that_is_missing(patch: pytest.MonkeyPatch) -> None:
    shipped = gates._metrics

    def wrong(gate: gates.Metrics, scores: gates.Scores) -> Any:
        there: Mapping[str, Any] = {name: one for name, one in gate.thresholds.items() if name in scores.metrics}
        return shipped(gates.Metrics(there), scores) if there else Passed("metrics", "nothing speaks against it", {})

    patch.setattr(gates, "_metrics", wrong)
    patch.setattr(gates, "_champion", lambda gate, facts: Passed("champion", "nothing speaks against it", {}))


def forgets_what_is_broken(patch: pytest.MonkeyPatch) -> None:
    async def wrong(self: DeadLetters, kind: Any, content: bytes, at: Any, reason: str, **_: Any) -> DeadLetter:
        return DeadLetter(id="", kind=kind, at=at, reason=reason)

    patch.setattr(DeadLetters, "record", wrong)


PLANTED: Final[Mapping[str, Plant]] = {
    "1": answers_before_it_is_recorded,
    "2": claims_by_the_id_of_the_delivery,
    "3": names_each_request_anew,
    "4": opens_before_it_is_in_the_index,
    "5": drops_what_is_to_be_held,
    "5, limits": lets_one_more_begin,
    "6": waits_for_a_job,
    "7": does_not_say_why_not,
    "8": shares_out_more_than_all,
    "9": releases_the_latest,
    "10": takes_its_own_outputs,
    "11": passes_a_metric_that_is_missing,
    "12": forgets_what_is_broken,
}
