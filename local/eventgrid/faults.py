"""Faults on demand: what happens to deliveries and to storage requests while somebody wants them to fail."""

import random
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

DELIVERY_KINDS: Final = ("duplicate", "reorder", "delay", "drop")
STORAGE_KINDS: Final = ("status", "lost-response", "latency")
_STORAGE_STATUSES: Final = frozenset({408, 409, 412, 429, 500, 502, 503, 504})


class FaultError(ValueError):
    """A fault that cannot be set; the text says what was expected."""


@dataclass(slots=True)
class Fault:
    """One fault. It strikes `times` more times (None: until it is cleared), each time by chance `share`.

    `subscription` and `type` (an event type, or its last part) choose deliveries; `account`, `method` and `api` choose
    storage requests; "" chooses all. `seconds` is the delay, the widest reordering or the latency; `copies` how many
    more a duplicate makes; `status` what storage answers. With a `seed`, chance is the same every time.
    """

    kind: str
    times: int | None = None
    share: float = 1.0
    subscription: str = ""
    type: str = ""
    seconds: float = 5.0
    copies: int = 1
    account: str = ""
    method: str = ""
    api: str = ""
    status: int = 503
    seed: int | None = None
    id: str = field(default_factory=lambda: uuid.uuid4().hex[:8])


class Faults:
    """The faults that are set."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._chance: dict[str, random.Random] = {}

    @property
    def any_storage(self) -> bool:
        """Whether any storage request may be struck: asked for each one."""
        return any(fault.kind in STORAGE_KINDS for fault in self._faults)

    def set(self, given: Mapping[str, Any]) -> Fault:
        """Set a fault from its JSON; raises FaultError."""
        unknown = set(given) - {name for name in Fault.__dataclass_fields__ if name != "id"}
        if unknown:
            raise FaultError(f"unknown keys {sorted(unknown)}: expected are {sorted(Fault.__dataclass_fields__)}")
        kind = given.get("kind")
        if kind not in DELIVERY_KINDS + STORAGE_KINDS:
            raise FaultError(f"kind is {kind!r}: expected is one of {', '.join(DELIVERY_KINDS + STORAGE_KINDS)}")
        for name, wanted in _TYPES.items():
            value = given.get(name)
            if name in given and (isinstance(value, bool) or not isinstance(value, wanted)):
                raise FaultError(f"{name} is {value!r}, which is of the wrong type")
        fault = Fault(**given)
        if not 0 < fault.share <= 1 or (fault.times is not None and fault.times < 1) or not 0 <= fault.seconds <= 3600:
            raise FaultError("share must be above 0 and at most 1, times at least 1, seconds from 0 to 3600")
        if fault.kind == "status" and fault.status not in _STORAGE_STATUSES:
            raise FaultError(f"status is {fault.status}: expected is one of {sorted(_STORAGE_STATUSES)}")
        if not 1 <= fault.copies <= 100:
            raise FaultError("copies must be from 1 to 100")
        self._chance[fault.id] = random.Random(fault.seed)  # noqa: S311 nothing is kept secret by it
        self._faults.append(fault)
        return fault

    def clear(self, identity: str = "") -> int:
        """Clear one fault by its id, or all; gives how many."""
        left = [fault for fault in self._faults if identity and fault.id != identity]
        count = len(self._faults) - len(left)
        self._faults = left
        return count

    def shown(self) -> list[dict[str, Any]]:
        """Give what is set."""
        return [asdict(fault) for fault in self._faults]

    def dues(self, subscription: str, kind: str, now: float) -> list[float]:
        """Give the times at which an event goes out: now, twice, later, or never."""
        found = [now]
        for fault in [fault for fault in self._faults if fault.kind in DELIVERY_KINDS]:
            if fault.subscription not in {"", subscription} or fault.type not in {"", kind, kind.rpartition(".")[2]}:
                continue
            if not self._strikes(fault):
                continue
            if fault.kind == "drop":
                return []
            if fault.kind == "duplicate":
                found += [found[0]] * fault.copies
            elif fault.kind == "delay":
                found = [due + fault.seconds for due in found]
            else:
                found = [due + self._chance[fault.id].uniform(0, fault.seconds) for due in found]
        return found

    def storage(self, account: str, method: str, api: str) -> Fault | None:
        """Give the fault that strikes a storage request, if any."""
        for fault in [fault for fault in self._faults if fault.kind in STORAGE_KINDS]:
            chosen = (fault.account, fault.method.upper(), fault.api)
            if any(
                want not in {"", have} for want, have in zip(chosen, (account, method, api), strict=True)
            ) or not self._strikes(fault):
                continue
            return fault
        return None

    def _strikes(self, fault: Fault) -> bool:
        if fault.share < 1 and self._chance[fault.id].random() >= fault.share:
            return False
        if fault.times is not None:
            fault.times -= 1
            if fault.times == 0:
                self._faults.remove(fault)
        return True


_TYPES: Final[Mapping[str, type | tuple[type, ...]]] = {
    "times": int,
    "share": (int, float),
    "subscription": str,
    "type": str,
    "seconds": (int, float),
    "copies": int,
    "account": str,
    "method": str,
    "api": str,
    "status": int,
    "seed": int,
}
