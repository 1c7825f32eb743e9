"""Tables of paths by the plain client: registered, and given to jobs as the folder of files that they list."""

from pathlib import Path
from typing import Any

import pytest
from azure.ai.ml import Input, MLClient, command
from azure.ai.ml.entities import Data
from azure.core.exceptions import HttpResponseError

from local.config import RESOURCE_GROUP, SUBSCRIPTION, WORKSPACE
from shared.azureml.client import AzureMLClient
from shared.azureml.protocol import HUB_TAG, JobInput, JobRequest
from shared.engine.outcomes import PermanentError
from tests.integration.azureml.test_batch_endpoints import put

LONG = f"azureml://subscriptions/{SUBSCRIPTION}/resourcegroups/{RESOURCE_GROUP}/workspaces/{WORKSPACE}/datastores"
TABLE = """
type: mltable
paths:
  - file: {long}/landing/paths/{name}/data/a.csv
  - file: azureml://datastores/landing/paths/{name}/data/deep/b.csv
  - folder: ./beside
  - pattern: azureml://datastores/landing/paths/{name}/data/**/c[12].txt
"""
JOB = """
command: find ${{inputs.data}} -type f -printf '%P\\n' | sort
environment: azureml:plain@latest
compute: azureml:cpu-cluster
inputs: {data: {type: uri_folder, mode: MODE}}
"""


def lay(laptop: Any, name: str) -> str:
    """Put a table and its files into storage, and give the address of the folder of the table."""
    for path in ("a.csv", "deep/b.csv", "not-listed.csv", "c1.txt", "x/y/c2.txt", "c3.txt"):
        put(laptop, f"{name}/data/{path}", f"{path};")
    put(laptop, f"{name}/table/beside/d.csv", "d;")
    put(laptop, f"{name}/table/MLTable", TABLE.format(long=LONG, name=name))
    return f"azureml://datastores/landing/paths/{name}/table/"


def listed(name: str) -> list[str]:
    files = [f"landing/{name}/data/{path}" for path in ("a.csv", "c1.txt", "deep/b.csv", "x/y/c2.txt")]
    return ["beside/d.csv", *files]


def log(blobs: Any, name: str) -> list[str]:
    found = blobs("mlworkspace", "azureml", f"ExperimentRun/dcid.{name}/user_logs/std_log.txt")
    return next(iter(found.values())).decode().splitlines()


def register(ml: MLClient, laptop: Any, name: str, uri: str) -> None:
    """Make a version; the client checks the table by a schema that it fetches: here any JSON of this machine."""
    schema = f"http://127.0.0.1:{laptop.cloud.azureml_port}/healthz"
    ml.data.create_or_update(Data(name=name, version="1", path=uri, type="mltable", mltable_schema_url=schema))


def test_a_table_of_paths_is_a_job_s_folder_by_the_modes_that_evaluate_it(
    ml: MLClient, laptop: Any, unique: str, wait: Any, blobs: Any
) -> None:
    register(ml, laptop, unique, lay(laptop, unique))
    assert ml.data.get(unique, version="1").type == "mltable"
    modes = ("eval_mount", "eval_download", "ro_mount", "download")
    look = " && ".join(f"find ${{{{inputs.{mode}}}}} -type f -printf '{mode} %P\\n' | sort" for mode in modes)
    ml.jobs.create_or_update(
        command(
            name=unique,
            command=f"{look} && echo direct ${{{{inputs.direct}}}} && cat ${{{{inputs.eval_mount}}}}/*/*/*/a.csv",
            inputs={mode: Input(type="mltable", path=f"azureml:{unique}:1", mode=mode) for mode in (*modes, "direct")},
            environment="plain@latest",
            compute="cpu-cluster",
        )
    )
    assert wait(ml, unique).status == "Completed"
    said: dict[str, list[str]] = {}
    for line in log(blobs, unique):
        mode, _, path = line.partition(" ")
        said.setdefault(mode, []).append(path)
    assert said["eval_mount"] == said["eval_download"] == listed(unique)
    assert said["ro_mount"] == said["download"] == ["MLTable", "beside/d.csv"]
    assert said["direct"][0].endswith(f"/datastores/landing/paths/{unique}/table/")
    assert "a.csv;" in said


async def test_the_hub_s_list_is_a_folder_to_a_job_that_was_written_for_one(
    ml: MLClient, laptop: Any, unique: str, wait: Any, blobs: Any, tmp_path: Path
) -> None:
    client, tags = AzureMLClient(SUBSCRIPTION, RESOURCE_GROUP, WORKSPACE, ""), {HUB_TAG: unique}
    uri, refers = lay(laptop, unique), (f"{LONG}/landing/paths/",)
    for _ in range(2):
        await client.create_table(unique, "1", uri, refers, tags)
    with pytest.raises(PermanentError, match="exists and was not made by this activity"):
        await client.create_table(unique, "1", uri, refers, {HUB_TAG: "another"})
    made = ml.data.get(unique, version="1")
    assert (made.type, made.tags, made.properties[HUB_TAG]) == ("mltable", tags, unique)
    assert made.path.endswith(f"/datastores/landing/paths/{unique}/table/")
    for mode, sent in (("ro_mount", "EvalMount"), ("download", "EvalDownload")):
        (tmp_path / "job.yml").write_text(JOB.replace("MODE", mode))
        inputs = {"data": JobInput("mltable", f"azureml:{unique}:1", frozen="files")}
        name = f"{unique}{mode[0]}"
        await client.submit(JobRequest(name, tmp_path, "job.yml", inputs, tags, {}, name, "lists"))
        assert wait(ml, name).status == "Completed"
        assert log(blobs, name) == listed(unique)
        job = await client.arm.request("GET", f"jobs/{name}")
        given = job["properties"]["inputs"]["data"]
        assert (given["jobInputType"], given["mode"]) == ("mltable", sent)


async def test_a_table_with_transformations_fails_the_job_and_says_so(
    ml: MLClient, laptop: Any, unique: str, wait: Any
) -> None:
    put(laptop, f"{unique}/MLTable", "paths: [{file: ./a}]\ntransformations: [{read_delimited: {delimiter: ','}}]")
    table = Input(type="mltable", path=f"azureml://datastores/landing/paths/{unique}/", mode="eval_mount")
    given = {"environment": "plain@latest", "compute": "cpu-cluster"}
    ml.jobs.create_or_update(command(name=unique, command="ls ${{inputs.data}}", inputs={"data": table}, **given))
    assert wait(ml, unique).status == "Failed"
    client = AzureMLClient(SUBSCRIPTION, RESOURCE_GROUP, WORKSPACE, "")
    assert "has transformations (read_delimited): a laptop evaluates paths only" in await client.failure(unique)


def test_a_folder_has_no_mode_that_evaluates(ml: MLClient, unique: str) -> None:
    folder = Input(type="uri_folder", path="azureml://datastores/landing/paths/x/", mode="eval_mount")
    given = {"environment": "plain@latest", "compute": "cpu-cluster"}
    with pytest.raises(HttpResponseError, match="the mode 'EvalMount' is for mltable, not for uri_folder"):
        ml.jobs.create_or_update(command(name=unique, command="ls ${{inputs.data}}", inputs={"data": folder}, **given))
