"""What a gate says: passed, refused or waiting, with the evidence as JSON takes it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from shared.deciding.wording import moment


@dataclass(frozen=True, slots=True)
class Passed:
    """The gate is open. `note`: it passed only because there was nothing to compare with, or not enough to be sure."""

    gate: str
    reason: str
    evidence: dict[str, Any]
    note: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Give it as JSON takes it."""
        result = "passed-with-note" if self.note else "passed"
        return {"gate": self.gate, "result": result, "reason": self.reason, "evidence": self.evidence}


@dataclass(frozen=True, slots=True)
class Refused:
    """The gate is shut, for good."""

    gate: str
    reason: str
    evidence: dict[str, Any]

    def as_dict(self) -> dict[str, Any]:
        """Give it as JSON takes it."""
        return {"gate": self.gate, "result": "refused", "reason": self.reason, "evidence": self.evidence}


@dataclass(frozen=True, slots=True)
class Waiting:
    """The gate waits for people. `until`: when it refuses by itself; None before anybody was asked."""

    gate: str
    reason: str
    evidence: dict[str, Any]
    until: datetime | None = None

    def as_dict(self) -> dict[str, Any]:
        """Give it as JSON takes it."""
        until = moment(self.until) if self.until else None
        return {
            "gate": self.gate,
            "result": "waiting",
            "reason": self.reason,
            "until": until,
            "evidence": self.evidence,
        }


Verdict = Passed | Refused | Waiting
