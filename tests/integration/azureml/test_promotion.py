"""Models that go on to a registry and to a second workspace, by the unmodified client."""

from typing import Any

import pytest
from azure.ai.ml import MLClient
from azure.ai.ml.entities import Model
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.identity import DefaultAzureCredential

from local.azureml.neighbours import REGISTRY, SECOND
from local.config import RESOURCE_GROUP, SUBSCRIPTION

FOLDER = "azureml://datastores/landing/paths/models/one"


def _model(ml: MLClient, name: str) -> Model:
    tags, properties = {"team": "delay"}, {"hub.run": "run-1"}
    return ml.models.create_or_update(Model(name=name, version="7", path=FOLDER, tags=tags, properties=properties))


def test_a_model_is_shared_with_a_registry_with_its_lineage(ml: MLClient, unique: str) -> None:
    _model(ml, unique)
    ml.models.share(unique, "7", share_with_name=unique, share_with_version="7", registry_name=REGISTRY)
    registry = MLClient(DefaultAzureCredential(), SUBSCRIPTION, registry_name=REGISTRY)
    found = registry.models.get(unique, "7")
    assert found.path.endswith(f"/registries/{REGISTRY}/models/{unique}/versions/7")
    assert (found.tags, found.properties) == ({"team": "delay"}, {"hub.run": "run-1"})
    with pytest.raises(Exception, match="already exists in registry"):
        ml.models.share(unique, "7", share_with_name=unique, share_with_version="7", registry_name=REGISTRY)


def test_what_a_registry_has_not_is_not_found(ml: MLClient, unique: str) -> None:
    registry = MLClient(DefaultAzureCredential(), SUBSCRIPTION, registry_name=REGISTRY)
    with pytest.raises(ResourceNotFoundError):
        registry.models.get(unique, "1")
    with pytest.raises(HttpResponseError):
        MLClient(DefaultAzureCredential(), SUBSCRIPTION, registry_name=f"{REGISTRY}-2").models.get(unique, "1")


def test_a_second_workspace_has_models_and_a_datastore_of_its_own(ml: MLClient, unique: str) -> None:
    _model(ml, unique)
    second: Any = MLClient(DefaultAzureCredential(), SUBSCRIPTION, RESOURCE_GROUP, SECOND)
    with pytest.raises(ResourceNotFoundError):
        second.models.get(unique, "7")
    own = ml.datastores.get("workspaceblobstore")
    other = second.datastores.get("workspaceblobstore")
    assert own.account_name == other.account_name
    assert own.container_name != other.container_name
    path = "azureml://datastores/workspaceblobstore/paths/promoted/x"
    made = second.models.create_or_update(Model(name=unique, version="7", path=path))
    assert f"/workspaces/{SECOND}/" in made.path
    assert second.models.get(unique, "7").version == "7"
