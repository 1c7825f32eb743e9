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
_CONTROL: Final = frozenset({"compute", "workspaces", "registries", "connections", "datastores"})
"""Parts of MLClient where AzureML Data Scientist may look and not change."""


@cache
def _calls() -> frozenset[str]:
    """Names of everything that a storage client sends."""
    names = {name for client in _CLIENTS for name in dir(client) if not name.startswith("_")}
    return frozenset(name for name in names if name not in _LOCAL and not name.endswith("_client"))


def storage_calls(source: str) -> set[str]:
    """Give the calls of storage clients in a module."""
    tree = ast.parse(source)
    attributes = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    return attributes & _calls()


def changes_of_control(source: str) -> set[str]:
    """Give the calls of MLClient that its role does not allow: `client.<part>.<change>`."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Attribute) or not isinstance(node.value, ast.Attribute):
            continue
        if node.value.attr in _CONTROL and node.attr.startswith(_CHANGES):
            found.add(f"{node.value.attr}.{node.attr}")
    return found


def allowed(scenario: Scenario, root: Path = ROOT) -> Iterator[str]:
    """Give what the code does and no role of the app allows."""
    (hub,) = (one.name for one in scenario.deployment.of("Microsoft.Storage/storageAccounts") if "hub-" in one.file)
    rights: dict[str, set[str]] = {"hub": set(), "landing": set(), "frozen": set()}
    for (who, role, where), one in grants(scenario):
        if who == "app" and role in ROLES and "/storageAccounts/" in where:
            place = "hub" if where.endswith(f"/{hub}") else "frozen" if "/containers/" in where else "landing"
            if place != "landing" or one.file == "landing-access.bicep":
                rights[place] |= ROLES[role]
    for path, reading, writing in (("ledger/azure.py", "hub", "hub"), ("data.py", "landing", "frozen")):
        for call in sorted(storage_calls((root / "shared" / path).read_text())):
            need = OPERATIONS.get(call)
            if need is None:
                yield f"shared/{path}: what right does {call} need? Say so in tests/unit/infra/access.py"
            elif need not in rights[reading if need.endswith("read") else writing]:
                yield f"shared/{path}: no role of the app allows {call} ({need})"
    for path_of_module in sorted((root / "shared" / "azureml").rglob("*.py")):
        for call in sorted(changes_of_control(path_of_module.read_text())):
            yield f"{path_of_module.name}: AzureML Data Scientist does not allow {call}"
