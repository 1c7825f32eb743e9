"""The hub's own way to registries and other workspaces, against the laptop's; and its quota and its queries."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest
from azure.ai.ml import MLClient
from azure.ai.ml.entities import Model

from local.azureml.neighbours import REGISTRY, SECOND
from local.config import RESOURCE_GROUP, SUBSCRIPTION, WORKSPACE
from shared.azureml.client import AzureMLClient
from shared.azureml.protocol import ModelView
from shared.azureml.targets import AzureTargets, Target
from shared.engine.outcomes import PermanentError

TO_REGISTRY = Target(registry=REGISTRY)
TO_SECOND = Target("", SUBSCRIPTION, RESOURCE_GROUP, SECOND)


@pytest.fixture
def targets(ml: MLClient) -> AzureTargets:
    return AzureTargets(AzureMLClient(SUBSCRIPTION, RESOURCE_GROUP, WORKSPACE))


async def _registered(ml: MLClient, name: str) -> Model:
    path = "azureml://datastores/landing/paths/models/one"
    made: Model = await asyncio.to_thread(
        ml.models.create_or_update, Model(name=name, version="10", path=path, properties={"hub.run": "r"})
    )
    return made


async def test_a_version_goes_to_a_registry_once(ml: MLClient, targets: AzureTargets, unique: str) -> None:
    await _registered(ml, unique)
    assert await targets.find(TO_REGISTRY, unique, "10") is None
    await targets.share(TO_REGISTRY, unique, "10")
    found = await targets.find(TO_REGISTRY, unique, "10")
    assert found is not None
    assert found.properties == {"hub.run": "r"}
    with pytest.raises(PermanentError, match="already exists"):
        await targets.share(TO_REGISTRY, unique, "10")


async def test_a_version_is_made_in_another_workspace(ml: MLClient, targets: AzureTargets, unique: str) -> None:
    await _registered(ml, unique)
    source = await targets.source(unique, "10")
    account, container, prefix = await targets.place(source.uri)
    assert (account, container, prefix) == ("landing", "landing", "models/one/")
    _, other = await targets.store(TO_SECOND)
    assert other != container
    uri = "azureml://datastores/workspaceblobstore/paths/promoted/x/"
    made = ModelView(source.name, source.version, uri, source.kind, {"team": "delay"}, dict(source.properties))
    await targets.create(TO_SECOND, made)
    found = await targets.find(TO_SECOND, unique, "10")
    assert found is not None
    assert (found.tags, found.properties) == ({"team": "delay"}, {"hub.run": "r"})


async def test_versions_are_listed_by_when_they_were_registered(ml: MLClient, unique: str) -> None:
    azureml = AzureMLClient(SUBSCRIPTION, RESOURCE_GROUP, WORKSPACE)
    before = datetime.now(UTC)
    await _registered(ml, unique)
    (found,) = [one for one in await azureml.registered(before) if one.name == unique]
    assert (found.version, found.properties) == ("10", {"hub.run": "r"})
    assert before <= found.created <= datetime.now(UTC)
    assert [one for one in await azureml.registered(datetime.now(UTC)) if one.name == unique] == []
    assert await azureml.model(unique, "11") is None
    model = await azureml.model(unique, "10")
    assert model is not None
    assert model.properties == {"hub.run": "r"}


async def test_where_a_jobs_output_lies(ml: MLClient, targets: AzureTargets) -> None:
    folder = await targets.place("azureml://jobs/one/outputs/artifacts/paths/model/")
    assert folder == ("mlworkspace", "azureml", "ExperimentRun/dcid.one/model/")


async def test_what_cannot_be_promoted_is_told(ml: Any, targets: AzureTargets) -> None:
    with pytest.raises(PermanentError, match="404"):
        await targets.source("never", "1")
    with pytest.raises(PermanentError, match="only models in a blob datastore"):
        await targets.place("https://example.com/model")
