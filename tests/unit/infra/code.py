"""What the code asks of Azure, read from the code itself: functions, connections, settings, tables, containers."""

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.unit.app import functions

_SETTING: Final = re.compile(r"(HUB|AZURE|AZUREML|MLFLOW)(_[A-Z0-9]+)+")
_NEEDED: Final = frozenset({"_needed", "_connection"})


@dataclass(frozen=True, slots=True)
class Code:
    """What the code asks for. `functions` gives each function's trigger as its binding says."""

    functions: Mapping[str, Mapping[str, Any]]
    settings: frozenset[str]
    needed: frozenset[str]
    tables: frozenset[str]
    containers: frozenset[str]
    sealed: str

    @classmethod
    def read(cls, root: Path) -> "Code":
        """Read the code under `root`: the app is imported and indexed, the rest is looked up in its sources."""
        trees = {path.stem: ast.parse(path.read_text()) for path in _sources(root)}
        calls = [node for tree in trees.values() for node in ast.walk(tree) if isinstance(node, ast.Call)]
        return cls(
            _functions(),
            frozenset(_settings(trees)),
            frozenset(_texts(call, 1) for call in calls if _called(call) in _NEEDED) & frozenset(_settings(trees)),
            frozenset(_texts(call, 0) for call in calls if _called(call) == "table") - {""},
            frozenset({_default_container(trees), *_constants(trees, "CONTAINER").values()}),
            _constants(trees, "CONTAINER").get("audit", ""),
        )

    @property
    def connections(self) -> frozenset[str]:
        """Names of the connections that triggers use."""
        return frozenset(one["connection"] for one in self.functions.values() if "connection" in one)

    @property
    def queues(self) -> Mapping[str, str]:
        """Queue as a trigger names it → function."""
        return {one["queueName"]: name for name, one in self.functions.items() if one["type"] == "queueTrigger"}


def _sources(root: Path) -> Iterator[Path]:
    yield root / "function_app.py"
    for folder in ("functions", "shared"):
        yield from sorted((root / folder).rglob("*.py"))


def _functions() -> dict[str, dict[str, Any]]:
    found = {}
    for function in functions():
        trigger = function.get_trigger()
        if trigger is None:
            raise LookupError(f"function {function.get_function_name()} has no trigger")
        found[str(function.get_function_name())] = dict(trigger.get_dict_repr())
    return found


def _settings(trees: Mapping[str, ast.Module]) -> Iterator[str]:
    for tree in trees.values():
        for node in ast.walk(tree):
            arguments = (
                node.args if isinstance(node, ast.Call) else [node.slice] if isinstance(node, ast.Subscript) else []
            )
            for one in arguments:
                if isinstance(one, ast.Constant) and isinstance(one.value, str) and _SETTING.fullmatch(one.value):
                    yield one.value


def _called(call: ast.Call) -> str:
    function = call.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _texts(call: ast.Call, position: int) -> str:
    if len(call.args) > position:
        one = call.args[position]
        if isinstance(one, ast.Constant) and isinstance(one.value, str):
            return one.value
    return ""


def _constants(trees: Mapping[str, ast.Module], name: str) -> dict[str, str]:
    """Give the constants of that name by module: a module that keeps blobs in a container of its own names it so."""
    found = {}
    for module, tree in trees.items():
        for node in tree.body:
            if not isinstance(node, ast.AnnAssign) or not isinstance(node.value, ast.Constant):
                continue
            if isinstance(node.target, ast.Name) and node.target.id == name:
                found[module] = str(node.value.value)
    return found


def _default_container(trees: Mapping[str, ast.Module]) -> str:
    for tree in trees.values():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef) and node.name == "AzureStore":
                for inner in node.body:
                    if isinstance(inner, ast.FunctionDef) and inner.name == "__init__":
                        return str(ast.literal_eval(inner.args.defaults[-1]))
    raise LookupError("AzureStore and its container were not found in shared/")
