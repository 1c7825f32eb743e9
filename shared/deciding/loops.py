"""Endless loops among automations: one's outcome starts another, and in the end the first again."""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from shared.automations.patterns import PathPattern
from shared.deciding.triggers import glob

ViaKind = Literal["model", "deployment", "blobs", "run", "drift"]


@dataclass(frozen=True, slots=True)
class Made:
    """What an automation brings about: a model's version, a deployment of a model, blobs under a place, runs.

    `name` is the model's or the experiment's name, "" where that is not known before it runs (it may be any); for
    blobs it is the path's beginning in `container`.
    """

    kind: Literal["model", "deployment", "blobs", "run"]
    name: str = ""
    container: str = ""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What starts an automation. `name` is a glob, for blobs a pattern of paths in `container`; "" is any."""

    kind: ViaKind
    name: str = ""
    container: str = ""


@dataclass(frozen=True, slots=True)
class Node:
    """An automation in the graph. `guarded`: it has a `when`, which may end a loop; that cannot be told beforehand."""

    name: str
    makes: tuple[Made, ...] = ()
    wants: tuple[Wanted, ...] = ()
    own_outputs: bool = False
    guarded: bool = False


@dataclass(frozen=True, slots=True)
class Edge:
    """One automation starts another, by what."""

    origin: str
    target: str
    via: ViaKind
    what: str


@dataclass(frozen=True, slots=True)
class Loop:
    """Automations that start each other for ever. `guarded`: a `when` on the way may end it."""

    edges: tuple[Edge, ...]
    guarded: bool

    @property
    def names(self) -> tuple[str, ...]:
        """The automations, in the order in which they start each other."""
        return tuple(edge.origin for edge in self.edges)

    def __str__(self) -> str:
        steps = " → ".join(f"{edge.origin} ({edge.what})" for edge in self.edges)
        return f"{steps} → {self.edges[0].origin}"


def find(nodes: Iterable[Node]) -> tuple[Loop, ...]:
    """Find a shortest loop through each automation that is on one; the same loop is given once.

    The way through drift is no endless loop: a model is registered, released, watched, and trained again when the data
    has changed. That is what the hub is for, and its limits keep it slow.
    """
    known = {node.name: node for node in nodes}
    graph: dict[str, list[Edge]] = {name: [] for name in known}
    for edge in edges(known.values()):
        if edge.via != "drift":
            graph[edge.origin].append(edge)
    found: dict[frozenset[str], Loop] = {}
    for name in sorted(known):
        way = _shortest(graph, name)
        if way:
            members = frozenset(edge.origin for edge in way)
            guarded = any(known[member].guarded for member in members)
            found.setdefault(members, Loop(_from_first(way), guarded))
    return tuple(found.values())


def edges(nodes: Iterable[Node]) -> Iterator[Edge]:
    """Give who starts whom. What the hub itself wrote or ran starts only what has `own-outputs`; models always do."""
    everyone = tuple(nodes)
    for origin in everyone:
        for target in everyone:
            for made in origin.makes:
                for wanted in target.wants:
                    what = _meets(made, wanted, own_outputs=target.own_outputs)
                    if what:
                        yield Edge(origin.name, target.name, wanted.kind, what)


def _meets(made: Made, wanted: Wanted, *, own_outputs: bool) -> str:
    if made.kind == "deployment" and wanted.kind == "drift":
        return f"drift of {made.name or 'its model'}" if _same(made.name, wanted.name) else ""
    if made.kind != wanted.kind:
        return ""
    if made.kind in {"blobs", "run"} and not own_outputs:
        return ""
    if made.kind == "blobs":
        return f"writes {made.container}/{made.name}" if _overlap(made, wanted) else ""
    verb = {"model": "registers", "deployment": "deploys", "run": "runs"}[made.kind]
    return f"{verb} {made.name or 'any'}" if _same(made.name, wanted.name) else ""


def _same(name: str, pattern: str) -> bool:
    return not name or not pattern or glob(pattern, name)


def _overlap(made: Made, wanted: Wanted) -> bool:
    """Say whether something under the place that is written may meet the pattern."""
    if wanted.container and made.container != wanted.container:
        return False
    prefix = PathPattern.parse(wanted.name).literal_prefix if wanted.name else ""
    written = made.name.rstrip("/") + "/" if made.name else ""
    return prefix.startswith(written) or written.startswith(prefix)


def _shortest(graph: Mapping[str, list[Edge]], start: str) -> tuple[Edge, ...]:
    """Give the shortest way from a node back to itself, () where there is none."""
    came: dict[str, Edge] = {}
    queue = deque([start])
    while queue:
        name = queue.popleft()
        for edge in graph[name]:
            if edge.target == start:
                way = [edge]
                while way[0].origin != start:
                    way.insert(0, came[way[0].origin])
                return tuple(way)
            if edge.target not in came:
                came[edge.target] = edge
                queue.append(edge.target)
    return ()


def _from_first(way: tuple[Edge, ...]) -> tuple[Edge, ...]:
    """Turn a loop so that it begins at the first name: the same loop then reads the same."""
    first = min(range(len(way)), key=lambda index: way[index].origin)
    return way[first:] + way[:first]
