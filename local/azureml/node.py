"""What one job needs on the node: its folder, its files from storage and back, its command line and its variables."""

import asyncio
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from local.azureml import tables
from local.azureml.assets import Assets
from local.azureml.commands import filled, placeholders
from local.azureml.env import client_environment
from local.azureml.environments import Environments
from local.azureml.history import LOG
from local.azureml.inputs import MODELS, Resolver
from local.azureml.runs import Runs
from local.azureml.storage import Storage
from local.azureml.tables import Tables
from local.azureml.uris import asset_ref, environment_ref, place_of
from local.azureml.wire import ArmError, Json, invalid, not_found
from local.azureml.workspace import Workspace
from local.config import ACCOUNTS, RESOURCE_GROUP, SUBSCRIPTION, WORKSPACE, Cloud

_RUN_FOLDERS: Final = ("outputs", "logs")
"""Folders of the working directory that belong to the run's own files, as on Azure's computes."""


@dataclass
class Prepared:
    """A job that is ready to start: what to run, where, with which variables."""

    command: list[str]
    folder: Path
    environ: dict[str, str]
    log: Path
    outputs: dict[str, Path] = field(default_factory=dict)


class Node:
    """Prepares jobs, and takes what they leave."""

    def __init__(
        self,
        cloud: Cloud,
        runs: Runs,
        assets: Assets,
        storage: Storage,
        resolver: Resolver,
        environments: Environments,
        workspace: Workspace,
    ) -> None:
        self._cloud, self._runs, self._assets, self._storage = cloud, runs, assets, storage
        self._resolver, self._environments, self._workspace = resolver, environments, workspace
        self._tables = Tables(storage, resolver)

    def check(self, properties: Json) -> None:
        """Raise ArmError where the job cannot run here: command, code, environment, inputs."""
        if not str(properties.get("command") or "").strip():
            raise invalid("The job has no command.")
        inputs, outputs = properties["inputs"], properties["outputs"]
        for kind, name in placeholders(properties["command"]):
            known = outputs if kind == "outputs" else inputs
            if name not in known:
                raise invalid(
                    f"The command uses ${{{{{kind}.{name}}}}}; the job's {kind}: {', '.join(known) or 'none'}."
                )
        self.interpreter(properties)
        if properties.get("codeId"):
            self._code(properties["codeId"])
        for name, given in inputs.items():
            if given["jobInputType"] != "literal":
                tables.check(name, given)
                try:
                    self._resolver.place(given["uri"], given["jobInputType"])
                except ArmError as error:
                    raise ArmError(error.status, error.code, f"Input '{name}': {error.message}", error.inner) from None

    def interpreter(self, properties: Json) -> Path:
        """Give the Python of the job's environment; raises ArmError."""
        text = str(properties.get("environmentId") or "")
        ref = environment_ref(text)
        if ref is None:
            raise invalid(f"The job has no environment that can be read: '{text}'.")
        found = self._assets.find(ref, "environments")
        return self._environments.interpreter(ref.name, found["name"], found)

    def _code(self, text: str) -> Json:
        ref = asset_ref(text, "codes")
        if ref is None:
            raise invalid(f"'{text}' is no code version.")
        return self._assets.find(ref, "codes")

    def folder(self, name: str) -> Path:
        """Give the folder of a job."""
        return self._cloud.local_dir / "azureml" / "jobs" / name

    async def prepare(self, name: str) -> Prepared:
        """Make a fresh folder with code and inputs; raises ArmError or StorageError, naming what is missing."""
        properties = self._runs.job(name)["properties"]
        python = self.interpreter(properties)
        root = self.folder(name)
        await asyncio.to_thread(_fresh, root)
        if properties.get("codeId"):
            place = place_of(
                self._code(properties["codeId"])["properties"]["codeUri"],
                self._workspace.datastore,
                dict.fromkeys(ACCOUNTS, self._cloud.blob_port),
            )
            await self._storage.download_folder(place, root / "code")
        inputs = {key: await self._input(key, given, root) for key, given in properties["inputs"].items()}
        outputs = {key: _output(root, key, given) for key, given in properties["outputs"].items()}
        paths = {key: str(path) for key, path in outputs.items()}
        paths |= {key: given["uri"] for key, given in properties["outputs"].items() if _direct(given) and given["uri"]}
        command = filled(properties["command"], inputs, paths)
        environ = self._environ(name, properties, python, root)
        environ |= {f"AZURE_ML_INPUT_{key}": value for key, value in inputs.items()}
        environ |= {f"AZURE_ML_OUTPUT_{key}": value for key, value in paths.items()}
        return Prepared(["bash", "-c", command], root / "code", environ, root / "std_log.txt", outputs)

    async def _input(self, name: str, given: Json, root: Path) -> str:
        kind = given["jobInputType"]
        if kind == "literal":
            return str(given["value"])
        if _direct(given):
            return self._resolver.uri(given["uri"], kind)
        place = self._resolver.place(given["uri"], kind)
        target = root / "inputs" / name
        if tables.evaluated(given):
            await self._tables.evaluate(place, target)
            return str(target)
        if await self._storage.is_blob(place):
            file = target / place.path.rpartition("/")[2]
            await self._storage.download_file(place, file)
            return str(file)
        if kind == "uri_file":
            raise not_found(f"Input '{name}': the file {self._storage.url(place)}")
        await self._storage.download_folder(place, target)
        return str(target)

    def _environ(self, name: str, properties: Json, python: Path, root: Path) -> dict[str, str]:
        """Give what a job on Azure gets; nothing of this laptop's own variables."""
        document = self._runs.document(name)
        token, _ = self._workspace.tokens.issue("https://management.azure.com/")
        return {
            "PATH": f"{python.parent}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "VIRTUAL_ENV": str(python.parent.parent),
            "HOME": str(root / "home"),
            "TMPDIR": str(root / "tmp"),
            "LANG": "C.UTF-8",
            "PYTHONUNBUFFERED": "1",
            "AZUREML_RUN_ID": name,
            "AZUREML_ROOT_RUN_ID": document["run"]["parent"] or name,
            "AZUREML_EXPERIMENT_ID": document["run"]["experimentId"],
            "AZUREML_ARM_SUBSCRIPTION": SUBSCRIPTION,
            "AZUREML_ARM_RESOURCEGROUP": RESOURCE_GROUP,
            "AZUREML_ARM_WORKSPACE_NAME": WORKSPACE,
            "AZUREML_ARM_PROJECT_NAME": properties["experimentName"],
            "AZUREML_SERVICE_ENDPOINT": f"https://127.0.0.1:{self._cloud.azureml_tls_port}",
            "AZUREML_RUN_TOKEN": token,
            "MLFLOW_TRACKING_URI": self._cloud.mlflow_tracking_uri,
            "MLFLOW_RUN_ID": name,
            "MLFLOW_EXPERIMENT_NAME": properties["experimentName"],
            # The identity of the compute, by which DefaultAzureCredential works inside a job.
            **client_environment(self._cloud),
            **properties["environmentVariables"],
        }

    async def send_log(self, name: str, log: Path) -> None:
        """Write the log as it is now to the run's own files."""
        if await asyncio.to_thread(log.exists):
            await self._storage.upload_file(log, self._resolver.artifacts(name).under(LOG))

    async def collect(self, name: str, *, completed: bool) -> None:
        """Send outputs and the run's own files; register outputs that are to become assets once it completed."""
        root = self.folder(name)
        artifacts = self._resolver.artifacts(name)
        for folder in _RUN_FOLDERS:
            if (root / "code" / folder).is_dir():
                await self._storage.upload_folder(root / "code" / folder, artifacts.under(folder))
        outputs = self._runs.job(name)["properties"]["outputs"]
        for key, given in outputs.items():
            if _direct(given):
                continue
            place, path = self._resolver.output(name, key, given), _output(root, key, given)
            if path.is_file():
                await self._storage.upload_file(path, place)
            else:
                await self._storage.upload_folder(path, place)
            if completed and given.get("assetName"):
                self._register(name, key, given)
        await self.send_log(name, root / "std_log.txt")

    def _register(self, name: str, key: str, given: Json) -> None:
        kind = "models" if given["jobOutputType"] in MODELS else "data"
        uri = f"azureml://jobs/{name}/outputs/{key}/paths/"
        version = given.get("assetVersion") or self._assets.next_version(kind, given["assetName"])
        what = {"modelUri": uri, "modelType": given["jobOutputType"]}
        if kind == "data":
            what = {"dataUri": given.get("uri") or uri, "dataType": given["jobOutputType"]}
        self._assets.create(kind, given["assetName"], version, {**what, "jobName": name})

    async def clear(self, name: str) -> None:
        """Remove the job's folder."""
        await asyncio.to_thread(shutil.rmtree, self.folder(name), ignore_errors=True)


def _direct(given: Json) -> bool:
    return str(given.get("mode") or "").lower() == "direct"


def _output(root: Path, name: str, given: Json) -> Path:
    """Give the path of an output: a folder that is there, or a file that the job makes."""
    path = root / "outputs" / name
    if given["jobOutputType"] == "uri_file":
        path.parent.mkdir(parents=True, exist_ok=True)
    else:
        path.mkdir(parents=True, exist_ok=True)
    return path


def _fresh(root: Path) -> None:
    shutil.rmtree(root, ignore_errors=True)
    for name in ("code", "inputs", "outputs", "home", "tmp"):
        (root / name).mkdir(parents=True)
