"""From what a job's input or output says to the blobs it means: assets, jobs' outputs, datastores, URLs."""

from typing import Final

from local.azureml.assets import Assets
from local.azureml.runs import Runs
from local.azureml.uris import Place, asset_ref, job_output_ref, place_of
from local.azureml.wire import Json, invalid, not_found
from local.azureml.workspace import ARTIFACT_STORE, BLOB_STORE, Workspace
from local.config import ACCOUNTS, Cloud

MODELS: Final = frozenset({"custom_model", "mlflow_model", "triton_model"})
"""The types of input and output that are models."""


class Resolver:
    """Reads addresses of data."""

    def __init__(self, cloud: Cloud, workspace: Workspace, assets: Assets, runs: Runs) -> None:
        self._workspace, self._assets, self._runs = workspace, assets, runs
        self._accounts = dict.fromkeys(ACCOUNTS, cloud.blob_port)

    def artifacts(self, job: str) -> Place:
        """Give the folder of a run's own files (outputs, logs, artifacts)."""
        return self._workspace.datastore(ARTIFACT_STORE).under(f"ExperimentRun/dcid.{job}")

    def uri(self, text: str, kind: str) -> str:
        """Give the address of storage that a text stands for, assets looked up. `kind` as in jobInputType."""
        ref = asset_ref(text, "models" if kind in MODELS else "data")
        if ref is None:
            return text
        if ref.kind not in {"models", "data"}:
            raise invalid(f"'{text}' names {ref.kind}, where data or a model is expected.")
        found = self._assets.find(ref)["properties"]
        return str(found["modelUri"] if ref.kind == "models" else found["dataUri"])

    def place(self, text: str, kind: str = "uri_folder") -> Place:
        """Give the blobs that a text stands for; raises ArmError where it cannot be read."""
        uri = self.uri(text, kind)
        output = job_output_ref(uri)
        if output is None:
            return place_of(uri, self._workspace.datastore, self._accounts)
        if output.output in {"artifacts", "default"}:
            return self.artifacts(output.job).under(output.path)
        outputs = self._runs.job(output.job)["properties"].get("outputs") or {}
        if output.output not in outputs:
            raise not_found(f"Output '{output.output}' of job '{output.job}'")
        return self.output(output.job, output.output, outputs[output.output]).under(output.path)

    def output(self, job: str, name: str, given: Json) -> Place:
        """Give where an output goes: what it says, or the default folder of the workspace's blob store."""
        if given.get("uri"):
            text = str(given["uri"])
            for key, value in (("name", job), ("output_name", name), ("default_datastore", BLOB_STORE)):
                text = text.replace(f"${{{{{key}}}}}", value)
            return place_of(text, self._workspace.datastore, self._accounts)
        return self._workspace.datastore(BLOB_STORE).under(f"azureml/{job}/{name}")
