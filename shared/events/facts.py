"""Reads the data of the events that the hub knows: of blob storage and of an Azure ML workspace."""

import json
import math
import re
from collections.abc import Mapping
from typing import Any, Final

from shared.events.model import (
    BlobCreated,
    BlobDeleted,
    BlobIncomplete,
    DatasetDriftDetected,
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
CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_MAX_SIZE: Final = 2**63
_SEQUENCER: Final = 48
_SUBJECT: Final = re.compile(r"/blobServices/default/containers/([^/]+)/blobs/(.+)", re.DOTALL)
_ACCOUNT: Final = re.compile(r"/storageAccounts/([^/]+)/?$", re.IGNORECASE)
_WORKSPACE: Final = re.compile(r"/workspaces/([^/]+)/?$", re.IGNORECASE)
_DOTS: Final = re.compile(r"(?:^|/)\.\.?(?:/|$)")
_HEX: Final = re.compile(r"[0-9A-Fa-f]{1,128}")


class BrokenError(Exception):
    """This event cannot be used; the message says why."""


def read_facts(kind: str, source: str, subject: str, data: Mapping[str, Any]) -> Facts:
    """Give what an event says; raises BrokenError where its type is known and its data cannot be used."""
    area, _, name = kind.rpartition(".")
    if area.lower() == "microsoft.storage":
        return _storage_facts(name.lower(), source, subject, _lowered(data))
    if area.lower() == "microsoft.machinelearningservices":
        return _workspace_facts(name.lower(), source, _lowered(data))
    return Other()


def _lowered(data: Mapping[str, Any]) -> dict[str, Any]:
    """Give the data by keys in lower case: services and SDKs spell them differently. One that is null is left out."""
    return {key.lower(): value for key, value in data.items() if value is not None}


def _storage_facts(name: str, source: str, subject: str, data: Mapping[str, Any]) -> Facts:
    if name not in {"blobcreated", "blobdeleted"}:
        return Other()
    place, owner = _SUBJECT.fullmatch(subject), _ACCOUNT.search(source)
    if place is None:
        raise BrokenError(f"the subject {subject[:128]!r} names no blob")
    if owner is None:
        raise BrokenError(f"the source {source[:128]!r} names no storage account")
    account, container, path = owner[1].lower(), place[1], place[2]
    if len(path) > 1024:
        raise BrokenError(f"the blob's name has {len(path)} characters; at most 1,024 are possible")
    if _DOTS.search(path):
        raise BrokenError(f"the blob's name {path[:128]!r} has a '.' or '..' folder, which no path may hold here")
    sequencer = _sequencer(data.get("sequencer"))
    if name == "blobdeleted":
        return BlobDeleted(account, container, path, sequencer)
    api = _optional(data, "api")
    if api and api not in WHOLE_APIS:
        return BlobIncomplete(account, container, path, api)
    content_type = _optional(data, "contenttype")[:256]
    return BlobCreated(account, container, path, _etag(data), _size(data), api, sequencer, content_type)


def _etag(data: Mapping[str, Any]) -> str:
    etag = data.get("etag")
    bare = etag.strip().removeprefix("W/").strip('"') if isinstance(etag, str) else ""
    if not bare:
        raise BrokenError("a BlobCreated event has no eTag, so its content cannot be told from another")
    if len(bare) > 256 or CONTROL.search(bare):
        raise BrokenError("the eTag is longer than any service makes it, or has control characters")
    return bare


def _size(data: Mapping[str, Any]) -> int:
    size = data.get("contentlength", 0)
    if isinstance(size, str) and re.fullmatch(r"[0-9]{1,19}", size):
        size = int(size)
    if isinstance(size, float) and size.is_integer():
        size = int(size)
    if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size < _MAX_SIZE:
        raise BrokenError(f"contentLength is {_shown(size)}, not a number of bytes")
    return size


def _optional(data: Mapping[str, Any], key: str) -> str:
    """Give a text that may be missing: "" for that, and for what is no text."""
    value = data.get(key)
    return value if isinstance(value, str) else ""


def _shown(value: Any) -> str:
    """Show a value of any size in a reason."""
    if isinstance(value, int) and abs(value) >= _MAX_SIZE:
        return "a number over 2^63"
    return repr(value)[:128]


def _sequencer(value: Any) -> str:
    """Give a sequencer that compares as text: lower case, padded; "" for none."""
    return value.lower().rjust(_SEQUENCER, "0") if isinstance(value, str) and _HEX.fullmatch(value) else ""


def _workspace_facts(name: str, source: str, data: Mapping[str, Any]) -> Facts:
    owner = _WORKSPACE.search(source)
    if owner is None:
        raise BrokenError(f"the source {source[:128]!r} names no workspace")
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
        return ModelDeployed(workspace, _name(data, "servicename"), _models(data.get("modelids")))
    if name == "runcompleted":
        experiment = _optional(data, "experimentname")
        return RunCompleted(workspace, experiment, _name(data, "runid"), _table(data.get("runtags")))
    if name == "runstatuschanged":
        tags = _table(data.get("runtags"))
        breach = next((value for key, value in tags.items() if key.lower() == BREACH_TAG), "")
        status = _name(data, "runstatus").lower()
        return RunStatusChanged(
            workspace, _optional(data, "experimentname"), _name(data, "runid"), status, tags, breach
        )
    if name == "datasetdriftdetected":
        monitor, number = _optional(data, "datadriftname"), _number(data.get("driftcoefficient"))
        return DatasetDriftDetected(workspace, monitor, _name(data, "runid"), number)
    return Other()


def _name(data: Mapping[str, Any], key: str) -> str:
    value = data.get(key)
    if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
        raise BrokenError(f"data has no usable {key!r}: {_shown(value)}")
    text = str(value)
    if len(text) > 512 or CONTROL.search(text):
        raise BrokenError(f"{key!r} is longer than any service makes it, or has control characters")
    return text


def _models(value: Any) -> tuple[str, ...]:
    """Read `name:version,name:version`, or a list of them."""
    parts = value.split(",") if isinstance(value, str) else value if isinstance(value, list) else []
    return tuple(part.strip() for part in parts if isinstance(part, str) and part.strip())


def _number(value: Any) -> float | None:
    """Read a number, or a text of one; None for anything else, and for what no float can hold."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _table(value: Any) -> dict[str, str]:
    if not isinstance(value, dict):
        return {}
    return {str(key): item if isinstance(item, str) else json.dumps(item) for key, item in value.items()}
