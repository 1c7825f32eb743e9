"""What each automation brings about and waits for, as the search for endless loops takes it."""

from collections.abc import Iterable, Iterator
from typing import Any, Final

from shared.automations.base import Model
from shared.automations.language_actions import RegisterModel, Score
from shared.automations.language_deploy import Deploy
from shared.automations.language_triggers import (
    AllOf,
    AnyEvent,
    BlobPlace,
    Drift,
    ModelDeployed,
    ModelRegistered,
    RunCompleted,
    RunStatusChanged,
)
from shared.automations.models import Automation, BlobCreated, Train
from shared.deciding.loops import Loop, Made, Node, Wanted, find
from shared.deciding.triggers import glob

_WORKSPACE: Final = "microsoft.machinelearningservices."
_ANY: Final = {
    f"{_WORKSPACE}modelregistered": Wanted("model"),
    f"{_WORKSPACE}modeldeployed": Wanted("deployment"),
    f"{_WORKSPACE}runcompleted": Wanted("run"),
    f"{_WORKSPACE}runstatuschanged": Wanted("run"),
    "microsoft.storage.blobcreated": Wanted("blobs"),
}


def loops_of(automations: Iterable[Automation]) -> tuple[Loop, ...]:
    """Find the endless loops among automations; see `shared.deciding.loops`."""
    return find([node_of(automation) for automation in automations])


def node_of(automation: Automation) -> Node:
    """Give an automation as a node of the graph."""
    parts = [part for trigger in automation.on for part in _parts(trigger)]
    wanted = tuple(dict.fromkeys(want for key, part in parts for want in _wanted(key, part)))
    made = tuple(dict.fromkeys(_made(automation, wanted)))
    narrowed = any(isinstance(part, AnyEvent) and (part.source or part.subject) for _, part in parts)
    return Node(automation.name, made, wanted, automation.own_outputs, bool(automation.when) or narrowed)


def _parts(trigger: Model) -> Iterator[tuple[str, Any]]:
    for key, part in trigger.__dict__.items():
        if isinstance(part, AllOf):
            for inner in part.of:
                yield from _parts(inner)
        elif part is not None:
            yield key, part


def _wanted(key: str, part: Any) -> Iterator[Wanted]:
    if isinstance(part, BlobCreated) or (isinstance(part, BlobPlace) and key == "blob_created"):
        yield Wanted("blobs", part.path, part.container)
    elif isinstance(part, ModelRegistered):
        yield Wanted("model", part.model)
    elif isinstance(part, ModelDeployed):
        yield Wanted("deployment", part.model)
    elif isinstance(part, RunCompleted | RunStatusChanged):
        yield Wanted("run", part.experiment)
    elif isinstance(part, Drift):
        yield Wanted("drift", part.model)
    elif isinstance(part, AnyEvent) and part.type:
        yield from (want for kind, want in _ANY.items() if glob(part.type.lower(), kind))


def _made(automation: Automation, wanted: tuple[Wanted, ...]) -> Iterator[Made]:
    for key, action in automation.do.__dict__.items():
        if isinstance(action, Train):
            yield Made("run")
            if action.register_as:
                yield Made("model", action.register_as.model)
        elif isinstance(action, RegisterModel):
            yield Made("model", action.model)
        elif isinstance(action, Score):
            container, _, folder = action.output.partition("/")
            yield Made("run")
            yield Made("blobs", folder, container)
        elif isinstance(action, Deploy):
            names = [want.name for want in wanted if want.kind == "model"]
            yield from (Made("deployment", "" if set("*?") & set(name) else name) for name in names or [""])
        elif action is not None and key == "job":
            yield Made("run")
