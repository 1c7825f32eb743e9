"""Reads the automations of a folder: every problem with its file, line and column; one bad document stops no other."""

import difflib
import hashlib
import io
import reprlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ValidationError

from shared.automations.documents import FileError, read_documents
from shared.automations.guards import check_guards
from shared.automations.jobs import JobFile, JobFileError, read_file, read_job
from shared.automations.language_deploy import Deploy
from shared.automations.models import Automation
from shared.automations.variables import check_variables

MAX_NODES: Final = 20_000
MAX_PROBLEMS: Final = 20
"""Problems that are listed of one document; the rest is counted."""
_EXPECTED: Final = {
    "model_type": "a mapping is expected",
    "dict_type": "a mapping is expected",
    "tuple_type": "a list is expected",
    "list_type": "a list is expected",
}
_TYPES: Final = {"string_type": "str", "int_type": "int", "float_type": "float", "bool_type": "bool"}
_NAMES: Final = {"str": "a text", "int": "a whole number", "float": "a number", "bool": "true or false"}


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with an automation, where, and what would be right. Lines and columns count from 1."""

    file: str
    line: int
    column: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {self.message}"


@dataclass(frozen=True, slots=True)
class Loaded:
    """A valid automation and all that it is made of.

    `files` are the contents by path from the project's root: the document itself, the job files it names, and the
    folders of code that those name. `content` is the SHA-256 over them: an activity runs under exactly this.
    """

    automation: Automation
    file: str
    line: int
    content: str
    files: Mapping[str, bytes] = field(repr=False)
    jobs: Mapping[str, JobFile] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The automations of a folder: the valid ones by name, and the problems of the others by file and document."""

    automations: Mapping[str, Loaded]
    invalid: Mapping[str, tuple[Problem, ...]]


def load(folder: Path, root: Path) -> Catalogue:
    """Read all `*.yml` and `*.yaml` under `folder`; files that automations name are looked up from `root`."""
    valid: dict[str, Loaded] = {}
    invalid: dict[str, tuple[Problem, ...]] = {}
    if not folder.is_dir():
        problem = Problem(
            str(folder.name), 1, 1, f"the folder of automations {folder.name!r} does not exist: create it"
        )
        return Catalogue({}, {folder.name: (problem,)})
    paths = sorted(path for path in folder.rglob("*") if path.suffix in {".yml", ".yaml"} and not path.is_dir())
    for path in paths:
        name = path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name
        for key, result in _read(path, name, root):
            if isinstance(result, Loaded):
                twin = valid.get(result.automation.name)
                if twin is None:
                    valid[result.automation.name] = result
                    continue
                message = f"name {result.automation.name!r} is taken by {twin.file}:{twin.line}: choose another"
                result = (Problem(name, result.line, 1, message),)  # noqa: PLW2901 it is the problem from here on
            invalid[key] = result
    for name, message in _looping(valid):
        loaded = valid.pop(name, None)
        if loaded:
            invalid[f"{loaded.file}:{name}"] = (Problem(loaded.file, loaded.line, 1, message),)
    return Catalogue(valid, invalid)


def _looping(valid: Mapping[str, Loaded]) -> list[tuple[str, str]]:
    """Give the automations that start each other for ever, and what to do; those that a `when` may end are let be."""
    from shared.automations.language_loops import loops_of

    advice = "end it with a `when`, other paths or tags, or without own-outputs"
    loops = loops_of(loaded.automation for loaded in valid.values())
    return [(name, f"endless loop: {loop}: {advice}") for loop in loops if not loop.guarded for name in loop.names]


def _read(path: Path, name: str, root: Path) -> Iterator[tuple[str, Loaded | tuple[Problem, ...]]]:
    try:
        documents = read_documents(path, root)
    except FileError as error:
        yield name, (Problem(name, 1, 1, str(error)),)
        return
    for document in documents:
        key = name if len(documents) == 1 else f"{name}#{document.number}"
        if document.problem:
            yield key, (Problem(name, *document.problem),)
        else:
            yield key, _document(document.value, name, document.line, root)


