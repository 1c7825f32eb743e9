"""A hub for benches: its shipped code under rules of a given number, on a store in memory or on Azurite."""

import hashlib
import json
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, cast

from shared.azureml.batch import Batch
from shared.azureml.endpoints import Endpoints
from shared.azureml.protocol import AzureML
from shared.bootstrap import Hub, wire
from shared.ledger.protocol import Store
from shared.settings import Settings
from shared.simulate.pretending import Nothing

START: Final = datetime(2013, 2, 1, 6, 0, tzinfo=UTC)
_ENVIRONMENT: Final = {
    "HUB_STORAGE": "UseDevelopmentStorage=true",
    "AZURE_SUBSCRIPTION_ID": "s",
    "AZUREML_RESOURCE_GROUP": "rg",
    "AZUREML_WORKSPACE_NAME": "ws",
    "HUB_DATA_ACCOUNT": "landing",
    "HUB_ACCOUNT_LANDING": "BlobEndpoint=http://127.0.0.1:1/landing;AccountName=landing;AccountKey=eA==",
    "HUB_STORM_OPENINGS": "100000",
    "HUB_KEYS": json.dumps({"bench": {"hash": hashlib.sha256(b"bench").hexdigest(), "roles": ["reader", "publisher"]}}),
}
_JOB: Final = """
command: python main.py --data ${{inputs.data}}
code: ./src
environment: azureml:bench:1
compute: azureml:cpu-cluster
inputs: {data: {type: uri_folder}}
outputs: {model: {type: custom_model}}
"""
_COLLECTING: Final = """
name: collecting
on:
  - blob-created:
      container: landing
      path: "flights/{month}/**/*.csv"
      collect: {by: [month], quiet: 2m, max-wait: 2h, max-files: 100000, until: {marker: "flights/{month}/_SUCCESS"}}
do: {train: {job: jobs/train.yml, inputs: {data: "${{ files }}"}, register: {model: delay, from: model}}}
"""
_SINGLE: Final = """
name: single-{number}
on: [{{blob-created: {{container: {container}, path: "{prefix}/**/*.csv"}}}}]
do: {{train: {{job: jobs/train.yml, inputs: {{data: "${{{{ files }}}}"}}}}}}
"""


class NoAzureML:
    """An Azure ML that is never asked."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"a bench asked Azure ML for {name}")


def project(folder: Path, singles: int = 0, containers: int = 1) -> Path:
    """Write a project: one automation that collects, and `singles` that start on one file, over some containers."""
    (folder / "automations").mkdir(parents=True)
    (folder / "jobs" / "src").mkdir(parents=True)
    (folder / "jobs" / "src" / "main.py").write_text("print()\n")
    (folder / "jobs" / "train.yml").write_text(_JOB)
    (folder / "automations" / "collecting.yml").write_text(_COLLECTING)
    for number in range(singles):
        container = "landing" if containers == 1 else f"drop-{number % containers}"
        text = _SINGLE.format(number=number, container=container, prefix=f"team-{number}")
        (folder / "automations" / f"single-{number}.yml").write_text(text)
    return folder


def hub(store: Store, root: Path, clock: Callable[[], datetime], azureml: object | None = None) -> Hub:
    """Wire a hub by the rules of a folder."""
    nothing: Any = NoAzureML()
    made = wire(
        Settings.read(_ENVIRONMENT, root),
        store,
        Nothing(),
        cast("AzureML", azureml or nothing),
        clock,
        endpoints=cast("Endpoints", nothing),
        batch=cast("Batch", nothing),
    )
    if invalid := made.rulebook.catalogue.invalid:
        raise RuntimeError(f"the rules of the bench are invalid: {invalid}")
    return made


def temporary(singles: int = 0, containers: int = 1) -> Iterator[Path]:
    """Give a project that is removed afterwards (for contextlib.contextmanager)."""
    with tempfile.TemporaryDirectory(prefix="bench-rules-") as folder:
        yield project(Path(folder) / "project", singles, containers)


def blob(path: str, number: int, moment: datetime = START, container: str = "landing") -> dict[str, Any]:
    """Give what Event Grid tells of a blob that was written; its content is told apart by `number`."""
    return {
        "topic": "/subscriptions/s/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/landing",
        "subject": f"/blobServices/default/containers/{container}/blobs/{path}",
        "eventType": "Microsoft.Storage.BlobCreated",
        "id": f"831e1650-001e-001b-66ab-{number:012x}",
        "eventTime": (moment + timedelta(milliseconds=number % 1000)).isoformat(),
        "data": {
            "api": "PutBlob",
            "clientRequestId": f"6d79dbfb-0e37-4fc4-981f-{number:012x}",
            "requestId": f"831e1650-001e-001b-66ab-{number:012x}",
            "eTag": f"0x8D{number:013X}",
            "contentType": "text/csv",
            "contentLength": 52_428 + number % 1000,
            "blobType": "BlockBlob",
            "url": f"https://landing.blob.core.windows.net/{container}/{path}",
            "sequencer": f"{number:040X}",
            "storageDiagnostics": {"batchId": "b68529f3-68cd-4744-baa4-3c0498ec19f0"},
        },
        "dataVersion": "",
        "metadataVersion": "1",
    }


def body(events: list[dict[str, Any]]) -> bytes:
    """Give a request's body."""
    return json.dumps(events).encode()
