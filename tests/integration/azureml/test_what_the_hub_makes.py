"""Tags and properties on everything that the hub makes in Azure ML, read back by the unmodified client."""

from pathlib import Path
from typing import Any

from azure.ai.ml.entities import BatchEndpoint, Model

from local.config import RESOURCE_GROUP, SUBSCRIPTION, WORKSPACE
from shared.azureml.batch import AzureBatch, Invocation
from shared.azureml.client import AzureMLClient
from shared.azureml.online import AzureEndpoints
from shared.azureml.protocol import HUB_TAG, JobInput, JobRequest, lasting
from tests.integration.azureml.test_batch_endpoints import SCRIPT, deploy, put

ENDPOINT = "name: {name}\nauth_mode: key\n"
DEPLOYMENT = """
name: blue
endpoint_name: {name}
model: azureml:whatever:1
environment: azureml:served@latest
code_configuration: {{code: ./code, scoring_script: main.py}}
instance_type: Standard_DS3_v2
instance_count: 1
"""
JOB = """
command: echo ${{inputs.given}}
environment: azureml:plain@latest
compute: azureml:cpu-cluster
inputs: {given: nothing}
"""


def tags_of(name: str) -> dict[str, str]:
    return {
        HUB_TAG: name,
        "hub.automation": "delay-train",
        "hub.content": "0123456789abcdef",
        "hub.attempt": "1",
        "hub.cause": "manual",
    }


async def test_tags_and_properties_say_which_activity_made_it(
    ml: Any, laptop: Any, tmp_path: Path, unique: str
) -> None:
    tags = tags_of(unique)
    client = AzureMLClient(SUBSCRIPTION, RESOURCE_GROUP, WORKSPACE, "")
    endpoints = AzureEndpoints(client)
    for name, text in {
        "endpoint.yml": ENDPOINT.format(name=unique),
        "deployment.yml": DEPLOYMENT.format(name=unique),
        "job.yml": JOB,
        "code/main.py": SCRIPT,
        "m/factor.txt": "3",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    put(laptop, f"{unique}/a.txt", "7")
    folder = f"azureml://datastores/landing/paths/{unique}/"

    await client.create_data(unique, "1", folder, tags)
    ml.models.create_or_update(Model(name=f"{unique}-given", version="1", path=str(tmp_path / "m")))
    await client.create_model(unique, "1", folder, "custom_model", tags, {**lasting(tags), "hub.run": "r"})
    given = {"given": JobInput("literal", "hello")}
    job = JobRequest(f"{unique}-job", tmp_path, "job.yml", given, tags, lasting(tags), "job", "tests")
    await client.submit(job)
    await endpoints.create_endpoint(tmp_path, "endpoint.yml", tags)
    ml.batch_endpoints.begin_create_or_update(BatchEndpoint(name=f"{unique}b")).result()
    deploy(ml, f"{unique}b", "first", f"{unique}-given:1", tmp_path / "code")
    batch = AzureBatch(client, endpoints)
    target = await batch.target(f"{unique}b", "first")
    output = f"azureml://datastores/landing/paths/{unique}-out/"
    run = Invocation(f"{unique}-run", f"{unique}b", target.deployment, folder, output, "tests", tags)
    await batch.invoke(run)
    await batch.invoke(run)
    while (view := await endpoints.endpoint(unique)) is not None and view.busy:
        pass
    await endpoints.create_deployment(tmp_path, "deployment.yml", "blue", f"{unique}-given:1", tags)

    assert (target.deployment, target.model) == ("first", f"{unique}-given:1")
    made = {
        "data": ml.data.get(unique, version="1"),
        "model": ml.models.get(unique, version="1"),
        "job": ml.jobs.get(f"{unique}-job"),
        "run": ml.jobs.get(f"{unique}-run"),
        "endpoint": ml.online_endpoints.get(unique),
        "deployment": ml.online_deployments.get("blue", unique),
    }
    for kind, found in made.items():
        for facts in (found.tags, found.properties):
            assert {name: facts.get(name) for name in tags} == tags, kind
    await client.cancel(f"{unique}-job")
