"""Assets by the unmodified client: versions that never change, labels, archive, lineage from a job's output."""

import time
from typing import Any

import pytest
from azure.ai.ml import Input, MLClient, Output, command
from azure.ai.ml.constants import AssetTypes
from azure.ai.ml.entities import Data, Environment, Model
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

FOLDER = "azureml://datastores/landing/paths/flights/2013-01"


def test_a_data_version_keeps_its_address_for_ever(ml: MLClient, unique: str) -> None:
    made = ml.data.create_or_update(Data(name=unique, version="7", path=FOLDER, type=AssetTypes.URI_FOLDER))
    assert made.path.startswith("azureml://subscriptions/")
    ml.data.create_or_update(
        Data(name=unique, version="7", path=FOLDER, type=AssetTypes.URI_FOLDER, tags={"checked": "yes"})
    )
    assert ml.data.get(unique, version="7").tags == {"checked": "yes"}

    with pytest.raises(HttpResponseError, match="immutable"):
        ml.data.create_or_update(Data(name=unique, version="7", path=f"{FOLDER}/x", type=AssetTypes.URI_FOLDER))

    assert ml.data.get(unique, label="latest").version == "7"
    numbered = ml.data.create_or_update(Data(name=unique, path=FOLDER, type=AssetTypes.URI_FOLDER))
    assert numbered.version == "8"


def test_a_data_asset_feeds_a_job_whose_output_becomes_a_model_and_feeds_the_next(
    ml: MLClient, laptop: Any, unique: str, wait: Any, blobs: Any
) -> None:
    first = command(
        name=unique,
        command="mkdir -p ${{outputs.model}}/sub && echo weights > ${{outputs.model}}/sub/w.txt",
        environment="plain@latest",
        compute="cpu-cluster",
        outputs={"model": Output(type="custom_model")},
    )
    ml.jobs.create_or_update(first)
    assert wait(ml, unique).status == "Completed"
    uri = f"azureml://jobs/{unique}/outputs/model"

    model = ml.models.create_or_update(
        Model(name=unique, version="1", path=uri, type="custom_model", properties={"activity": "a-1"})
    )
    assert (model.name, model.version, model.path) == (unique, "1", uri)
    assert ml.models.get(unique, label="latest").properties == {"activity": "a-1"}
    with pytest.raises(HttpResponseError):
        ml.models.create_or_update(Model(name=unique, version="1", path=f"{uri}2", type="custom_model"))

    second = command(
        name=f"{unique}-2",
        command="cat ${{inputs.model}}/sub/w.txt; cat ${{inputs.direct}}/sub/w.txt",
        environment="plain@latest",
        compute="cpu-cluster",
        inputs={
            "model": Input(type="custom_model", path=f"azureml:{unique}:1"),
            "direct": Input(type="uri_folder", path=uri),
        },
    )
    ml.jobs.create_or_update(second)
    assert wait(ml, f"{unique}-2").status == "Completed"
    log = blobs("mlworkspace", "azureml", f"ExperimentRun/dcid.{unique}-2/user_logs/std_log.txt")
    assert list(log.values()) == [b"weights\nweights\n"]


def test_an_output_with_an_asset_name_is_registered_when_the_job_completes(
    ml: MLClient, unique: str, wait: Any
) -> None:
    given = command(
        name=unique,
        command="echo 1 > ${{outputs.table}}/t.csv",
        environment="plain@latest",
        compute="cpu-cluster",
        outputs={"table": Output(type="uri_folder", name=f"{unique}-table", version="3")},
    )
    ml.jobs.create_or_update(given)
    assert wait(ml, unique).status == "Completed"
    assert ml.data.get(f"{unique}-table", version="3").type == "uri_folder"


def test_the_same_code_is_uploaded_once(ml: MLClient, unique: str, code: Any, wait: Any, blobs: Any) -> None:
    folder = code(f"print('{unique}')")
    codes = []
    for number in range(2):
        made = ml.jobs.create_or_update(
            command(
                name=f"{unique}-{number}",
                code=str(folder),
                command="python main.py",
                environment="plain@latest",
                compute="cpu-cluster",
            )
        )
        codes.append(made.code)
    assert codes[0] == codes[1]
    assert wait(ml, f"{unique}-1").status == "Completed"


def test_environments_are_versioned_and_run_by_their_image(ml: MLClient, unique: str, wait: Any) -> None:
    made = ml.environments.create_or_update(Environment(name=unique, version="2", image="plain-image:1"))
    assert (made.name, made.version, made.image) == (unique, "2", "plain-image:1")
    ml.jobs.create_or_update(command(name=unique, command="true", environment=f"{unique}:2", compute="cpu-cluster"))
    ml.jobs.create_or_update(
        command(
            name=f"{unique}-inline",
            command="true",
            environment=Environment(image="plain-image:2"),
            compute="cpu-cluster",
        )
    )
    assert wait(ml, unique).status == "Completed"
    assert wait(ml, f"{unique}-inline").status == "Completed"


def test_an_archived_model_is_hidden_and_comes_back(ml: MLClient, unique: str) -> None:
    ml.models.create_or_update(Model(name=unique, version="1", path=FOLDER, type="custom_model"))
    ml.models.archive(unique, version="1")
    assert [model.version for model in ml.models.list(unique)] == []
    ml.models.restore(unique, version="1")
    assert [model.version for model in ml.models.list(unique)] == ["1"]


def test_what_is_not_there_is_a_404_and_an_unknown_route_is_logged_loudly(
    ml: MLClient, laptop: Any, unique: str
) -> None:
    with pytest.raises(ResourceNotFoundError):
        ml.models.get(unique, version="1")
    with pytest.raises(ResourceNotFoundError):
        ml.jobs.get(unique)
    with pytest.raises(HttpResponseError):
        ml.connections.get(unique)
    time.sleep(0.2)
    assert "NOT KNOWN HERE" in laptop.log.read_text()


def test_datastores_of_the_workspace_and_of_the_landing_account(ml: MLClient) -> None:
    found = {store.name: (store.account_name, store.container_name) for store in ml.datastores.list()}
    assert found["landing"] == ("landing", "landing")
    assert found["scoring"] == ("landing", "scoring")
    assert found["scored"] == ("landing", "scored")
    assert found["hub_data"] == ("landing", "hub-data")
    assert found["workspaceblobstore"][0] == "mlworkspace"
    assert ml.datastores.get_default().name == "workspaceblobstore"
