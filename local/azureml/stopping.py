"""Which trials of a sweep are given up early, from what all trials have logged so far.

Policies: https://learn.microsoft.com/azure/machine-learning/how-to-tune-hyperparameters#early-termination
"""

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Protocol

from local.azureml.wire import Json, invalid

Logged = Mapping[int, Sequence[float]]
"""What each trial logged of the primary metric, in order; one value is one interval."""


class Policy(Protocol):
    """Judges running trials."""

    def given_up(self, logged: Logged, running: Sequence[int]) -> list[int]:
        """Give the running trials that are to end."""


class _Base:
    def __init__(self, given: Json, *, maximize: bool) -> None:
        self.every = max(1, int(given.get("evaluationInterval") or 1))
        self.delay = int(given.get("delayEvaluation") or 0)
        self.sign = 1.0 if maximize else -1.0

    def due(self, values: Sequence[float]) -> bool:
        """Tell whether a trial has logged enough to be judged."""
        return len(values) >= self.every and len(values) > self.delay

    def best(self, values: Sequence[float]) -> float:
        """Give the best value, larger being better."""
        return max(self.sign * value for value in values)


class Bandit(_Base):
    """Ends trials whose best is outside the slack of the best of all."""

    def __init__(self, given: Json, *, maximize: bool) -> None:
        super().__init__(given, maximize=maximize)
        self.factor, self.amount = float(given.get("slackFactor") or 0), float(given.get("slackAmount") or 0)
        if not self.factor and not self.amount:
            raise invalid("A bandit policy has a slack factor or a slack amount.")

    def given_up(self, logged: Logged, running: Sequence[int]) -> list[int]:
        """Give the running trials that are to end."""
        top = max((self.best(values) for values in logged.values() if values), default=None)
        if top is None:
            return []
        bound = top - self.amount if self.amount else top - abs(top) * self.factor / (1 + self.factor)
        if not self.amount and self.sign < 0:
            bound = top - abs(top) * self.factor
        return [trial for trial in running if self.due(logged.get(trial, ())) and self.best(logged[trial]) < bound]


class Median(_Base):
    """Ends trials whose best is worse than the median of the averages of all."""

    def given_up(self, logged: Logged, running: Sequence[int]) -> list[int]:
        """Give the running trials that are to end."""
        due = {trial: values for trial, values in logged.items() if self.due(values)}
        if len(due) < 2:
            return []
        middle = median(sum(self.sign * value for value in values) / len(values) for values in due.values())
        return [trial for trial in running if trial in due and self.best(due[trial]) < middle]


class Truncation(_Base):
    """Ends a share of the trials, the worst by their last value."""

    def __init__(self, given: Json, *, maximize: bool) -> None:
        super().__init__(given, maximize=maximize)
        self.share = int(given.get("truncationPercentage") or 0)
        if not 1 <= self.share <= 99:
            raise invalid(f"The truncation percentage is {self.share}: 1 to 99 are expected.")

    def given_up(self, logged: Logged, running: Sequence[int]) -> list[int]:
        """Give the running trials that are to end."""
        due = sorted(
            (trial for trial in logged if self.due(logged[trial])), key=lambda trial: self.sign * logged[trial][-1]
        )
        return [trial for trial in due[: len(due) * self.share // 100] if trial in running]


def policy(given: Json | None, *, maximize: bool) -> Policy | None:
    """Give the policy of a sweep, or None; raises ArmError for one that is not known."""
    kinds: dict[str, type[Bandit | Median | Truncation]] = {
        "bandit": Bandit,
        "medianstopping": Median,
        "truncationselection": Truncation,
    }
    if not given:
        return None
    kind = str(given.get("policyType") or "").lower()
    if kind not in kinds:
        raise invalid(f"The early termination policy '{kind}' is not known: {', '.join(kinds)} are.")
    return kinds[kind](given, maximize=maximize)