def _document(document: Any, file: str, line: int, root: Path) -> Loaded | tuple[Problem, ...]:
    if not isinstance(document, dict):
        return (Problem(file, line, 1, "an automation is a mapping that begins with `name:`"),)
    if _nodes(document) > MAX_NODES:
        return (Problem(file, line, 1, f"the document has more than {MAX_NODES} parts (aliases count each time)"),)
    plain = _plain(document)
    try:
        automation = Automation.model_validate(plain)
    except ValidationError as error:
        return _listed(_problem(file, document, one) for one in _one_of_each(error.errors(include_url=False)))
    problems: list[Problem] = []
    jobs: dict[str, JobFile] = {}
    for place, path in _job_files(automation):
        try:
            jobs[path] = read_job(root, path)
        except JobFileError as error:
            problems.append(_at(file, document, place, str(error)))
        except (OSError, ValueError, TypeError, AttributeError, RecursionError) as error:
            message = f"{path} cannot be read as an Azure ML file: {type(error).__name__}: {error}"
            problems.append(_at(file, document, place, message))
    problems += [_at(file, document, place, message) for place, message in check_variables(automation, jobs)]
    problems += [_at(file, document, place, message) for place, message in check_guards(automation)]
    files: dict[str, bytes] = {}
    problems += [_at(file, document, place, message) for place, message in _read_others(automation, root, files)]
    if problems:
        return _listed(problems)
    for job in jobs.values():
        files.update(job.files)
    files["automation.yml"] = _dump(plain)
    return Loaded(automation, file, _at(file, document, (), "").line, content_hash(files), files, jobs)


def _read_others(automation: Automation, root: Path, files: dict[str, bytes]) -> Iterator[tuple[Any, str]]:
    """Read, into `files`, what is named and is no job; give what is wrong and where."""
    for place, path, key in _other_files(automation):
        try:
            read_file(root, path, key, files)
        except JobFileError as error:
            yield place, str(error)


def _listed(found: Iterable[Problem]) -> tuple[Problem, ...]:
    """Give problems in the order of their places, the first of many."""
    problems = sorted(dict.fromkeys(found), key=lambda problem: (problem.line, problem.column))
    if len(problems) > MAX_PROBLEMS:
        last = problems[MAX_PROBLEMS]
        more = Problem(last.file, last.line, last.column, f"and {len(problems) - MAX_PROBLEMS} more problems from here")
        return (*problems[:MAX_PROBLEMS], more)
    return tuple(problems)


def content_hash(files: Mapping[str, bytes]) -> str:
    """Give the SHA-256 (hex) over paths and contents."""
    digest = hashlib.sha256()
    for path in sorted(files):
        digest.update(f"{path}\0{len(files[path])}\0".encode())
        digest.update(files[path])
    return digest.hexdigest()


def read_frozen(folder: Path) -> Loaded:
    """Read an automation from a folder that holds its frozen files; raises ValueError where they do not fit."""
    from ruamel.yaml import YAML

    document = YAML(typ="safe", pure=True).load((folder / "automation.yml").read_text("utf-8"))
    automation = Automation.model_validate(_plain(document))
    jobs = {path: read_job(folder, path) for _, path in _job_files(automation)}
    files = {"automation.yml": (folder / "automation.yml").read_bytes()}
    for _, path, key in _other_files(automation):
        read_file(folder, path, key, files)
    return Loaded(automation, "automation.yml", 1, "", files, jobs)


def named(loaded: Loaded, path: str) -> str:
    """Give the `name` of a frozen Azure ML file."""
    return str(_frozen(loaded.files[path])["name"])


def instances_of(loaded: Loaded, deploy: Deploy) -> tuple[str, int]:
    """Give type and number of the instances that a deployment file asks for, ("", 1) where it does not say."""
    document = _frozen(loaded.files[deploy.deployment])
    return str(document.get("instance_type") or ""), int(document.get("instance_count") or 1)


@lru_cache(maxsize=256)
def _frozen(text: bytes) -> Mapping[str, Any]:
    from ruamel.yaml import YAML

    document: Mapping[str, Any] = YAML(typ="safe", pure=True).load(text.decode())
    return document


def endpoint_name(loaded: Loaded, deploy: Deploy) -> str:
    """Give the name of the endpoint that a release goes to."""
    return named(loaded, deploy.endpoint)


