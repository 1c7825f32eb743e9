"""Reads events: Event Grid's schema and CloudEvents, one or many. A broken one never costs the others."""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from shared.events.model import (
    BlobCreated,
    BlobDeleted,
    BlobIncomplete,
    Broken,
    DatasetDriftDetected,
    Event,
    Facts,
    ModelDeployed,
    ModelRegistered,
    Other,
    RunCompleted,
    RunStatusChanged,
)

WHOLE_APIS: Final = frozenset({"PutBlob", "PutBlockList", "CopyBlob", "FlushWithClose", "SftpCommit"})
"""The calls after which a blob has its content
(https://learn.microsoft.com/azure/event-grid/event-schema-blob-storage)."""
BREACH_TAG: Final = "azureml_modelmonitor_threshold_breached"
"""The tag by which a model monitor says that a threshold was broken
(https://learn.microsoft.com/azure/machine-learning/how-to-monitor-model-performance)."""
MAX_KEPT: Final = 32_000
_MAX_EVENT: Final = 1024 * 1024
_SEQUENCER: Final = 48
_SUBJECT: Final = re.compile(r"/blobServices/default/containers/([^/]+)/blobs/(.+)", re.DOTALL)
_ACCOUNT: Final = re.compile(r"/storageAccounts/([^/]+)/?$", re.IGNORECASE)
_WORKSPACE: Final = re.compile(r"/workspaces/([^/]+)/?$", re.IGNORECASE)
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_FRACTION: Final = re.compile(r"(\.\d{6})\d+")
_decode = msgspec.json.Decoder().decode


class _BrokenError(Exception):
    """This event cannot be used; the message says why."""


def parse(body: bytes | str, received: datetime) -> list[Event | Broken]:
    """Read what was delivered: one event or a list of them, in either schema.

    Raises nothing: what cannot be read is a Broken with its reason. `received` stands in for a missing time.
    """
    try:
        items = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        text = body.decode("utf-8", "replace") if isinstance(body, bytes) else body
        return [Broken(f"the body is no JSON: {error}", text[:MAX_KEPT])]
    return [parse_one(item, received) for item in (items if isinstance(items, list) else [items])]


def parse_one(item: Any, received: datetime) -> Event | Broken:
    """Read one event that is JSON already."""
    try:
        return _event(item, received)
    except _BrokenError as error:
        return Broken(str(error), _kept(item))
    except RecursionError:
        return Broken("the event nests too deeply", None)


def _kept(item: Any) -> Any:
    text = json.dumps(item, ensure_ascii=False, default=str)
    return item if len(text) <= MAX_KEPT else text[:MAX_KEPT]


def _event(item: Any, received: datetime) -> Event:
    if not isinstance(item, dict):
        raise _BrokenError(f"an event is a JSON object, not {type(item).__name__}")
    cloud = "specversion" in item
    names = ("source", "type", "time") if cloud else ("topic", "eventType", "eventTime")
    identifier, subject = _text(item, "id"), _text(item, "subject", needed=not cloud)
    source, kind = _text(item, names[0], needed=cloud), _text(item, names[1])
    data = item.get("data")
    if data is None:
        data = {}
    if not isinstance(data, dict):
        data = {"value": data}
    if len(identifier) > 512 or len(kind) > 512 or len(subject) > 4096 or len(source) > 1024:
        raise _BrokenError("id, type, source or subject is longer than any service makes it")
    facts = _facts(kind, source, subject, data)
    return Event(identifier, source, kind, subject, _time(item.get(names[2]), received), data, facts, item)


def _text(item: Mapping[str, Any], name: str, *, needed: bool = True) -> str:
    value = item.get(name)
    if value is None or value == "":
        if needed and not (name == "subject" and value == ""):
            raise _BrokenError(f"the event has no {name!r}")
        return ""
    if not isinstance(value, str):
        raise _BrokenError(f"{name!r} is a {type(value).__name__}, not text")
    return value


def _time(value: Any, received: datetime) -> datetime:
    if value is None:
        return received
    if not isinstance(value, str):
        raise _BrokenError(f"the time is a {type(value).__name__}, not text")
    try:
        moment = datetime.fromisoformat(_FRACTION.sub(r"\1", value))
    except ValueError:
        raise _BrokenError(f"the time {value[:64]!r} is no ISO 8601 time") from None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _facts(kind: str, source: str, subject: str, data: Mapping[str, Any]) -> Facts:
    area, _, name = kind.rpartition(".")
    if area.lower() == "microsoft.storage":
        return _storage_facts(name.lower(), source, subject, data)
    if area.lower() == "microsoft.machinelearningservices":
        return _workspace_facts(name.lower(), source, {str(key).lower(): value for key, value in data.items()})
    return Other()


