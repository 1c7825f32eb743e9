"""The parts of a laptop cloud: how each is started and how one sees that it answers."""

import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field

from local import azurite, environment
from local.config import Cloud


@dataclass(frozen=True)
class Part:
    """A program: `ready` are the addresses that must answer 200, `ports` those that it listens on."""

    name: str
    command: list[str]
    environ: Mapping[str, str] = field(repr=False)
    ports: tuple[int, ...]
    ready: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    death: int = signal.SIGKILL
    """What the kernel sends it when the supervisor is killed."""


def parts(cloud: Cloud, hosts: int = 1, base: Mapping[str, str] = os.environ) -> list[Part]:
    """Give the parts in the order in which they start; `hosts` Functions hosts work on the same queues.

    What the caller's environment sets for the hub (`HUB_...`) goes before what the laptop would set.
    """
    common = {
        **{name: value for name, value in base.items() if not name.startswith(_FOREIGN)},
        "HUB_PORT_BASE": str(cloud.port_base),
        "HUB_LOCAL_DIR": str(cloud.local_dir),
        "PYTHONUNBUFFERED": "1",
    }
    overrides = {name: value for name, value in base.items() if name.startswith("HUB_")}
    overrides = {name: value for name, value in overrides.items() if name not in _OURS}
    settings = {**common, **environment.hub(cloud), **overrides}
    at = "http://127.0.0.1:{}".format
    found = [
        Part(
            "azurite",
            azurite.command(
                cloud.local_dir / "azurite",
                blob=cloud.azurite_blob_port,
                queue=cloud.queue_port,
                table=cloud.table_port,
            ),
            azurite.environment(common),
            (cloud.azurite_blob_port, cloud.queue_port, cloud.table_port),
            death=signal.SIGTERM,  # it writes to disk every 5 s only, and when it is asked to end
        ),
        Part(
            "eventgrid",
            [sys.executable, "-m", "local.eventgrid"],
            common,
            (cloud.blob_port, cloud.eventgrid_port),
            (f"{at(cloud.eventgrid_port)}/healthz", f"{at(cloud.blob_port)}/healthz"),
            ("azurite",),
        ),
        Part(
            "azureml",
            [sys.executable, "-m", "local.azureml"],
            common,
            (cloud.azureml_tls_port, cloud.azureml_port),
            (f"{at(cloud.azureml_port)}/healthz",),
            ("azurite",),
        ),
    ]
    for number in range(hosts):
        port = cloud.hub_port if number == 0 else cloud.extra_ports[-number]
        found.append(
            Part(
                "host" if number == 0 else f"host-{number + 1}",
                [sys.executable, "-m", "local.functions", "--port", str(port)],
                settings,
                (port,),
                (f"{at(port)}/api/health",),
                ("azurite",),
            )
        )
    return found


_FOREIGN = ("ARM_", "AZURE_", "AZUREML_", "EVENTGRID_", "IDENTITY_", "MLFLOW_", "MSI_")
"""What leads clients elsewhere, to another laptop cloud or to Azure with a person's rights: no part sees it."""
_OURS = frozenset(
    {"HUB_URL", "HUB_KEY", "HUB_KEY_READER", "HUB_KEY_OPERATOR", "HUB_KEY_PUBLISHER", "HUB_KEYS", "HUB_STORAGE"}
)
"""What a sourced `env` file of another cloud may have set: never taken over."""