def _job_files(automation: Automation) -> Iterator[tuple[tuple[str | int, ...], str]]:
    if automation.check:
        yield ("check", "job"), automation.check.job
    if automation.do.train:
        yield ("do", "train", "job"), automation.do.train.job
    if automation.do.job:
        yield ("do", "job", "job"), automation.do.job.job
    if automation.do.score and automation.do.score.job:
        yield ("do", "score", "job"), automation.do.score.job
    if automation.do.deploy and automation.do.deploy.evaluate:
        yield ("do", "deploy", "evaluate", "job"), automation.do.deploy.evaluate.job
    if automation.do.promote and automation.do.promote.evaluate:
        yield ("do", "promote", "evaluate", "job"), automation.do.promote.evaluate.job


def _other_files(automation: Automation) -> Iterator[tuple[tuple[str | int, ...], str, str]]:
    """Give the files that are no jobs: where they are named, their path, and a key that each must have."""
    deploy = automation.do.deploy
    if deploy:
        yield ("do", "deploy", "endpoint"), deploy.endpoint, "name"
        yield ("do", "deploy", "deployment"), deploy.deployment, "name"
        if deploy.analysis and deploy.analysis.smoke:
            yield ("do", "deploy", "analysis", "smoke"), deploy.analysis.smoke, ""


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, bool) or value is None:
        return value
    for kind in (int, float, str):
        if isinstance(value, kind):
            return kind(value)
    return str(value)


def _nodes(value: Any) -> int:
    total, queue = 0, [value]
    while queue and total <= MAX_NODES:
        item = queue.pop()
        total += 1
        if isinstance(item, dict):
            queue.extend(item.values())
        elif isinstance(item, list):
            queue.extend(item)
    return total


def _dump(plain: Any) -> bytes:
    from ruamel.yaml import YAML

    stream = io.StringIO()
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.dump(plain, stream)
    return stream.getvalue().encode()


def _problem(file: str, document: Any, error: Any) -> Problem:
    place = tuple(part for part in error["loc"] if isinstance(part, str | int))
    kind, message = error["type"], error["msg"]
    if kind == "extra_forbidden":
        known = _keys_at(place[:-1])
        close = difflib.get_close_matches(str(place[-1]), known, 1)
        hint = f"did you mean {close[0]!r}?" if close else f"known here: {', '.join(known)}"
        message = f"{place[-1]!r} is no key here; {hint}"
    elif kind == "missing":
        message = f"{place[-1]!r} is missing"
        place = place[:-1]
    elif kind == "value_error":
        message = message.removeprefix("Value error, ")
    else:
        expected = _EXPECTED.get(kind) or f"{message[0].lower()}{message[1:]}"
        message = f"{'.'.join(map(str, place)) or 'this'} is {reprlib.repr(error.get('input'))}: {expected}"
    return _at(file, document, place, message)


def _one_of_each(errors: Iterable[Any]) -> Iterator[Any]:
    """Give the problems of values; of one that may be of several types, one that names them all."""
    united: dict[tuple[str | int, ...], list[Any]] = {}
    for error in errors:
        place = error["loc"]
        plain = isinstance(error.get("input"), str | int | float | list | dict | None) and len(place) > 1
        if plain and _TYPES.get(error["type"]) == place[-1]:
            united.setdefault(place[:-1], []).append(error)
        else:
            yield error
    for place, found in united.items():
        if len(found) == 1:
            yield found[0]
            continue
        names = [_NAMES[_TYPES[error["type"]]] for error in found]
        yield {**found[0], "loc": place, "type": "union", "msg": f"{', '.join(names[:-1])} or {names[-1]} is expected"}


def _keys_at(place: tuple[str | int, ...]) -> list[str]:
    """Give the keys that the language knows at a place."""
    model: type[BaseModel] | None = Automation
    for part in place:
        if isinstance(part, int) or model is None:
            continue
        found = next((info for name, info in model.model_fields.items() if (info.alias or name) == part), None)
        model = _model_in(found.annotation) if found else None
    if model is None:
        return []
    return sorted(info.alias or name for name, info in model.model_fields.items())


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for inner in getattr(annotation, "__args__", ()) if (found := _model_in(inner))), None)


def _at(file: str, document: Any, place: tuple[str | int, ...], message: str) -> Problem:
    from ruamel.yaml.comments import CommentedMap, CommentedSeq

    line, column, node = document.lc.line, document.lc.col, document
    for part in place:
        if isinstance(node, CommentedMap) and part in node:
            line, column = node.lc.key(part)
        elif isinstance(node, CommentedSeq) and isinstance(part, int) and part < len(node):
            line, column = node.lc.item(part)
        else:
            break
        node = node[part]
    return Problem(file, line + 1, column + 1, message)
