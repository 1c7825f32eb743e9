"""The settings of a laptop cloud: for the hub's host, and for the shell of people (the `env` file)."""

import hashlib
import json
import os
import shlex
import uuid
from collections.abc import Mapping
from typing import Final

from local.config import (
    ACCOUNTS,
    COLLECTED,
    HUB_ACCOUNT,
    LANDING_ACCOUNT,
    RESOURCE_GROUP,
    SUBSCRIPTION,
    WORKSPACE,
    Cloud,
)

ROLES: Final[Mapping[str, tuple[str, ...]]] = {
    "hub": ("reader", "operator", "approver", "publisher"),
    "reader": ("reader",),
    "operator": ("reader", "operator"),
    "publisher": ("publisher",),
}
"""What the named keys of the laptop may do."""


def azure(cloud: Cloud) -> dict[str, str]:
    """Give what unmodified Azure clients need to reach this cloud in the place of Azure."""
    metadata = f"https://127.0.0.1:{cloud.azureml_tls_port}/metadata/endpoints?api-version=2019-05-01"
    return {
        "AZURE_SUBSCRIPTION_ID": SUBSCRIPTION,
        "AZUREML_RESOURCE_GROUP": RESOURCE_GROUP,
        "AZUREML_WORKSPACE_NAME": WORKSPACE,
        "MLFLOW_TRACKING_URI": cloud.mlflow_tracking_uri,
        "ARM_CLOUD_METADATA_URL": metadata,
        "REGISTRY_DISCOVERY_ENDPOINT_URL": f"https://127.0.0.1:{cloud.azureml_tls_port}/",
        "REQUESTS_CA_BUNDLE": str(cloud.ca_bundle),
        "IDENTITY_ENDPOINT": f"http://127.0.0.1:{cloud.azureml_port}/msi/token",
        "IDENTITY_HEADER": cloud.keys["identity"],
        # Storage hosts that azure-ai-ml insists on (local uploads) are led to the laptop, all others where they are.
        "HTTPS_PROXY": f"http://127.0.0.1:{cloud.port_base + 10}",
        "NO_PROXY": "127.0.0.1,localhost",
    }


def hub(cloud: Cloud) -> dict[str, str]:
    """Give the app settings of the hub; `local.settings.sample.json` explains them."""
    named = {
        name: {"hash": hashlib.sha256(cloud.keys[name].encode()).hexdigest(), "roles": list(roles)}
        for name, roles in ROLES.items()
    }
    accounts = {
        f"HUB_ACCOUNT_{name.upper()}": cloud.connection_string(name) for name in ACCOUNTS if name != HUB_ACCOUNT
    }
    return {
        **azure(cloud),
        **accounts,
        "FUNCTIONS_WORKER_RUNTIME": "python",
        "AzureWebJobsStorage": cloud.connection_string(HUB_ACCOUNT),
        "HUB_STORAGE": cloud.connection_string(HUB_ACCOUNT),
        "HUB_EVENTS_QUEUE": "hub-events",
        "HUB_WORK_QUEUE": "hub-work",
        "HUB_DATA_ACCOUNT": LANDING_ACCOUNT,
        "HUB_DATA_CONTAINER": "hub-data",
        "HUB_DATA_DATASTORE": "hub_data",
        "HUB_DEPLOYMENT_VARIABLES": json.dumps(
            {"COLLECT_TO": f"http://127.0.0.1:{cloud.blob_port}/{LANDING_ACCOUNT}/{COLLECTED}"}
        ),
        "HUB_POLL_SHORTEST_SECONDS": "1",
        "HUB_POLL_LONGEST_SECONDS": "5",
        "HUB_KEYS": json.dumps(named),
        "HUB_PUBLIC_URL": f"http://127.0.0.1:{cloud.hub_port}",
        "HUB_TOPIC_ENDPOINT": f"http://127.0.0.1:{cloud.eventgrid_port}/topics/hub/api/events",
        "HUB_TOPIC_KEY": cloud.keys["topic"],
        "HUB_LOOPBACK_WEBHOOKS": "true",
        "HUB_LOGS_WORKSPACE": str(uuid.uuid5(uuid.NAMESPACE_URL, "azureml://laptop-logs")),
        "HUB_LOGS_ENDPOINT": f"https://127.0.0.1:{cloud.azureml_tls_port}",
    }


def client(cloud: Cloud) -> dict[str, str]:
    """Give what scripts, the command line and `az` need."""
    return {
        "HUB_URL": f"http://127.0.0.1:{cloud.hub_port}",
        "HUB_KEY": cloud.keys["hub"],
        "HUB_KEY_READER": cloud.keys["reader"],
        "HUB_KEY_OPERATOR": cloud.keys["operator"],
        "HUB_KEY_PUBLISHER": cloud.keys["publisher"],
        "AZURE_STORAGE_CONNECTION_STRING": cloud.connection_string(LANDING_ACCOUNT),
        "EVENTGRID_TOPIC_ENDPOINT": f"http://127.0.0.1:{cloud.eventgrid_port}/topics/hub/api/events",
        "EVENTGRID_TOPIC_KEY": cloud.keys["topic"],
        **azure(cloud),
        # `az` asks for the cloud's metadata by urllib, which looks for authorities there only.
        "SSL_CERT_FILE": str(cloud.ca_bundle),
    }


def write_env_file(cloud: Cloud) -> None:
    """Write the shell file of `export`s, for its owner's eyes only."""
    lines = [f"export {name}={shlex.quote(value)}\n" for name, value in client(cloud).items()]
    descriptor = os.open(cloud.env_file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.writelines(lines)
