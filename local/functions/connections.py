"""Storage clients of the host, by the names of connections: a connection string, or addresses and an identity.

Settings as documented (https://learn.microsoft.com/azure/azure-functions/functions-reference#connections): NAME, or
NAME__queueServiceUri and NAME__blobServiceUri, or NAME__accountName; then NAME__credential=managedidentity with
NAME__clientId for an assigned identity, or neither for the default chain.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, Literal

from azure.storage.queue.aio import QueueServiceClient

from local.functions.worker import AppError

if TYPE_CHECKING:
    from azure.storage.blob.aio import BlobServiceClient

_QUICK: Final[dict[str, Any]] = {"retry_total": 2, "initial_backoff": 0, "increment_base": 1}
"""Listeners ask again by themselves; the SDK's own back-off would begin with 15 s."""


def queue_service(settings: Mapping[str, str], name: str, where: str) -> QueueServiceClient:
    """Give the queue client of a connection, or raise AppError naming the setting."""
    if text := settings.get(name):
        try:
            return QueueServiceClient.from_connection_string(text, **_QUICK)
        except ValueError as error:
            raise _broken(where, name, error) from None
    return QueueServiceClient(_address(settings, name, "queue", where), _identity(settings, name, where), **_QUICK)


def blob_service(settings: Mapping[str, str], name: str, where: str) -> "BlobServiceClient":
    """Give the blob client of a connection, or raise AppError naming the setting."""
    from azure.storage.blob.aio import BlobServiceClient  # few apps have blob outputs, and the host is to answer soon

    if text := settings.get(name):
        try:
            return BlobServiceClient.from_connection_string(text, **_QUICK)
        except ValueError as error:
            raise _broken(where, name, error) from None
    return BlobServiceClient(_address(settings, name, "blob", where), _identity(settings, name, where), **_QUICK)


def _broken(where: str, name: str, error: ValueError) -> AppError:
    return AppError(f"{where}: the connection {name!r} is no connection string: {error}")


def _address(settings: Mapping[str, str], name: str, kind: Literal["queue", "blob"], where: str) -> str:
    if address := settings.get(f"{name}__{kind}ServiceUri"):
        return address
    if account := settings.get(f"{name}__accountName"):
        return f"https://{account}.{kind}.core.windows.net"
    raise AppError(f"{where}: the connection {name!r} is not set: set {name}, or {name}__{kind}ServiceUri")


def _identity(settings: Mapping[str, str], name: str, where: str) -> Any:
    kind, client = settings.get(f"{name}__credential", ""), settings.get(f"{name}__clientId")
    if kind.lower() == "managedidentity":
        from azure.identity.aio import ManagedIdentityCredential

        return ManagedIdentityCredential(client_id=client)
    if kind:
        raise AppError(f"{where}: {name}__credential is {kind!r}; managedidentity is expected, or leave it out")
    from azure.identity.aio import DefaultAzureCredential

    return DefaultAzureCredential(managed_identity_client_id=client)
