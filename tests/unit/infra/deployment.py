"""Evaluates templates with parameters, as a deployment would, into the resources that Azure would be asked for."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from tests.unit.infra.bicep import parse
from tests.unit.infra.functions import known, unknown
from tests.unit.infra.names import Names
from tests.unit.infra.results import Deployment, Module, Place, Reference, Resource
from tests.unit.infra.tree import BicepError, Declaration, Node
from tests.unit.infra.values import SUBSCRIPTION, Reader, Values

_PYTHON: Final[Mapping[str, type]] = {"string": str, "int": int, "bool": bool, "object": dict, "array": list}
_DECORATORS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "allowed": lambda value, given: value in given,
    "minLength": lambda value, given: len(value) >= given,
    "maxLength": lambda value, given: len(value) <= given,
    "minValue": lambda value, given: value >= given,
    "maxValue": lambda value, given: value <= given,
    "description": lambda _, given: isinstance(given, str),
    "secure": lambda _, given: given is None,
}


def evaluate(main: Path, parameters: Mapping[str, Any], read: Reader = Path.read_text) -> Deployment:
    """Evaluate a template of subscription scope. `read` gives a file's text. Raises BicepError."""
    deployment = Deployment()
    template = _Template(main, parameters, Place(SUBSCRIPTION), deployment, read)
    deployment.outputs = template.run()
    return deployment


def parameters_of(path: Path, environment: Mapping[str, str], read: Reader = Path.read_text) -> dict[str, Any]:
    """Give the parameters that a .bicepparam file sets. Raises BicepError."""
    file = parse(read(path), path)
    template = Values(file, Place(SUBSCRIPTION), Deployment(), read, environment)
    return {one.name: template.value(one.value, {}) for one in file.all("param") if one.value}


