"""Evaluates templates with parameters, as a deployment would, into the resources that Azure would be asked for."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.unit.infra.bicep import parse
from tests.unit.infra.functions import ENVIRONMENT, FUNCTIONS, LAMBDAS, FunctionError, Runtime
from tests.unit.infra.names import Names
from tests.unit.infra.tree import BicepError, Declaration, File, Node

SUBSCRIPTION: Final = "33333333-3333-3333-3333-333333333333"
TENANT: Final = "44444444-4444-4444-4444-444444444444"
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
Reader = Callable[[Path], str]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a deployment goes: a subscription, and a resource group or none."""

    subscription: str
    group: str = ""

    @property
    def id(self) -> str:
        """The ARM id."""
        return f"/subscriptions/{self.subscription}" + (f"/resourceGroups/{self.group}" if self.group else "")


@dataclass(frozen=True, slots=True)
class Reference:
    """A resource as other parts of a template see it."""

    type: str
    version: str
    name: str
    id: str
    file: str
    symbol: str


@dataclass(frozen=True, slots=True)
class Resource:
    """A resource that is asked for: its id says where, `body` is what ARM gets."""

    type: str
    version: str
    name: str
    id: str
    body: Mapping[str, Any]
    file: str
    symbol: str
    line: int
    scope: str = ""


@dataclass(frozen=True, slots=True)
class Read:
    """A property of a resource that a template reads while it is deployed."""

    type: str
    version: str
    path: tuple[str, ...]
    where: str


@dataclass(slots=True)
class Deployment:
    """All that a deployment asks for, and what it gives back."""

    resources: list[Resource] = field(default_factory=list)
    reads: list[Read] = field(default_factory=list)
    outputs: dict[str, Any] = field(default_factory=dict)

    def of(self, kind: str) -> list[Resource]:
        """Give the resources of one type."""
        return [resource for resource in self.resources if resource.type == kind]


@dataclass(slots=True)
class _Module:
    name: str
    outputs: Mapping[str, Any] | None


def evaluate(main: Path, parameters: Mapping[str, Any], read: Reader = Path.read_text) -> Deployment:
    """Evaluate a template of subscription scope. `read` gives a file's text. Raises BicepError."""
    deployment = Deployment()
    template = _Template(main, parameters, Place(SUBSCRIPTION), deployment, read)
    deployment.outputs = template.run()
    return deployment


def parameters_of(path: Path, environment: Mapping[str, str], read: Reader = Path.read_text) -> dict[str, Any]:
    """Give the parameters that a .bicepparam file sets. Raises BicepError."""
    file = parse(read(path), path)
    template = _Template.of_file(file, Deployment(), read, environment)
    return {one.name: template.value(one.value, {}) for one in file.all("param") if one.value}


