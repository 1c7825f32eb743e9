"""A model that somebody registers goes to a registry and to a second workspace, by the hub of a whole laptop cloud."""

import subprocess
import sys
from pathlib import Path

import pytest

from local.azureml.neighbours import REGISTRY, SECOND
from local.config import RESOURCE_GROUP
from local.testing import LaptopCloud

RULES = f"""
name: to-the-registry
on: [{{model-registered: {{model: numbers}}}}]
do: {{promote: {{to: {{registry: {REGISTRY}}}}}}}
---
name: to-production
on: [{{model-registered: {{model: numbers}}}}]
do:
  promote:
    to: {{workspace: {SECOND}, resource-group: {RESOURCE_GROUP}}}
    gates: [{{approval: {{roles: [approver], expires: 1h}}}}]
    tags: {{by: "${{{{ activity.automation }}}}"}}
"""
PERSON = """
import os, sys
from azure.ai.ml import MLClient
from azure.ai.ml.entities import Model
from azure.identity import DefaultAzureCredential
names = [os.environ[name] for name in ("AZURE_SUBSCRIPTION_ID", "AZUREML_RESOURCE_GROUP", "AZUREML_WORKSPACE_NAME")]
def show(model):
    print(model.name, model.version, model.path, model.properties.get("hub.run"), model.tags.get("by"))
if sys.argv[1] == "register":
    path = "azureml://datastores/landing/paths/models/numbers"
    ml = MLClient(DefaultAzureCredential(), *names)
    show(ml.models.create_or_update(Model(name="numbers", version="10", path=path, properties={"hub.run": "run-1"})))
else:
    show(MLClient(DefaultAzureCredential(), names[0], registry_name=sys.argv[2]).models.get("numbers", "10"))
    show(MLClient(DefaultAzureCredential(), *names[:2], sys.argv[3]).models.get("numbers", "10"))
"""


@pytest.fixture(scope="module")
def laptop_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("team")
    (root / "automations").mkdir()
    (root / "automations" / "promote.yml").write_text(RULES)
    return root


def person(laptop: LaptopCloud, *words: str) -> list[str]:
    """Have somebody do something by the unmodified client; give what it shows."""
    command = [sys.executable, "-W", "ignore", "-c", PERSON, *words]
    done = subprocess.run(command, env=laptop.environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.split()


def test_it_is_there_with_its_lineage_and_its_files(laptop_cloud: LaptopCloud) -> None:
    laptop_cloud.upload({"models/numbers/model.bin": b"1 2 3", "models/numbers/more/notes.txt": b"four"})
    person(laptop_cloud, "register")

    laptop_cloud.activity("to-the-registry", "succeeded")
    waiting = laptop_cloud.activity("to-production", "waiting-approval")
    laptop_cloud.hub.post(f"activities/{waiting['id']}/approve", {"reason": "good enough"})
    activity = laptop_cloud.activity("to-production", "succeeded")
    step = next(step for step in activity["steps"] if step["name"] == "promote")
    assert (step["detail"]["copied"], step["detail"]["files"]) == (2, 2)
    name, version, place, run, _, *copied = person(laptop_cloud, "look", REGISTRY, SECOND)
    assert (name, version, run) == ("numbers", "10", "run-1")
    assert place.endswith(f"/registries/{REGISTRY}/models/numbers/versions/10")
    assert (copied[0], copied[1], copied[3], copied[4]) == ("numbers", "10", "run-1", "to-production")
    assert f"/workspaces/{SECOND}/" in copied[2]
    assert copied[2].endswith("/promoted/numbers/10/")
