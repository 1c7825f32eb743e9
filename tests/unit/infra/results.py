"""What a deployment asks for and gives back: places, resources, references to them, and what is read from them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


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
class Module:
    """A module as the template that deploys it sees it; no outputs where it is not deployed."""

    name: str
    outputs: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class PropertyPath:
    """A property of a resource, on the way to being read."""

    reference: Reference
    path: tuple[str, ...]
