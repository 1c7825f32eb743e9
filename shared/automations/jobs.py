"""Reads the Azure ML job files that automations name: as data, with the code they bring, within the project."""

import fnmatch
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

MAX_CODE_BYTES: Final = 16 * 1024 * 1024
MAX_CODE_FILES: Final = 2000
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


def read_job(root: Path, path: str) -> JobFile:
    """Read a command, pipeline or sweep job's YAML and the code it names; raises JobFileError."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    file = _inside(root, root / path, path)
    if not file.is_file():
        raise JobFileError(
            f"{path} does not exist: write the Azure ML job file, or name another from the project's root"
        )
    raw = file.read_bytes()
    try:
        job = YAML(typ="safe", pure=True).load(raw.decode("utf-8")) if len(raw) <= MAX_CODE_BYTES else None
    except (YAMLError, UnicodeDecodeError, ValueError) as error:
        raise JobFileError(f"{path} is no YAML: {' '.join(str(error).split())[:200]}") from None
    if not isinstance(job, dict):
        raise JobFileError(f"{path} is no Azure ML job: a mapping with `command:` is expected")
    if str(job.get("type", "command")) != "command" or not isinstance(job.get("command"), str):
        raise JobFileError(f"{path}: a command job is expected (`type: command` with `command:`)")
    files = {path: raw}
    code = job.get("code")
    if isinstance(code, str) and "://" not in code and not code.startswith("azureml:"):
        files.update(_code(root, file.parent / code, f"{path}: code: {code}"))
    environment = job.get("environment")
    if isinstance(environment, str) and environment.startswith("file:"):
        name = environment.removeprefix("file:")
        extra = _inside(root, file.parent / name, name)
        files[extra.relative_to(root.resolve()).as_posix()] = extra.read_bytes()
    return JobFile(path, _inputs(job.get("inputs")), _outputs(job.get("outputs")), files)


def _inputs(inputs: Any) -> dict[str, tuple[str, bool]]:
    found: dict[str, tuple[str, bool]] = {}
    for name, value in (inputs or {}).items():
        if not isinstance(value, dict):
            found[str(name)] = ("literal", False)
            continue
        given = any(key in value for key in ("path", "default", "value"))
        found[str(name)] = (str(value.get("type", "uri_folder")), not given and not value.get("optional", False))
    return found


def _outputs(outputs: Any) -> dict[str, str]:
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
        raise JobFileError(f"{shown}: the folder does not exist")
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
