"""Storage clients of the host, by the names of connections: a connection string, or addresses and an identity."""

from collections.abc import Mapping
from typing import Any, Final

from azure.storage.blob.aio import BlobServiceClient
from azure.storage.queue.aio import QueueServiceClient

from local.functions.worker import AppError

_QUICK: Final[dict[str, Any]] = {"retry_total": 2, "initial_backoff": 0, "increment_base": 1}
"""Listeners ask again by themselves; the SDK's own back-off would begin with 15 s."""


def queue_service(settings: Mapping[str, str], name: str, where: str) -> QueueServiceClient:
    """Give the queue client of a connection, or raise AppError naming the setting."""
    if text := settings.get(name):
        return QueueServiceClient.from_connection_string(text, **_QUICK)
    if address := settings.get(f"{name}__queueServiceUri"):
        return QueueServiceClient(address, credential=_identity(settings, name), **_QUICK)
    raise AppError(f"{where}: the connection {name!r} is not set: set {name}, or {name}__queueServiceUri")


def blob_service(settings: Mapping[str, str], name: str, where: str) -> BlobServiceClient:
    """Give the blob client of a connection, or raise AppError naming the setting."""
    if text := settings.get(name):
        return BlobServiceClient.from_connection_string(text, **_QUICK)
    if address := settings.get(f"{name}__blobServiceUri"):
        return BlobServiceClient(address, credential=_identity(settings, name), **_QUICK)
    raise AppError(f"{where}: the connection {name!r} is not set: set {name}, or {name}__blobServiceUri")


def _identity(settings: Mapping[str, str], name: str) -> Any:
    from azure.identity.aio import DefaultAzureCredential

    return DefaultAzureCredential(managed_identity_client_id=settings.get(f"{name}__clientId"))
