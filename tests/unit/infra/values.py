"""Computes expressions of a template: names, texts, functions, and what is known only while deploying."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from tests.unit.infra.functions import ENVIRONMENT, FUNCTIONS, LAMBDAS, FunctionError, Runtime, later
from tests.unit.infra.results import Deployment, Module, Place, PropertyPath, Read, Reference
from tests.unit.infra.tree import BicepError, File, Node

SUBSCRIPTION: Final = "33333333-3333-3333-3333-333333333333"
TENANT: Final = "44444444-4444-4444-4444-444444444444"
Reader = Callable[[Path], str]


class Values:
    """The values of one file: where it is deployed to, what it asks for, and how files are read."""

    def __init__(
        self, file: File, place: Place, deployment: Deployment, read: Reader, environment: Mapping[str, str]
    ) -> None:
        self._file, self._place, self._deployment, self._read = file, place, deployment, read
        self._environment = environment

    def _error(self, line: int, message: str) -> BicepError:
        return BicepError(f"{self._file.path.name}:{line}: {message}")

    def _resolve(self, name: str, line: int) -> Any:
        raise self._error(line, f"{name!r} is declared nowhere")

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
            self._deployed(value, owner, node.line)
            return PropertyPath(value, (name,))
        if isinstance(value, PropertyPath):
            path = (*value.path, name)
            self._deployment.reads.append(Read(value.reference.type, value.reference.version, path, where))
            return Runtime(f"<{value.reference.name}.{'.'.join(path)}>")
        if isinstance(value, Module):
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
        return later(found) if inner else found

    def _sure(self, node: Node, scope: Mapping[str, Any]) -> Any:
        return self.value(node.args[0], scope)

    def _deployed(self, reference: Reference, owner: Node, line: int) -> None:
        """Refuse to read a property of what is not deployed, or perhaps not."""

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
            values, function, *more = arguments
            if name == "toObject":
                return {str(function(item)): more[0](item) for item in values}
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
            return Place(self._plain(arguments[0], node) if arguments else self._place.subscription)
        if name == "readEnvironmentVariable":
            return self._variable(arguments, node)
        if name == "resourceGroup":
            return self._group(arguments, node)
        if name in {"loadJsonContent", "loadTextContent"}:
            try:
                text = self._read(self._file.path.parent / arguments[0])
                return json.loads(text) if name == "loadJsonContent" else text
            except (OSError, ValueError) as error:
                raise self._error(node.line, f"{name} {arguments[0]!r}: {error}") from None
        return self._resource_id(name, arguments, node)

    def _variable(self, arguments: list[Any], node: Node) -> str:
        if any(one.kind != "literal" or not isinstance(one.args[0], str) for one in node.args[1]):
            raise self._error(node.line, "readEnvironmentVariable takes texts as they are written, none computed")
        if arguments[0] not in self._environment and len(arguments) < 2:
            raise self._error(node.line, f"environment variable {arguments[0]} is not set")
        return str(self._environment.get(arguments[0], arguments[-1]))

    def _group(self, arguments: list[Any], node: Node) -> Place:
        if not arguments:
            return self._place
        *subscription, group = (self._plain(value, node) for value in arguments)
        if not group:
            raise self._error(node.line, "Azure wants the name of a resource group, even of a module left out")
        return Place(subscription[0] if subscription else self._place.subscription, group)

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
