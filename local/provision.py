"""What infrastructure templates make in Azure and a laptop needs too: containers and queues, before anything starts."""

import contextlib
from typing import Any

from azure.core.exceptions import ResourceExistsError
from azure.storage.blob import BlobServiceClient
from azure.storage.queue import QueueServiceClient

from local.config import HUB_ACCOUNT, LANDING_ACCOUNT, LANDING_CONTAINERS, Cloud

QUEUES = ("hub-events", "hub-work", "hub-notify", "hub-events-poison", "hub-work-poison", "hub-notify-poison")
HUB_CONTAINERS = ("hub-dead-letters",)


def provision(cloud: Cloud) -> None:
    """Make what is missing; raises AzureError where Azurite does not answer."""
    patience: dict[str, Any] = {"connection_timeout": 5, "read_timeout": 20, "retry_total": 2}
    for account, containers in ((LANDING_ACCOUNT, LANDING_CONTAINERS), (HUB_ACCOUNT, HUB_CONTAINERS)):
        with BlobServiceClient.from_connection_string(cloud.direct_connection_string(account), **patience) as blobs:
            for name in containers:
                with contextlib.suppress(ResourceExistsError):
                    blobs.create_container(name)
    with QueueServiceClient.from_connection_string(cloud.connection_string(HUB_ACCOUNT), **patience) as queues:
        for name in QUEUES:
            with contextlib.suppress(ResourceExistsError):
                queues.create_queue(name)
