"""What an event only claims: a model version that is not there starts no job and gets no deployment."""

from pathlib import Path
from typing import Any

import pytest

from local.config import RESOURCE_GROUP, SUBSCRIPTION, WORKSPACE
from shared.azureml.client import AzureMLClient
from shared.azureml.online import AzureEndpoints
from shared.azureml.protocol import JobInput, JobRequest
from shared.engine.outcomes import PermanentError
from tests.integration.azureml.test_what_the_hub_makes import DEPLOYMENT, ENDPOINT

JOB = """
command: ls ${{inputs.challenger}}
environment: azureml:plain@latest
compute: azureml:cpu-cluster
inputs: {challenger: {type: custom_model, path: azureml:whatever:1}}
"""


async def test_a_model_version_that_is_not_there_is_evaluated_by_no_job(tmp_path: Path, unique: str, ml: Any) -> None:
    client = AzureMLClient(SUBSCRIPTION, RESOURCE_GROUP, WORKSPACE, "")
    (tmp_path / "job.yml").write_text(JOB)
    forged = {"challenger": JobInput("custom_model", f"azureml:{unique}:999")}
    with pytest.raises(PermanentError, match=f"{unique}.*not found"):
        await client.submit(JobRequest(f"{unique}-job", tmp_path, "job.yml", forged, {}, {}, "job", "tests"))
    assert await client.job(f"{unique}-job") is None


async def test_a_model_version_that_is_not_there_gets_no_deployment(tmp_path: Path, unique: str, ml: Any) -> None:
    client = AzureMLClient(SUBSCRIPTION, RESOURCE_GROUP, WORKSPACE, "")
    endpoints = AzureEndpoints(client)
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "main.py").write_text("def init(): ...\ndef run(data): return 1\n")
    (tmp_path / "endpoint.yml").write_text(ENDPOINT.format(name=unique))
    (tmp_path / "deployment.yml").write_text(DEPLOYMENT.format(name=unique))
    await endpoints.create_endpoint(tmp_path, "endpoint.yml", {})
    while (view := await endpoints.endpoint(unique)) is not None and view.busy:
        pass
    with pytest.raises(PermanentError, match=f"{unique}.*not found"):
        await endpoints.create_deployment(tmp_path, "deployment.yml", "blue", f"{unique}-no:999", {})
    assert await endpoints.deployments(unique) == []
