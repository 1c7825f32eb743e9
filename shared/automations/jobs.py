"""Reads the Azure ML job files that automations name: as data, with the code they bring, within the project."""

import fnmatch
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

MAX_CODE_BYTES: Final = 16 * 1024 * 1024
MAX_CODE_FILES: Final = 2000
MAX_YAML_BYTES: Final = 1024 * 1024
_DEEPEST: Final = 12
_FILE_KEYS: Final = frozenset({"code", "conda_file", "component", "trial", "environment"})
_NEVER: Final = ("__pycache__", ".git", ".venv", "node_modules", ".ipynb_checkpoints", "*.pyc")


class JobFileError(ValueError):
    """A job file is missing or cannot be used; the message names it and says what was expected."""


@dataclass(frozen=True, slots=True)
class JobFile:
    """What the hub needs to know of a job file. `inputs` gives each one's type and whether it must be given."""

    path: str
    inputs: Mapping[str, tuple[str, bool]]
    outputs: Mapping[str, str]
    files: Mapping[str, bytes] = field(repr=False)
    compute: str = ""
    nodes: int = 1
    kind: str = "command"
    direct: frozenset[str] = frozenset()
    """Inputs of data that the job reads by their address (`mode: direct`), not as files."""


def read_job(root: Path, path: str) -> JobFile:
    """Read an Azure ML job's YAML and all that it names in the project (code, components, conda files).

    Raises JobFileError.
    """
    files: dict[str, bytes] = {}
    job = _document(root, path, files)
    kind = str(job.get("type", "command"))
    needed = {"command": "command", "pipeline": "jobs", "sweep": "trial"}.get(kind)
    if needed and needed not in job:
        raise JobFileError(f"{path}: a {kind} job has `{needed}:`; see the schema that `$schema` names")
    compute = str(job.get("compute") or (job.get("settings") or {}).get("default_compute") or "")
    resources = job.get("resources")
    nodes = resources.get("instance_count", 1) if isinstance(resources, dict) else 1
    return JobFile(
        path,
        _inputs(job.get("inputs")),
        _outputs(job.get("outputs")),
        files,
        compute.removeprefix("azureml:"),
        nodes if isinstance(nodes, int) else 1,
        kind,
        _direct(job.get("inputs")),
    )


def read_file(root: Path, path: str, key: str, files: dict[str, bytes]) -> None:
    """Read, into `files`, an Azure ML YAML file that has a key, and what it names; with key "" any file as it is.

    Raises JobFileError.
    """
    if key:
        document = _document(root, path, files)
        if not isinstance(document.get(key), str):
            raise JobFileError(f"{path}: `{key}:` with a text is expected")
        return
    file = _inside(root, root / path, path)
    if not file.is_file() or file.stat().st_size > MAX_YAML_BYTES:
        raise JobFileError(f"{path} does not exist, or has more than {MAX_YAML_BYTES} bytes")
    files[file.relative_to(root.resolve()).as_posix()] = file.read_bytes()


def _document(root: Path, path: str, files: dict[str, bytes]) -> dict[str, Any]:
    """Read a YAML file and, into `files`, it and everything that it names."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    file = _inside(root, root / path, path)
    if not file.is_file():
        raise JobFileError(f"{path} does not exist: write the Azure ML file, or name another from the project's root")
    raw = file.read_bytes()
    if len(raw) > MAX_YAML_BYTES:
        raise JobFileError(f"{path} has {len(raw)} bytes: at most {MAX_YAML_BYTES} are expected of an Azure ML file")
    try:
        document = YAML(typ="safe", pure=True).load(raw.decode("utf-8"))
    except (YAMLError, UnicodeDecodeError, ValueError) as error:
        raise JobFileError(f"{path} is no YAML: {' '.join(str(error).split())[:200]}") from None
    if not isinstance(document, dict):
        raise JobFileError(f"{path} is no Azure ML file: a mapping is expected")
    files[file.relative_to(root.resolve()).as_posix()] = raw
    for key, value in _references(document):
        _reference(root, file.parent, f"{path}: {key}: {value}", key, value, files)
    return document


def _references(value: Any, depth: int = 0) -> Iterator[tuple[str, str]]:
    """Give what a document names in the project: (key, text), at any depth."""
    if depth > _DEEPEST:
        return
    if isinstance(value, dict):
        for key, item in value.items():
            if isinstance(item, str) and key in _FILE_KEYS:
                yield str(key), item
            else:
                yield from _references(item, depth + 1)
    elif isinstance(value, list):
        for item in value:
            yield from _references(item, depth + 1)


def _reference(root: Path, folder: Path, shown: str, key: str, text: str, files: dict[str, bytes]) -> None:
    named = text.removeprefix("file:")
    if named == text and ("://" in text or text.startswith("azureml:") or "${{" in text):
        return
    if key in {"component", "trial", "environment"}:
        if key == "environment" and named == text:
            return
        inside = _inside(root, folder / named, shown).relative_to(root.resolve()).as_posix()
        if inside not in files:
            _document(root, inside, files)
    else:
        files.update(_code(root, folder / named, shown))


def _inputs(inputs: Any) -> dict[str, tuple[str, bool]]:
    found: dict[str, tuple[str, bool]] = {}
    if not isinstance(inputs, dict | None):
        raise JobFileError("`inputs:` is no mapping of names to inputs")
    for name, value in (inputs or {}).items():
        if not isinstance(value, dict):
            found[str(name)] = ("literal", False)
            continue
        given = any(key in value for key in ("path", "default", "value"))
        found[str(name)] = (str(value.get("type", "uri_folder")), not given and not value.get("optional", False))
    return found


def _direct(inputs: Any) -> frozenset[str]:
    told = {str(name): value for name, value in (inputs or {}).items() if isinstance(value, dict)}
    return frozenset(
        name
        for name, value in told.items()
        if str(value.get("mode", "")) == "direct" and str(value.get("type", "uri_folder")) == "uri_folder"
    )


def _outputs(outputs: Any) -> dict[str, str]:
    if not isinstance(outputs, dict | None):
        raise JobFileError("`outputs:` is no mapping of names to outputs")
    return {
        str(name): str(value.get("type", "uri_folder")) if isinstance(value, dict) else "uri_folder"
        for name, value in (outputs or {}).items()
    }


def _inside(root: Path, file: Path, shown: str) -> Path:
    resolved = file.resolve()
    if not resolved.is_relative_to(root.resolve()):
        raise JobFileError(f"{shown} leaves the project: name a file inside it")
    return resolved


def _code(root: Path, folder: Path, shown: str) -> dict[str, bytes]:
    resolved = _inside(root, folder, shown)
    if resolved.is_file():
        return {resolved.relative_to(root.resolve()).as_posix(): resolved.read_bytes()}
    if not resolved.is_dir():
        raise JobFileError(f"{shown}: there is no such file or folder")
    files: dict[str, bytes] = {}
    total = 0
    for path in sorted(resolved.rglob("*")):
        parts = path.relative_to(resolved).parts
        if not path.is_file() or any(fnmatch.fnmatch(part, never) for part in parts for never in _NEVER):
            continue
        _inside(root, path, f"{shown}: {'/'.join(parts)}")
        total += path.stat().st_size
        if total > MAX_CODE_BYTES or len(files) >= MAX_CODE_FILES:
            raise JobFileError(
                f"{shown}: more than {MAX_CODE_BYTES // 1024**2} MiB or {MAX_CODE_FILES} files of code; "
                "data belongs into storage"
            )
        files[path.relative_to(root.resolve()).as_posix()] = path.read_bytes()
    return files
