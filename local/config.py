"""Where everything of a laptop cloud is: ports, folders, accounts, names and keys. Read from two variables."""

import base64
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

SUBSCRIPTION: Final = "11111111-1111-1111-1111-111111111111"
RESOURCE_GROUP: Final = "laptop"
WORKSPACE: Final = "laptop"
TENANT: Final = "22222222-2222-2222-2222-222222222222"
AZURITE_KEY: Final = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""The public key of Azurite's development account, printed in its documentation: no secret."""
HUB_ACCOUNT: Final = "hubstorage"
LANDING_ACCOUNT: Final = "landing"
WORKSPACE_ACCOUNT: Final = "mlworkspace"
ACCOUNTS: Final = (HUB_ACCOUNT, LANDING_ACCOUNT, WORKSPACE_ACCOUNT)
RAISING_ACCOUNTS: Final = frozenset({LANDING_ACCOUNT, WORKSPACE_ACCOUNT})
"""Accounts with an Event Grid system topic: what is written there raises events."""
COLLECTED: Final = "collected"
"""The landing account's container of what deployments were asked and answered."""
LANDING_CONTAINERS: Final = ("landing", "scoring", "scored", COLLECTED, "hub-data")
PORTS: Final = 30
REPOSITORY: Final = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Cloud:
    """One laptop cloud. `port_base` is the hub's port; everything else listens on the 29 after it.

    `time_scale` is how many times faster than in Azure the services' own waits pass: Event Grid's pauses between tries,
    and the time for which the Functions host hides the messages that it works on.
    """

    port_base: int
    local_dir: Path
    time_scale: float = 1.0

    @classmethod
    def from_environ(cls, environ: Mapping[str, str] = os.environ) -> "Cloud":
        """Read HUB_PORT_BASE (7071) and HUB_LOCAL_DIR (.local); raises ValueError, naming the variable."""
        text = environ.get("HUB_PORT_BASE", "7071")
        if not text.isdigit() or not 1024 <= int(text) <= 65535 - PORTS:
            raise ValueError(f"HUB_PORT_BASE is {text!r}: a port from 1024 to {65535 - PORTS} is expected")
        folder = Path(environ.get("HUB_LOCAL_DIR") or REPOSITORY / ".local").absolute()
        return cls(int(text), folder, float(environ.get("HUB_TIME_SCALE", "1")))

    @property
    def hub_port(self) -> int:
        """The Functions host."""
        return self.port_base

    @property
    def blob_port(self) -> int:
        """The blob endpoint that people use; it raises events."""
        return self.port_base + 1

    @property
    def azurite_blob_port(self) -> int:
        """Azurite's own blob port, behind the proxy."""
        return self.port_base + 2

    @property
    def queue_port(self) -> int:
        """Azurite's queues."""
        return self.port_base + 3

    @property
    def table_port(self) -> int:
        """Azurite's tables."""
        return self.port_base + 4

    @property
    def eventgrid_port(self) -> int:
        """Event Grid: topics and control."""
        return self.port_base + 5

    @property
    def azureml_tls_port(self) -> int:
        """Azure ML over TLS."""
        return self.port_base + 6

    @property
    def azureml_port(self) -> int:
        """Azure ML over http: tokens, scoring, MLflow."""
        return self.port_base + 7

    @property
    def mlflow_port(self) -> int:
        """The MLflow server."""
        return self.port_base + 8

    @property
    def control_port(self) -> int:
        """The supervisor."""
        return self.port_base + 9

    @property
    def extra_ports(self) -> range:
        """Ports for second hosts and scoring servers."""
        return range(self.port_base + 11, self.port_base + PORTS)

    def connection_string(self, account: str) -> str:
        """Give the connection string of an account; blobs go through the proxy that raises events."""
        return (
            f"DefaultEndpointsProtocol=http;AccountName={account};AccountKey={AZURITE_KEY};"
            f"BlobEndpoint=http://127.0.0.1:{self.blob_port}/{account};"
            f"QueueEndpoint=http://127.0.0.1:{self.queue_port}/{account};"
            f"TableEndpoint=http://127.0.0.1:{self.table_port}/{account};"
        )

    def direct_connection_string(self, account: str) -> str:
        """Give the connection string that goes past the proxy: for the emulator's own work, which raises nothing."""
        return self.connection_string(account).replace(f":{self.blob_port}/", f":{self.azurite_blob_port}/")

    @property
    def storage_topic(self) -> str:
        """The ARM id of the landing account."""
        return self.account_id(LANDING_ACCOUNT)

    @staticmethod
    def account_id(account: str) -> str:
        """Give the ARM id of a storage account: what `topic` holds in its events."""
        return (
            f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{RESOURCE_GROUP}"
            f"/providers/Microsoft.Storage/storageAccounts/{account}"
        )

    @property
    def workspace_id(self) -> str:
        """The ARM id of the workspace: what `topic` holds in its events."""
        return (
            f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{RESOURCE_GROUP}"
            f"/providers/Microsoft.MachineLearningServices/workspaces/{WORKSPACE}"
        )

    @property
    def logs(self) -> Path:
        """Folder of the parts' logs."""
        return self.local_dir / "logs"

    @property
    def env_file(self) -> Path:
        """The shell file that clients source."""
        return self.local_dir / "env"

    @property
    def ca_file(self) -> Path:
        """The certificate authority of this cloud."""
        return self.local_dir / "ca.pem"

    @property
    def ca_bundle(self) -> Path:
        """Certifi's authorities and ours."""
        return self.local_dir / "ca-bundle.pem"

    @cached_property
    def keys(self) -> Mapping[str, str]:
        """Random keys of this cloud, made once and kept in a file that only its owner reads.

        hub, reader, operator, publisher: keys of the hub's API; eventgrid: the host's webhook; master: its admin;
        topic: publishing to any topic; identity: the header of the token endpoint.
        """
        path = self.local_dir / "keys"
        self.local_dir.mkdir(parents=True, exist_ok=True)
        names = ("hub", "reader", "operator", "publisher", "eventgrid", "master", "topic", "identity")
        if not path.exists():
            fresh = path.with_suffix(f".{os.getpid()}")
            descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            fresh_keys = {name: secrets.token_urlsafe(24) for name in names}
            fresh_keys["topic"] = base64.b64encode(secrets.token_bytes(32)).decode()  # clients sign with it, decoded
            with os.fdopen(descriptor, "w") as file:
                file.writelines(f"{name}={value}\n" for name, value in fresh_keys.items())
            try:
                os.link(fresh, path)  # whoever is first wins; a second part that starts meanwhile reads the same
            except FileExistsError:
                pass
            finally:
                fresh.unlink()
        lines = path.read_text().splitlines()
        return dict(line.split("=", 1) for line in lines)

    @property
    def mlflow_tracking_uri(self) -> str:
        """Where MLflow's own client reaches the workspace."""
        return f"http://127.0.0.1:{self.azureml_port}/mlflow/v1.0{self.workspace_id}"

    def interpreter(self, name: str) -> Path:
        """Give the Python of an environment of the laptop (jobs, mlflow, serving)."""
        return REPOSITORY / ".venvs" / name / "bin" / "python"
