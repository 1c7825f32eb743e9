"""What the host asks of a worker: the functions of an app, and one call of one function."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

KNOWN_TRIGGERS: Final = frozenset({"httpTrigger", "eventGridTrigger", "queueTrigger", "timerTrigger"})
KNOWN_OUTPUTS: Final = frozenset({"http", "queue", "blob"})


class AppError(Exception):
    """The app cannot be loaded; the message names the function and what was expected."""


class InvocationError(Exception):
    """A function raised; the text is the error, `trace` its traceback for the log."""

    def __init__(self, message: str, trace: str = "") -> None:
        super().__init__(message)
        self.trace = trace


@dataclass(frozen=True, slots=True)
class FunctionSpec:
    """A function as the app declares it; bindings are those of function.json, settings not resolved yet."""

    name: str
    identifier: str
    bindings: Sequence[Mapping[str, Any]]
    disabled: bool = False
    retry: Mapping[str, Any] | None = None

    @property
    def trigger(self) -> Mapping[str, Any]:
        """The trigger's binding."""
        return next(binding for binding in self.bindings if str(binding["type"]).endswith("Trigger"))

    @property
    def outputs(self) -> list[Mapping[str, Any]]:
        """The output bindings, the answer of an HTTP function left out."""
        return [b for b in self.bindings if b["direction"] == "out" and b["type"] != "http"]


@dataclass(frozen=True, slots=True)
class Try:
    """Which retry a call is (0 is the first call), how many there may be, and what the one before raised."""

    count: int = 0
    most: int = 0
    error: str = ""


FIRST: Final = Try()


@dataclass(frozen=True, slots=True)
class Result:
    """What a call gave: the return value and the outputs by name, as data of the bindings (azure.functions.meta)."""

    returned: Any = None
    outputs: Sequence[tuple[str, Any]] = field(default_factory=tuple)


class Worker(Protocol):
    """The worker's half of the host."""

    name: str

    def load(self, folder: Path) -> list[FunctionSpec]:
        """Import the app of a folder and give its functions, or raise AppError."""

    async def invoke(
        self,
        spec: FunctionSpec,
        invocation: str,
        value: Any,
        metadata: Mapping[str, Any],
        traceparent: str,
        attempt: Try = FIRST,
    ) -> Result:
        """Call a function with its trigger's datum and metadata, or raise InvocationError."""


def checked(specs: Sequence[FunctionSpec]) -> list[FunctionSpec]:
    """Refuse, by name, functions with bindings that this host does not know, and names that stand twice."""
    names: set[str] = set()
    for spec in specs:
        if spec.name.lower() in names:
            raise AppError(f"two functions are named {spec.name!r}: names are unique, whatever their case")
        names.add(spec.name.lower())
        for binding in spec.bindings:
            kind, direction = str(binding["type"]), binding["direction"]
            known = KNOWN_TRIGGERS if direction == "in" else KNOWN_OUTPUTS
            if kind not in known:
                raise AppError(
                    f"function {spec.name!r} has the {direction} binding {kind!r}, which this host does not know; "
                    f"it knows {', '.join(sorted(known))}. The real host (`func start`) may know it"
                )
        if sum(str(binding["type"]).endswith("Trigger") for binding in spec.bindings) != 1:
            raise AppError(f"function {spec.name!r} has no trigger, or more than one")
    return list(specs)