class _Template(Values):
    def __init__(
        self, path: Path, given: Mapping[str, Any], place: Place, deployment: Deployment, read: Reader
    ) -> None:
        super().__init__(parse(read(path), path), place, deployment, read, {})
        self._declared = {one.name: one for one in self._file.declarations if one.kind != "output"}
        self._known: dict[str, Any] = {}
        self._busy: set[str] = set()
        if bool(place.group) != (self._file.scope == "resourceGroup"):
            raise BicepError(f"{path.name}: a template of scope {self._file.scope} is deployed to {place.id}")
        Names(self._file, self._declared).check()
        self._take_parameters(given)

    def _take_parameters(self, given: Mapping[str, Any]) -> None:
        declared = {one.name: one for one in self._file.all("param")}
        if unknown := sorted(set(given) - set(declared)):
            raise self._error(1, f"there is no parameter {', '.join(unknown)}")
        for one in declared.values():
            if one.name in given:
                # What is known only while deploying is an ordinary value inside the module that gets it.
                self._known[one.name] = known(given[one.name])
            elif one.value is None:
                raise self._error(one.line, f"parameter {one.name!r} is needed and was not given")
            self._typed(one, self._resolve(one.name, one.line))

    def _typed(self, one: Declaration, value: Any) -> None:
        base = one.type.removesuffix("[]")
        expected = list if one.type.endswith("[]") else _PYTHON[base]
        if not isinstance(value, expected) or (base == "int" and isinstance(value, bool)):
            raise self._error(one.line, f"{one.kind} {one.name!r} is {one.type}, {value!r} was given")
        if isinstance(value, list) and base != "array" and not all(isinstance(item, _PYTHON[base]) for item in value):
            raise self._error(one.line, f"{one.kind} {one.name!r} is {one.type}, {value!r} was given")
        for decorator in one.decorators:
            name = str(decorator.args[0])
            argument = self.value(decorator.args[1][0], {}) if decorator.args[1] else None
            if name not in _DECORATORS:
                raise self._error(one.line, f"unknown decorator {name!r}")
            if not _DECORATORS[name](value, argument):
                raise self._error(one.line, f"parameter {one.name!r} is {value!r}: {name}({argument!r}) forbids it")

    def run(self) -> dict[str, Any]:
        """Ask for all resources and modules; give the outputs."""
        for one in self._file.declarations:
            if one.kind in {"resource", "module"}:
                self._resolve(one.name, one.line)
                if one.kind == "resource" and not one.existing:
                    self._ask(one)
        outputs = {}
        for one in self._file.all("output"):
            outputs[one.name] = self.value(one.value, {})
            self._typed(one, outputs[one.name])
        return outputs

    def _resolve(self, name: str, line: int) -> Any:
        if name in self._known:
            return self._known[name]
        if name in self._busy:
            raise self._error(line, f"{name!r} depends on itself")
        self._busy.add(name)
        one = self._declared[name]
        if one.kind in {"var", "param"}:
            value = self.value(one.value, {})
        elif one.kind == "resource":
            value = self._references(one)
        else:
            value = self._deploy(one)
        self._busy.discard(name)
        self._known[name] = value
        return value

    def _rounds(self, one: Declaration) -> list[dict[str, Any]] | None:
        if one.loop is None:
            return None
        item, index, source = one.loop
        values = self._settled(source, {}, "what a loop runs over")
        return [{item: value, **({index: number} if index else {})} for number, value in enumerate(values)]

    def _settled(self, node: Node, scope: Mapping[str, Any], what: str) -> Any:
        value = self.value(node, scope)
        if text := unknown(value):
            raise self._error(node.line, f"{what} must be known before the deployment; {text!r} is not")
        return value

    def _wanted(self, one: Declaration, scope: Mapping[str, Any]) -> bool:
        if one.condition is None:
            return True
        wanted = self._settled(one.condition, scope, "a condition")
        if not isinstance(wanted, bool):
            raise self._error(one.line, f"the condition of {one.name!r} is {wanted!r}, not true or false")
        return wanted

    def _deployed(self, reference: Reference, owner: Node, line: int) -> None:
        one = self._declared[reference.symbol]
        if one.condition is None or one.loop is not None:
            return
        if not self._wanted(one, {}):
            raise self._error(line, f"resource {one.name!r} is not deployed here: it has no properties")
        if owner.kind == "name":
            raise self._error(line, f"resource {one.name!r} is perhaps not deployed: write {one.name}! where it is")

    def _references(self, one: Declaration) -> Any:
        rounds = self._rounds(one)
        if rounds is None:
            return self._reference(one, {})
        return [self._reference(one, scope) for scope in rounds]

    def _reference(self, one: Declaration, scope: Mapping[str, Any]) -> Reference:
        kind, _, version = one.type.partition("@")
        entries = {key: node for key, node in one.value.args if isinstance(key, str)} if one.value else {}
        if "name" not in entries:
            raise self._error(one.line, f"resource {one.name!r} has no name")
        name = str(self._settled(entries["name"], scope, "the name of a resource"))
        base = self._place.id
        if "parent" in entries:
            parent = self.value(entries["parent"], scope)
            if not isinstance(parent, Reference) or kind.rpartition("/")[0] != parent.type:
                raise self._error(one.line, f"the parent of {one.name!r} is no {kind.rpartition('/')[0]}")
            if "/" in name:
                raise self._error(one.line, f"{one.name!r} has a parent: its name may hold no '/'")
            name = f"{parent.name}/{name}"
        elif "scope" in entries:
            target = self.value(entries["scope"], scope)
            base = target.id
        names, types = name.split("/"), kind.split("/")
        if len(names) != len(types) - 1:
            raise self._error(one.line, f"the name {name!r} has {len(names)} parts, {kind} needs {len(types) - 1}")
        if kind == "Microsoft.Resources/resourceGroups":
            identifier = f"{base}/resourceGroups/{name}"
        else:
            pairs = "/".join(f"{part}/{value}" for part, value in zip(types[1:], names, strict=True))
            identifier = f"{base}/providers/{types[0]}/{pairs}"
        return Reference(kind, version, name, identifier, self._file.path.name, one.name)

    def _ask(self, one: Declaration) -> None:
        found = self._known[one.name]
        rounds = self._rounds(one)
        for scope, reference in zip(rounds or [{}], found if rounds is not None else [found], strict=False):
            if not self._wanted(one, scope):
                continue
            body = {
                key: self.value(node, scope)
                for key, node in (one.value.args if one.value else ())
                if key not in {"name", "parent", "scope", "dependsOn"}
            }
            scoped = next((node for key, node in one.value.args if key == "scope"), None) if one.value else None
            target = self.value(scoped, scope).id if scoped else ""
            self._deployment.resources.append(
                Resource(
                    reference.type,
                    reference.version,
                    reference.name,
                    reference.id,
                    body,
                    self._file.path.name,
                    one.name,
                    one.line,
                    target,
                )
            )

    def _deploy(self, one: Declaration) -> Module | list[Module]:
        rounds = self._rounds(one)
        return self._module(one, {}) if rounds is None else [self._module(one, scope) for scope in rounds]

    def _module(self, one: Declaration, scope: Mapping[str, Any]) -> Module:
        entries = dict(one.value.args) if one.value else {}
        if unknown := sorted(set(map(str, entries)) - {"name", "scope", "params", "dependsOn"}):
            raise self._error(one.line, f"a module has no {', '.join(unknown)}")
        place = self._place
        if "scope" in entries:
            target = self.value(entries["scope"], scope)
            if isinstance(target, Reference) and target.type == "Microsoft.Resources/resourceGroups":
                place = Place(self._place.subscription, target.name)
            elif isinstance(target, Place):
                place = target
            else:
                raise self._error(one.line, f"the scope of module {one.name!r} is no resource group")
        if not self._wanted(one, scope):
            return Module(one.name, None)
        path = self._file.path.parent / one.type
        try:
            child = _Template(path, self.value(entries.get("params"), scope), place, self._deployment, self._read)
        except BicepError as error:
            raise BicepError(f"{error} (module {one.name!r}, {self._file.path.name}:{one.line})") from None
        except FileNotFoundError:
            raise self._error(one.line, f"there is no template {one.type}") from None
        return Module(one.name, child.run())
