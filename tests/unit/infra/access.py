"""What the code does with storage and Azure ML, read from its sources, against what the assigned roles allow."""

import ast
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Final

from azure.data.tables.aio import TableClient, TableServiceClient
from azure.storage.blob.aio import BlobClient, BlobServiceClient, ContainerClient
from azure.storage.queue.aio import QueueClient, QueueServiceClient

from tests.unit.infra.scenarios import ROOT, Scenario
from tests.unit.infra.security import grants

_BLOB: Final = frozenset({"blob read", "blob write", "blob delete", "container create"})
ROLES: Final[Mapping[str, frozenset[str]]] = {
    "Storage Blob Data Owner": _BLOB,
    "Storage Blob Data Contributor": _BLOB,
    "Storage Blob Data Reader": frozenset({"blob read"}),
    "Storage Queue Data Contributor": frozenset({"message read", "message send", "message delete", "queue create"}),
    "Storage Queue Data Message Sender": frozenset({"message send"}),
    "Storage Table Data Contributor": frozenset(
        {"table read", "row read", "row write", "table create", "table delete"}
    ),
}
"""What each role allows (https://learn.microsoft.com/azure/role-based-access-control/built-in-roles/storage)."""
OPERATIONS: Final[Mapping[str, str]] = {
    "create_container": "container create",
    "create_entity": "row write",
    "create_queue": "queue create",
    "create_table": "table create",
    "delete_blob": "blob delete",
    "delete_table": "table delete",
    "download_blob": "blob read",
    "get_blob_properties": "blob read",
    "get_entity": "row read",
    "get_queue_properties": "message read",
    "list_blob_names": "blob read",
    "list_blobs": "blob read",
    "list_tables": "table read",
    "peek_messages": "message read",
    "query_entities": "row read",
    "send_message": "message send",
    "start_copy_from_url": "blob write",
    "submit_transaction": "row write",
    "update_entity": "row write",
    "upload_blob": "blob write",
    "upsert_entity": "row write",
}
"""What each call of a storage client needs."""
_CLIENTS: Final = (
    BlobClient, BlobServiceClient, ContainerClient, QueueClient, QueueServiceClient, TableClient, TableServiceClient,
)  # fmt: skip
_LOCAL: Final = frozenset({"close", "from_connection_string", "url", "table_name", "queue_name", "container_name"})
_CHANGES: Final = ("begin_", "create", "delete", "update", "archive")
FROZEN: Final = "the container of frozen copies"
RESULTS: Final = "the containers of results"
OTHERS: Final = "other workspaces' accounts"
WRITERS: Final[Mapping[str, str]] = {
    "actions/freeze.py": FROZEN,
    "actions/promote.py": OTHERS,
    "actions/score.py": RESULTS,
    "intake/probing.py": FROZEN,
}
"""Where each module writes into data accounts."""
_CONTROL: Final = frozenset({"compute", "workspaces", "registries", "connections", "datastores"})
"""Parts of MLClient where AzureML Data Scientist may look and not change."""


@cache
def _calls() -> frozenset[str]:
    """Names of everything that a storage client sends."""
    names = {name for client in _CLIENTS for name in dir(client) if not name.startswith("_")}
    return frozenset(name for name in names if name not in _LOCAL and not name.endswith("_client"))


@cache
def storage_calls(source: str) -> frozenset[str]:
    """Give the calls of storage clients in a module."""
    tree = ast.parse(source)
    attributes = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    return _calls() & attributes


@cache
def changes_of_control(source: str) -> frozenset[str]:
    """Give the calls of MLClient that its role does not allow: `client.<part>.<change>`."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Attribute) or not isinstance(node.value, ast.Attribute):
            continue
        if node.value.attr in _CONTROL and node.attr.startswith(_CHANGES):
            found.add(f"{node.value.attr}.{node.attr}")
    return frozenset(found)


@cache
def writers(root: Path) -> frozenset[str]:
    """Give the modules of shared/ that write or copy blobs into data accounts: `data.write(…)`, `data.copy(…)`."""
    found = set()
    for path in (root / "shared").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and node.attr in {"write", "copy"}:
                owner = node.value.attr if isinstance(node.value, ast.Attribute) else getattr(node.value, "id", "")
                if owner.lstrip("_") == "data":
                    found.add(path.relative_to(root / "shared").as_posix())
    return frozenset(found)


def _rights(scenario: Scenario) -> dict[str, set[str]]:
    """Give what the app may do where; in the containers of results, what it may in every one of them."""
    (hub,) = (one.name for one in scenario.deployment.of("Microsoft.Storage/storageAccounts") if "hub-" in one.file)
    outputs = scenario.parameters.get("outputContainers", ["scored"])
    found: dict[str, set[str]] = {}
    for (who, role, where), one in grants(scenario):
        if who != "app" or role not in ROLES or "/storageAccounts/" not in where:
            continue
        container = where.partition("/containers/")[2]
        if container:
            place = container if container in outputs else FROZEN
        elif where.endswith(f"/{hub}"):
            place = "hub"
        else:
            place = "landing" if one.file == "landing-access.bicep" else OTHERS
        found.setdefault(place, set()).update(ROLES[role])
    return {**found, RESULTS: set.intersection(*(found.get(one, set()) for one in outputs))}


def allowed(scenario: Scenario, root: Path = ROOT) -> Iterator[str]:
    """Give what the code does and no role of the app allows."""
    rights = _rights(scenario)
    for path, reading, writing in (("ledger/azure.py", "hub", "hub"), ("data.py", "landing", FROZEN)):
        for call in sorted(storage_calls((root / "shared" / path).read_text())):
            need = OPERATIONS.get(call)
            if need is None:
                yield f"shared/{path}: what right does {call} need? Say so in tests/unit/infra/access.py"
            elif need not in rights.get(reading if need.endswith("read") else writing, set()):
                yield f"shared/{path}: no role of the app allows {call} ({need})"
    for name in sorted(writers(root)):
        if name not in WRITERS:
            yield f"shared/{name}: where does it write blobs? Say so in tests/unit/infra/access.py"
        elif "blob write" not in rights.get(WRITERS[name], set()):
            yield f"shared/{name}: no role of the app allows it to write to {WRITERS[name]}"
    for path_of_module in sorted((root / "shared" / "azureml").rglob("*.py")):
        for call in sorted(changes_of_control(path_of_module.read_text())):
            yield f"{path_of_module.name}: AzureML Data Scientist does not allow {call}"
