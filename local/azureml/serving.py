"""Processes of online deployments: Microsoft's inference server with the model's and the code's files beside it."""

import asyncio
import contextlib
import os
import shutil
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import aiohttp

from local.azureml.assets import Assets
from local.azureml.env import client_environment
from local.azureml.environments import Environments
from local.azureml.inputs import Resolver
from local.azureml.storage import Storage
from local.azureml.uris import asset_ref, environment_ref, place_of
from local.azureml.wire import ArmError, Json, invalid
from local.azureml.workspace import Workspace
from local.config import ACCOUNTS, Cloud
from local.process import spawn, stop

_SCORING: Final = Path(__file__).with_name("scoring")
_START: Final = 60.0
_LOOK: Final = 0.05
_PROBE: Final = aiohttp.ClientTimeout(total=5)
_TAIL: Final = 1500


@dataclass
class Server:
    """A running inference server."""

    process: "subprocess.Popen[bytes]"
    port: int
    folder: Path

    @property
    def address(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"


class Serving:
    """Starts and ends the servers."""

    def __init__(
        self,
        cloud: Cloud,
        assets: Assets,
        storage: Storage,
        resolver: Resolver,
        environments: Environments,
        workspace: Workspace,
    ) -> None:
        self._cloud, self._assets, self._storage, self._resolver = cloud, assets, storage, resolver
        self._environments, self._workspace = environments, workspace
        self._taken: set[int] = set()

    def log(self, endpoint: str, deployment: str) -> Path:
        """Give the file of a deployment's container log."""
        return self._cloud.local_dir / "azureml" / "deployments" / endpoint / deployment / "server.log"

    def check(self, properties: Json) -> None:
        """Raise ArmError where a deployment cannot run here: model, code, environment."""
        model = self.model(properties)
        if not _script(properties) and (model is None or model["properties"]["modelType"] != "mlflow_model"):
            raise invalid("The deployment has neither a scoring script nor an MLflow model.")
        if model is not None:
            self._resolver.place(model["properties"]["modelUri"], model["properties"]["modelType"])
        self._python(properties)
        if properties.get("codeConfiguration"):
            self._code(properties)

    def model(self, properties: Json) -> Json | None:
        """Give the model version of a deployment."""
        text = properties.get("model")
        if not text:
            return None
        ref = asset_ref(str(text), "models")
        if ref is None:
            raise invalid(f"'{text}' is no model version.")
        return self._assets.find(ref, "models")

    def _code(self, properties: Json) -> Json:
        text = str((properties.get("codeConfiguration") or {}).get("codeId") or "")
        ref = asset_ref(text, "codes")
        if ref is None:
            raise invalid(f"'{text}' is no code version.")
        return self._assets.find(ref, "codes")

    def _python(self, properties: Json) -> Path:
        text = properties.get("environmentId")
        if not text:
            path = self._cloud.interpreter("serving")
            if not path.exists():
                raise invalid(f"Deployments without an environment run by {path}, which is missing: run `make setup`.")
            return path
        ref = environment_ref(str(text))
        if ref is None:
            raise invalid(f"'{text}' is no environment.")
        found = self._assets.find(ref, "environments")
        return self._environments.interpreter(ref.name, found["name"], found)

    async def start(self, endpoint: str, deployment: str, properties: Json, instances: int) -> Server:
        """Start a server and wait until it answers; raises ArmError with the end of its log where it does not."""
        log = self.log(endpoint, deployment)
        folder = log.parent / f"revision-{os.urandom(4).hex()}"
        port = self._port()
        try:
            environ, script = await self._prepare(folder, properties, instances)
            command = [str(self._python(properties)), "-P", str(_SCORING / "serve.py")]
            arguments = ["--entry_script", script, "--port", str(port)]
            shepherd = [
                sys.executable,
                "-S",
                "-E",
                "-P",
                str(Path(__file__).with_name("shepherd.py")),
                str(os.getpid()),
            ]
            process = spawn([*shepherd, *command, *arguments], log=log, environ=environ, folder=folder / "code")
            server = Server(process, port, folder)
            try:
                await self._healthy(server, log)
            except BaseException:
                await self.stop(server)
                raise
        except BaseException:
            self._taken.discard(port)
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
            raise
        return server

    async def stop(self, server: Server) -> None:
        """End a server and remove its files."""
        await asyncio.to_thread(stop, server.process)
        self._taken.discard(server.port)
        await asyncio.to_thread(shutil.rmtree, server.folder, ignore_errors=True)

    async def forget(self, endpoint: str, deployment: str) -> None:
        """Remove what is left of a deployment: its log."""
        await asyncio.to_thread(shutil.rmtree, self.log(endpoint, deployment).parent, ignore_errors=True)

    def _port(self) -> int:
        for port in reversed(self._cloud.extra_ports):
            if port in self._taken:
                continue
            with socket.socket() as probe, contextlib.suppress(OSError):
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(("127.0.0.1", port))
                self._taken.add(port)
                return port
        raise ArmError(
            400,
            "OutOfQuota",
            f"This laptop has {len(self._cloud.extra_ports)} ports for deployments, and all are used.",
        )

    async def _prepare(self, folder: Path, properties: Json, instances: int) -> tuple[dict[str, str], str]:
        for name in ("code", "model", "home"):
            await asyncio.to_thread((folder / name).mkdir, parents=True)
        model = self.model(properties)
        directory = folder / "model"
        if model is not None:
            directory = folder / "model" / model["id"].split("/")[-3] / model["name"]
            place = self._resolver.place(model["properties"]["modelUri"], model["properties"]["modelType"])
            # As in the service, the last part of the model's path stays: AZUREML_MODEL_DIR/<folder or file>.
            target = directory / place.path.rstrip("/").rpartition("/")[2]
            if await self._storage.is_blob(place):
                await self._storage.download_file(place, target)
            else:
                await self._storage.download_folder(place, target)
        script = str(_SCORING / "mlflow_score.py")
        if _script(properties):
            uri = self._code(properties)["properties"]["codeUri"]
            place = place_of(uri, self._workspace.datastore, dict.fromkeys(ACCOUNTS, self._cloud.blob_port))
            await self._storage.download_folder(place, folder / "code")
            script = str(folder / "code" / _script(properties))
            if not await asyncio.to_thread(Path(script).is_file):
                raise ArmError(400, "BadArgument", f"The code has no scoring script '{_script(properties)}'.")
        python = self._python(properties)
        given = {str(key): str(value) for key, value in (properties.get("environmentVariables") or {}).items()}
        workers = max(1, int(given.get("WORKER_COUNT", "1"))) * instances
        environ = {
            "PATH": f"{python.parent}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": str(folder / "home"),
            "LANG": "C.UTF-8",
            "PYTHONUNBUFFERED": "1",
            **client_environment(self._cloud),
            # A deployment's own way to a token of its identity, in Azure too.
            "MSI_ENDPOINT": f"http://127.0.0.1:{self._cloud.azureml_port}/msi/token",
            "MSI_SECRET": self._cloud.keys["identity"],
            **given,
            "AZUREML_MODEL_DIR": str(directory),
            "AML_APP_ROOT": str(Path(script).parent),
            "WORKER_COUNT": str(workers),
        }
        return environ, script

    async def _healthy(self, server: Server, log: Path) -> None:
        loop = asyncio.get_running_loop()
        end = loop.time() + _START
        async with aiohttp.ClientSession(timeout=_PROBE) as session:
            while loop.time() < end:
                if server.process.poll() is not None:
                    raise ArmError(
                        400,
                        "ResourceNotReady",
                        "User container has crashed or terminated: the inference server ended with status code "
                        f"{server.process.returncode}. {_tail(log)}",
                    )
                with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                    async with session.get(server.address + "/") as answer:
                        if answer.status == 200:
                            return
                await asyncio.sleep(_LOOK)
        raise ArmError(400, "ResourceNotReady", f"The container was not ready after {_START:.0f} s. {_tail(log)}")


def _script(properties: Json) -> str:
    return str((properties.get("codeConfiguration") or {}).get("scoringScript") or "")


def _tail(log: Path) -> str:
    text = log.read_text(errors="replace")[-_TAIL:] if log.exists() else ""
    return f"The end of its log: {text.strip()}"