def _storage_facts(name: str, source: str, subject: str, data: Mapping[str, Any]) -> Facts:
    if name not in {"blobcreated", "blobdeleted"}:
        return Other()
    place, owner = _SUBJECT.fullmatch(subject), _ACCOUNT.search(source)
    if place is None:
        raise _BrokenError(f"the subject {subject[:128]!r} names no blob")
    if owner is None:
        raise _BrokenError(f"the source {source[:128]!r} names no storage account")
    account, container, path = owner[1].lower(), place[1], place[2]
    if _CONTROL.search(path) or len(path) > 1024:
        raise _BrokenError("the blob's name has control characters or more than 1,024 of them")
    if any(part in {"..", "."} for part in path.split("/")):
        raise _BrokenError(f"the blob's name {path[:128]!r} has a '.' or '..' folder, which no path may hold here")
    sequencer = _sequencer(data.get("sequencer"))
    if name == "blobdeleted":
        return BlobDeleted(account, container, path, sequencer)
    api = str(data.get("api") or "")
    if api and api not in WHOLE_APIS:
        return BlobIncomplete(account, container, path, api)
    content_type = str(data.get("contentType") or "")[:256]
    return BlobCreated(account, container, path, _etag(data), _size(data), api, sequencer, content_type)


def _etag(data: Mapping[str, Any]) -> str:
    etag = data.get("eTag", data.get("etag"))
    if not isinstance(etag, str) or not etag:
        raise _BrokenError("a BlobCreated event has no eTag, so its content cannot be told from another")
    return etag.removeprefix("W/").strip('"')


def _size(data: Mapping[str, Any]) -> int:
    size = data.get("contentLength", 0)
    if isinstance(size, str) and size.isdigit():
        size = int(size)
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise _BrokenError(f"contentLength is {size!r}, not a number of bytes")
    return size


def _sequencer(value: Any) -> str:
    """Give a sequencer that compares as text: lower case, padded; "" for none."""
    return value.lower().rjust(_SEQUENCER, "0") if isinstance(value, str) and value else ""


def _workspace_facts(name: str, source: str, data: Mapping[str, Any]) -> Facts:
    owner = _WORKSPACE.search(source)
    if owner is None:
        raise _BrokenError(f"the source {source[:128]!r} names no workspace")
    workspace = owner[1]
    if name == "modelregistered":
        return ModelRegistered(
            workspace,
            _name(data, "modelname"),
            _name(data, "modelversion"),
            _table(data.get("modeltags")),
            _table(data.get("modelproperties")),
        )
    if name == "modeldeployed":
        models = tuple(part.strip() for part in str(data.get("modelids") or "").split(",") if part.strip())
        return ModelDeployed(workspace, _name(data, "servicename"), models)
    if name == "runcompleted":
        experiment = str(data.get("experimentname") or "")
        return RunCompleted(workspace, experiment, _name(data, "runid"), _table(data.get("runtags")))
    if name == "runstatuschanged":
        tags = _table(data.get("runtags"))
        breach = next((value for key, value in tags.items() if key.lower() == BREACH_TAG), "")
        status = _name(data, "runstatus").lower()
        return RunStatusChanged(
            workspace, str(data.get("experimentname") or ""), _name(data, "runid"), status, tags, breach
        )
    if name == "datasetdriftdetected":
        coefficient = data.get("driftcoefficient")
        number = float(coefficient) if isinstance(coefficient, int | float) else None
        return DatasetDriftDetected(workspace, str(data.get("datadriftname") or ""), _name(data, "runid"), number)
    return Other()


def _name(data: Mapping[str, Any], key: str) -> str:
    value = data.get(key)
    if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
        raise _BrokenError(f"data has no usable {key!r}: {value!r}")
    text = str(value)
    if len(text) > 512 or _CONTROL.search(text):
        raise _BrokenError(f"{key!r} is longer than any service makes it, or has control characters")
    return text


def _table(value: Any) -> dict[str, str]:
    if not isinstance(value, dict):
        return {}
    return {str(key): item if isinstance(item, str) else json.dumps(item) for key, item in value.items()}
