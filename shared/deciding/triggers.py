"""Whether an event meets a trigger that is not about new blobs, and if not, which part of the rule it does not meet."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from shared.automations.patterns import PathPattern
from shared.events.model import (
    BlobCreated,
    BlobDeleted,
    Event,
    ModelDeployed,
    ModelRegistered,
    RunCompleted,
    RunStatusChanged,
)


@dataclass(frozen=True, slots=True)
class Met:
    """The event starts it."""

    captures: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Unmet:
    """It does not, and why. `other`: it is an event of another type altogether, which nobody needs to be told."""

    reason: str
    other: bool = False


@dataclass(frozen=True, slots=True)
class AnyEvent:
    """Any event, by globs over its type, source and subject; "" is any. Type and source ignore case, as Azure does."""

    type: str = ""
    source: str = ""
    subject: str = ""


@dataclass(frozen=True, slots=True)
class Registered:
    """A model version came to be: `model` is a glob over names, `tags` are globs over the values of its tags."""

    model: str
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Deployed:
    """A model was deployed, by globs over the service and over the names of its models; "" is any."""

    service: str = ""
    model: str = ""


@dataclass(frozen=True, slots=True)
class RunEnded:
    """A run completed, by globs; "" is any."""

    experiment: str = ""
    run_type: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RunChanged:
    """A run has another status, by globs; `statuses` in lower case, empty is any."""

    statuses: frozenset[str] = frozenset()
    experiment: str = ""
    run_type: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Created:
    """A blob has a new content."""

    container: str
    path: PathPattern
    account: str = ""


@dataclass(frozen=True, slots=True)
class Deleted:
    """A blob is gone."""

    container: str
    path: PathPattern
    account: str = ""


Rule = AnyEvent | Registered | Deployed | RunEnded | RunChanged | Created | Deleted


def meets(rule: Rule, event: Event) -> Met | Unmet:
    """Say whether the event meets the rule; a pure function of both."""
    facts = event.facts
    if isinstance(rule, Created):
        if not isinstance(facts, BlobCreated):
            return Unmet(f"{event.type} gives no blob a content", other=True)
        return _blob(rule, facts)
    if isinstance(rule, Deleted):
        if not isinstance(facts, BlobDeleted):
            return Unmet(f"{event.type} deletes no blob", other=True)
        return _blob(rule, facts)
    return next(_failed(rule, event), None) or Met()


def _failed(rule: AnyEvent | Registered | Deployed | RunEnded | RunChanged, event: Event) -> Iterator[Unmet]:
    facts = event.facts
    if isinstance(rule, AnyEvent):
        yield from _any(rule, event)
    elif isinstance(rule, Registered):
        if isinstance(facts, ModelRegistered):
            yield from _registered(rule, facts)
        else:
            yield Unmet(f"{event.type} registers no model", other=True)
    elif isinstance(rule, Deployed):
        if isinstance(facts, ModelDeployed):
            yield from _deployed(rule, facts)
        else:
            yield Unmet(f"{event.type} deploys no model", other=True)
    elif isinstance(rule, RunEnded):
        if isinstance(facts, RunCompleted):
            yield from _run(rule, facts, event)
        else:
            yield Unmet(f"{event.type} completes no run", other=True)
    elif isinstance(facts, RunStatusChanged):
        yield from _changed(rule, facts, event)
    else:
        yield Unmet(f"{event.type} changes no run's status", other=True)


def _any(rule: AnyEvent, event: Event) -> Iterator[Unmet]:
    yield from _glob("type", event.type, rule.type, fold=True)
    yield from _glob("source", event.source, rule.source, fold=True)
    yield from _glob("subject", event.subject, rule.subject)


def _registered(rule: Registered, facts: ModelRegistered) -> Iterator[Unmet]:
    yield from _glob("model", facts.name, rule.model)
    yield from _tags(facts.tags, rule.tags)


def _deployed(rule: Deployed, facts: ModelDeployed) -> Iterator[Unmet]:
    yield from _glob("service", facts.service, rule.service)
    if rule.model and not any(glob(rule.model, model_name(one)) for one in facts.models):
        yield Unmet(f"models {', '.join(facts.models) or 'none'} are not {rule.model!r}")


def _changed(rule: RunChanged, facts: RunStatusChanged, event: Event) -> Iterator[Unmet]:
    if rule.statuses and facts.status not in rule.statuses:
        yield Unmet(f"status {facts.status!r} is none of {', '.join(sorted(rule.statuses))}")
    yield from _run(rule, facts, event)


def _run(rule: RunEnded | RunChanged, facts: RunCompleted | RunStatusChanged, event: Event) -> Iterator[Unmet]:
    yield from _glob("experiment", facts.experiment, rule.experiment)
    yield from _glob("run type", _data(event, "runtype"), rule.run_type, fold=True)
    yield from _tags(facts.tags, rule.tags)


def _blob(rule: Created | Deleted, facts: BlobCreated | BlobDeleted) -> Met | Unmet:
    if facts.container != rule.container:
        return Unmet(f"container {facts.container!r} is not {rule.container!r}")
    if rule.account and facts.account != rule.account.lower():
        return Unmet(f"account {facts.account!r} is not {rule.account!r}")
    captures = rule.path.match(facts.path)
    return Unmet(f"path {facts.path!r} does not match {rule.path.text!r}") if captures is None else Met(captures)


def _tags(tags: Mapping[str, str], wanted: Mapping[str, str]) -> Iterator[Unmet]:
    for name, pattern in wanted.items():
        if name not in tags:
            yield Unmet(f"it has no tag {name!r}")
        else:
            yield from _glob(f"tag {name}", tags[name], pattern)


def _glob(what: str, value: str, pattern: str, *, fold: bool = False) -> Iterator[Unmet]:
    if pattern and not glob(pattern.lower() if fold else pattern, value.lower() if fold else value):
        yield Unmet(f"{what} {value[:200]!r} is not {pattern!r}")


def _data(event: Event, name: str) -> str:
    value: Any = next((value for key, value in event.data.items() if str(key).lower() == name), "")
    return value if isinstance(value, str) else ""


def model_name(identifier: str) -> str:
    """Give the name in a model's id, such as `arrival-delay:3` or `azureml:arrival-delay:3`."""
    name = identifier.removeprefix("azureml:")
    if "/models/" in name:
        return name.split("/models/", 1)[1].split("/", 1)[0]
    return name.rsplit(":", 1)[0] if ":" in name else name


def glob(pattern: str, text: str) -> bool:
    """Match `*` (any characters, none included) and `?` (one), in time bounded by the product of the lengths."""
    at = star = 0
    mark: int | None = None
    index = 0
    while index < len(text):
        if at < len(pattern) and pattern[at] == "*":
            star, mark, at = at, index, at + 1
        elif at < len(pattern) and pattern[at] in {text[index], "?"}:
            at, index = at + 1, index + 1
        elif mark is not None:
            mark += 1
            at, index = star + 1, mark
        else:
            return False
    return pattern[at:].strip("*") == ""