class _Template:
    def __init__(
        self, path: Path, given: Mapping[str, Any], place: Place, deployment: Deployment, read: Reader
    ) -> None:
        self._file = parse(read(path), path)
        self._place, self._deployment, self._read = place, deployment, read
        self._declared = {one.name: one for one in self._file.declarations if one.kind != "output"}
        self._known: dict[str, Any] = {}
        self._busy: set[str] = set()
        self._environment: Mapping[str, str] = {}
        if bool(place.group) != (self._file.scope == "resourceGroup"):
            raise BicepError(f"{path.name}: a template of scope {self._file.scope} is deployed to {place.id}")
        Names(self._file, self._declared).check()
        self._take_parameters(given)

    @classmethod
    def of_file(cls, file: File, deployment: Deployment, read: Reader, environment: Mapping[str, str]) -> "_Template":
        """Make one that only computes values (a parameters file)."""
        template = cls.__new__(cls)
        template._file, template._deployment, template._read = file, deployment, read
        template._place, template._declared, template._known = Place(SUBSCRIPTION), {}, {}
        template._busy, template._environment = set(), environment
        return template

    def _error(self, line: int, message: str) -> BicepError:
        return BicepError(f"{self._file.path.name}:{line}: {message}")

    def _take_parameters(self, given: Mapping[str, Any]) -> None:
        declared = {one.name: one for one in self._file.all("param")}
        if unknown := sorted(set(given) - set(declared)):
            raise self._error(1, f"there is no parameter {', '.join(unknown)}")
        for one in declared.values():
            if one.name in given:
                value = given[one.name]
                # What is known only while deploying is an ordinary text inside the module that gets it.
                self._known[one.name] = str(value) if isinstance(value, Runtime) else value
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
        if isinstance(value, Runtime):
            raise self._error(node.line, f"{what} must be known before the deployment; {value!r} is not")
        return value

    def _wanted(self, one: Declaration, scope: Mapping[str, Any]) -> bool:
        if one.condition is None:
            return True
        wanted = self._settled(one.condition, scope, "a condition")
        if not isinstance(wanted, bool):
            raise self._error(one.line, f"the condition of {one.name!r} is {wanted!r}, not true or false")
        return wanted

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

    def _deploy(self, one: Declaration) -> _Module:
        if one.loop is not None:
            raise self._error(one.line, "this reader knows no loops of modules")
        if not self._wanted(one, {}):
            return _Module(one.name, None)
        entries = dict(one.value.args) if one.value else {}
        if unknown := sorted(set(map(str, entries)) - {"name", "scope", "params", "dependsOn"}):
            raise self._error(one.line, f"a module has no {', '.join(unknown)}")
        place = self._place
        if "scope" in entries:
            target = self.value(entries["scope"], {})
            if isinstance(target, Reference) and target.type == "Microsoft.Resources/resourceGroups":
                place = Place(self._place.subscription, target.name)
            elif isinstance(target, Place):
                place = target
            else:
                raise self._error(one.line, f"the scope of module {one.name!r} is no resource group")
        path = self._file.path.parent / one.type
        try:
            child = _Template(path, self.value(entries.get("params"), {}), place, self._deployment, self._read)
        except BicepError as error:
            raise BicepError(f"{error} (module {one.name!r}, {self._file.path.name}:{one.line})") from None
        except FileNotFoundError:
            raise self._error(one.line, f"there is no template {one.type}") from None
        return _Module(one.name, child.run())

    def value(self, node: Node | None, scope: Mapping[str, Any]) -> Any:
        """Compute an expression; `scope` holds the variables of loops and lambdas."""
        if node is None:
            return {}
        return getattr(self, f"_{node.kind}")(node, scope)

    def _literal(self, node: Node, _: Mapping[str, Any]) -> Any:
        return node.args[0]

    def _text(self, node: Node, scope: Mapping[str, Any]) -> str:
        parts = [part if isinstance(part, str) else self.value(part, scope) for part in node.args]
        for part in parts:
            if not isinstance(part, str | int):
                raise self._error(node.line, f"a text cannot hold {type(part).__name__}")
        text = "".join(str(part) for part in parts)
        return Runtime(text) if any(isinstance(part, Runtime) for part in parts) else text

    def _name(self, node: Node, scope: Mapping[str, Any]) -> Any:
        name = node.args[0]
        return scope[name] if name in scope else self._resolve(name, node.line)

    def _object(self, node: Node, scope: Mapping[str, Any]) -> dict[str, Any]:
        return {
            (key if isinstance(key, str) else str(self.value(key, scope))): self.value(item, scope)
            for key, item in node.args
        }

    def _array(self, node: Node, scope: Mapping[str, Any]) -> list[Any]:
        return [self.value(item, scope) for item in node.args]

    def _for(self, node: Node, scope: Mapping[str, Any]) -> list[Any]:
        item, index, source, body = node.args
        values = self.value(source, scope)
        return [
            self.value(body, {**scope, item: value, **({index: number} if index else {})})
            for number, value in enumerate(values)
        ]

    def _if(self, node: Node, scope: Mapping[str, Any]) -> Any:
        condition, yes, no = node.args
        chosen = self.value(condition, scope)
        if not isinstance(chosen, bool):
            raise self._error(node.line, f"a condition is {chosen!r}, not true or false")
        return self.value(yes if chosen else no, scope)

    def _unary(self, node: Node, scope: Mapping[str, Any]) -> Any:
        value = self.value(node.args[1], scope)
        return not value if node.args[0] == "!" else -value

    def _binary(self, node: Node, scope: Mapping[str, Any]) -> Any:
        operator, left, right = node.args
        first = self.value(left, scope)
        if operator == "&&":
            return first and self.value(right, scope)
        if operator == "||":
            return first or self.value(right, scope)
        second = self.value(right, scope)
        if operator in {"==", "!="}:
            return (first == second) == (operator == "==")
        raise self._error(node.line, f"this reader knows no operator {operator}")

    def _property(self, node: Node, scope: Mapping[str, Any]) -> Any:
        owner, name, _ = node.args
        value = self.value(owner, scope)
        where = f"{self._file.path.name}:{node.line}"
        if isinstance(value, Reference):
            if name in {"id", "name", "type"}:
                return getattr(value, name)
            return _Path(value, (name,))
        if isinstance(value, _Path):
            path = (*value.path, name)
            self._deployment.reads.append(Read(value.reference.type, value.reference.version, path, where))
            return Runtime(f"<{value.reference.name}.{'.'.join(path)}>")
        if isinstance(value, _Module):
            if name != "outputs":
                raise self._error(node.line, f"a module has outputs, no {name!r}")
            if value.outputs is None:
                raise self._error(node.line, f"module {value.name!r} is not deployed here: it has no outputs")
            return value.outputs
        if isinstance(value, Place):
            given = {"id": value.id, "subscriptionId": value.subscription, "name": value.group, "tenantId": TENANT}
            return given[name]
        if not isinstance(value, dict) or name not in value:
            raise self._error(node.line, f"there is no property {name!r}")
        found = value[name]
        inner = owner.kind == "property" and owner.args[1] == "outputs"
        return Runtime(found) if inner and isinstance(found, str) else found

    def _index(self, node: Node, scope: Mapping[str, Any]) -> Any:
        owner, index = (self.value(part, scope) for part in node.args)
        try:
            return owner[index]
        except (KeyError, IndexError, TypeError):
            raise self._error(node.line, f"there is no item {index!r}") from None

    def _method(self, node: Node, _: Mapping[str, Any]) -> Any:
        raise self._error(node.line, f"this reader knows no method {node.args[1]!r}")

    def _lambda(self, node: Node, scope: Mapping[str, Any]) -> Callable[[Any], Any]:
        name, body = node.args
        return lambda item: self.value(body, {**scope, name: item})

    def _call(self, node: Node, scope: Mapping[str, Any]) -> Any:
        name, nodes = node.args
        arguments = [self.value(one, scope) for one in nodes]
        if name in LAMBDAS:
            values, function = arguments
            return [function(item) for item in values] if name == "map" else [one for one in values if function(one)]
        if name in FUNCTIONS:
            try:
                return FUNCTIONS[name][2](*arguments)
            except (FunctionError, TypeError, AttributeError) as error:
                raise self._error(node.line, f"{name}: {error}") from None
        return self._placed(name, arguments, node)

    def _placed(self, name: str, arguments: list[Any], node: Node) -> Any:
        if name == "environment":
            return ENVIRONMENT
        if name == "tenant":
            return {"tenantId": TENANT}
        if name == "subscription":
            return Place(self._place.subscription)
        if name == "readEnvironmentVariable":
            if arguments[0] not in self._environment and len(arguments) < 2:
                raise self._error(node.line, f"environment variable {arguments[0]} is not set")
            return self._environment.get(arguments[0], arguments[-1])
        if name == "resourceGroup":
            if not arguments:
                return self._place
            *subscription, group = (self._plain(value, node) for value in arguments)
            return Place(subscription[0] if subscription else self._place.subscription, group)
        if name in {"loadJsonContent", "loadTextContent"}:
            try:
                text = self._read(self._file.path.parent / arguments[0])
                return json.loads(text) if name == "loadJsonContent" else text
            except (OSError, ValueError) as error:
                raise self._error(node.line, f"{name} {arguments[0]!r}: {error}") from None
        return self._resource_id(name, arguments, node)

    def _plain(self, value: Any, node: Node) -> str:
        if isinstance(value, Runtime) or not isinstance(value, str):
            raise self._error(node.line, f"where to deploy must be known before the deployment; {value!r} is not")
        return value

    def _resource_id(self, name: str, arguments: list[Any], node: Node) -> str:
        base = f"/subscriptions/{self._place.subscription}" if name != "resourceId" else self._place.id
        kind = next((number for number, value in enumerate(arguments) if "/" in value), -1)
        if kind < 0 or len(arguments) - kind - 1 != len(arguments[kind].split("/")) - 1:
            raise self._error(
                node.line, f"{name} wants a type and a name for each of its parts, {arguments} were given"
            )
        if kind == 2:
            base = Place(arguments[0], arguments[1]).id
        elif kind == 1:
            base = Place(self._place.subscription, arguments[0]).id
        provider, *types = arguments[kind].split("/")
        pairs = "/".join(f"{part}/{value}" for part, value in zip(types, arguments[kind + 1 :], strict=True))
        text = f"{base}/providers/{provider}/{pairs}"
        return Runtime(text) if any(isinstance(value, Runtime) for value in arguments) else text


@dataclass(frozen=True, slots=True)
class _Path:
    reference: Reference
    path: tuple[str, ...]
