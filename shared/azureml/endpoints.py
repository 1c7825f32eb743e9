"""What the hub asks of online endpoints, without the SDK: endpoints, deployments, traffic, logs and measures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol

from shared.deciding.analysis import Measured
from shared.deciding.traffic import Traffic


@dataclass(frozen=True, slots=True)
class EndpointView:
    """An online endpoint as the service has it; `state` in the service's spelling, such as Succeeded or Updating."""

    name: str
    state: str
    traffic: Traffic
    scoring_uri: str = ""
    compute: str = "Managed"
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def busy(self) -> bool:
        """Whether nothing can be asked of it now."""
        return self.state in {"Creating", "Updating", "Deleting"}


@dataclass(frozen=True, slots=True)
class DeploymentView:
    """A deployment. `model` is `name:version`, "" where it has none that is registered."""

    name: str
    state: str
    model: str = ""
    error: str = ""
    instances: int = 1
    instance_type: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)


class Endpoints(Protocol):
    """Online endpoints as the hub uses them. Raises TransientError and PermanentError."""

    async def endpoint(self, name: str) -> EndpointView | None:
        """Give the endpoint, or None."""

    async def deployments(self, endpoint: str) -> Sequence[DeploymentView]:
        """Give its deployments."""

    async def create_endpoint(self, folder: Path, file: str, tags: Mapping[str, str]) -> None:
        """Begin to make the endpoint that a YAML file describes; it is ready later."""

    async def create_deployment(self, folder: Path, file: str, name: str, model: str, tags: Mapping[str, str]) -> str:
        """Begin to make the deployment of a YAML file under this name, of this model version (name:version).

        Gives the operation by which `failure` finds out why it failed, "" where the service names none.
        """

    async def failure(self, operation: str) -> str:
        """Give why an operation failed, in the service's words; "" where it does not say."""

    async def shortage(self, instance_type: str, instances: int) -> str:
        """Say why the subscription's quota does not allow so many further instances, "" where it does."""

    async def set_traffic(self, endpoint: str, traffic: Traffic, expected: Traffic) -> bool:
        """Ask for a traffic if the present one is `expected`; False where it is not. It is in force later."""

    async def delete_deployment(self, endpoint: str, name: str) -> None:
        """Begin to remove a deployment; one that is not there is no error."""

    async def logs(self, endpoint: str, deployment: str) -> str:
        """Give the end of a deployment's log."""

    async def measured(self, endpoint: str, deployment: str, start: datetime, end: datetime, grain: int) -> Measured:
        """Give what Azure Monitor says of a deployment over a window, by intervals of `grain` seconds."""

    async def call(self, endpoint: EndpointView, deployment: str, body: bytes) -> int:
        """Send one request to a deployment of the endpoint, marked as the hub's own; give the status."""
