"""The settings of the app under the host: the environment over local.settings.json, and `%NAME%` in bindings."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from local.functions.worker import AppError, FunctionSpec

_REFERENCE = re.compile(r"%([^%\s]+)%")


def app_settings(folder: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """Give the Values of local.settings.json, where there is one, under the environment."""
    file = folder / "local.settings.json"
    values: dict[str, str] = {}
    if file.is_file():
        try:
            values = {str(key): str(value) for key, value in json.loads(file.read_text()).get("Values", {}).items()}
        except (ValueError, AttributeError) as error:
            raise AppError(f"local.settings.json is no JSON with Values: {error}") from None
    return {**values, **environment}


def with_switches(specs: Sequence[FunctionSpec], settings: Mapping[str, str]) -> list[FunctionSpec]:
    """Switch functions off by their setting (https://learn.microsoft.com/azure/azure-functions/disable-function)."""
    off = {"1", "true"}
    return [
        replace(spec, disabled=True)
        if any(settings.get(name, "").lower() in off for name in _switches(spec.name))
        else spec
        for spec in specs
    ]


def _switches(name: str) -> tuple[str, str]:
    return f"AzureWebJobs.{name}.Disabled", f"AzureWebJobs__{name}__Disabled"


def resolve(value: Any, settings: Mapping[str, str], where: str) -> Any:
    """Put settings in for `%NAME%`; raises AppError, naming the setting, where one is missing."""
    if not isinstance(value, str):
        return value

    def one(match: re.Match[str]) -> str:
        if match[1] not in settings:
            raise AppError(f"{where}: the setting {match[1]!r} is missing; it stands as %{match[1]}% in the binding")
        return settings[match[1]]

    return _REFERENCE.sub(one, value)


@dataclass(frozen=True, slots=True)
class QueueOptions:
    """extensions.queues of host.json."""

    batch_size: int = 16
    new_batch_threshold: int = 8
    max_dequeue_count: int = 5
    visibility_timeout: timedelta = timedelta(0)
    max_polling_interval: timedelta = timedelta(minutes=1)
    base64: bool = True


@dataclass(frozen=True, slots=True)
class HostOptions:
    """What host.json says."""

    route_prefix: str = "api"
    function_timeout: timedelta = timedelta(minutes=30)
    queues: QueueOptions = QueueOptions()


def host_options(folder: Path) -> HostOptions:
    """Read host.json; raises AppError where it is missing or wrong."""
    file = folder / "host.json"
    try:
        document = json.loads(file.read_text())
    except FileNotFoundError:
        raise AppError(f"there is no host.json in {folder}") from None
    except ValueError as error:
        raise AppError(f"host.json is no JSON: {error}") from None
    version = document.get("version") if isinstance(document, dict) else None
    if version != "2.0":
        raise AppError(f"host.json has version {version!r}; '2.0' is expected")
    http, queues = _section(document, "http"), _section(document, "queues")
    batch = _number(queues, "batchSize", 16, 1, 32)
    encoding = str(queues.get("messageEncoding", "base64")).lower()
    if encoding not in {"base64", "none"}:
        raise AppError(f"host.json: extensions.queues.messageEncoding is {encoding!r}; base64 or none is expected")
    return HostOptions(
        route_prefix=str(http.get("routePrefix", "api")).strip("/"),
        function_timeout=_span(document.get("functionTimeout", "00:30:00"), "functionTimeout"),
        queues=QueueOptions(
            batch_size=batch,
            new_batch_threshold=_number(queues, "newBatchThreshold", batch // 2, 0, 1000),
            max_dequeue_count=_number(queues, "maxDequeueCount", 5, 1, 100_000),
            visibility_timeout=_span(queues.get("visibilityTimeout", "00:00:00"), "visibilityTimeout"),
            max_polling_interval=_span(queues.get("maxPollingInterval", "00:01:00"), "maxPollingInterval"),
            base64=encoding == "base64",
        ),
    )


def _section(document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    extensions = document.get("extensions", {})
    section = extensions.get(name, {}) if isinstance(extensions, dict) else None
    if not isinstance(section, dict):
        raise AppError(f"host.json: extensions.{name} is {section!r}; an object is expected")
    return section


def _number(section: Mapping[str, Any], name: str, default: int, least: int, most: int) -> int:
    value = section.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise AppError(f"host.json: extensions.queues.{name} is {value!r}; {least} to {most} is expected")
    return value


def _span(text: Any, name: str) -> timedelta:
    match = re.fullmatch(r"(?:(\d+)\.)?(\d\d?):(\d\d):(\d\d)(?:\.(\d+))?", str(text))
    if match is None:
        raise AppError(f"host.json: {name} is {text!r}; hh:mm:ss is expected")
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups()[:4])
    return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
