"""Command jobs by the unmodified client: what runs, what it leaves in storage, how it ends."""

from pathlib import Path
from typing import Any

import pytest
from azure.ai.ml import Input, MLClient, Output, command, spark
from azure.core.exceptions import HttpResponseError
from azure.storage.blob import BlobServiceClient

from local.azureml.wire import WORKSPACE_GUID

BLOBS = f"azureml-blobstore-{WORKSPACE_GUID}"


def job(name: str, code: Path | None, line: str, **more: Any) -> Any:
    given = {"environment": "plain@latest", "compute": "cpu-cluster", "experiment_name": "tests", **more}
    return command(name=name, code=str(code) if code else None, command=line, **given)


def put(laptop: Any, account: str, container: str, name: str, text: str) -> None:
    with BlobServiceClient.from_connection_string(laptop.cloud.connection_string(account)) as service:
        service.get_blob_client(container, name).upload_blob(text, overwrite=True)


def test_a_job_runs_its_code_on_inputs_and_leaves_log_and_outputs_in_storage(
    ml: MLClient, laptop: Any, unique: str, code: Any, wait: Any, blobs: Any
) -> None:
    put(laptop, "landing", "landing", f"{unique}/a.csv", "1\n2\n")
    put(laptop, "landing", "landing", f"{unique}/deep/b.csv", "3\n")
    script = """
import pathlib, sys
folder, file, out, rate = sys.argv[1:]
print("folder", sorted(p.relative_to(folder).as_posix() for p in pathlib.Path(folder).rglob("*") if p.is_file()))
print("file", pathlib.Path(file).read_text().split())
pathlib.Path(out, "result.txt").write_text(rate)
pathlib.Path("outputs").mkdir()
pathlib.Path("outputs/own.txt").write_text("mine")
"""
    created = ml.jobs.create_or_update(
        job(
            unique,
            code(script),
            "python main.py ${{inputs.folder}} ${{inputs.file}} ${{outputs.made}} ${{inputs.rate}} $[[${{inputs.y}}]]",
            inputs={
                "folder": Input(type="uri_folder", path=f"azureml://datastores/landing/paths/{unique}"),
                "file": Input(type="uri_file", path=f"azureml://datastores/landing/paths/{unique}/a.csv"),
                "rate": 0.5,
            },
            outputs={"made": Output(type="uri_folder")},
        )
    )
    assert created.status in {"NotStarted", "Starting", "Preparing", "Running"}

    assert wait(ml, unique).status == "Completed"

    log = blobs("mlworkspace", "azureml", f"ExperimentRun/dcid.{unique}/user_logs/std_log.txt")
    text = next(iter(log.values())).decode()
    assert "folder ['a.csv', 'deep/b.csv']" in text
    assert "file ['1', '2']" in text
    assert blobs("mlworkspace", BLOBS, f"azureml/{unique}/made/") == {f"azureml/{unique}/made/result.txt": b"0.5"}
    own = blobs("mlworkspace", "azureml", f"ExperimentRun/dcid.{unique}/outputs/")
    assert own == {f"ExperimentRun/dcid.{unique}/outputs/own.txt": b"mine"}


def test_a_failing_command_fails_the_job_with_its_exit_code_and_last_lines(
    ml: MLClient, unique: str, code: Any, wait: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    ml.jobs.create_or_update(job(unique, code("raise SystemExit('the data is bad')"), "python main.py"))

    assert wait(ml, unique).status == "Failed"

    with pytest.raises(Exception, match="exited with status code 1") as caught:
        ml.jobs.stream(unique)
    assert "the data is bad" in str(caught.value)
    assert "user_logs/std_log.txt" in str(caught.value)


def test_stream_prints_the_log(ml: MLClient, unique: str, code: Any, capsys: pytest.CaptureFixture[str]) -> None:
    ml.jobs.create_or_update(
        job(unique, code("import time; print('hello'); time.sleep(3); print('bye')"), "python main.py")
    )

    ml.jobs.stream(unique)

    shown = capsys.readouterr().out
    assert "hello" in shown
    assert "Execution Summary" in shown


def test_cancel_ends_the_process_and_the_job(ml: MLClient, unique: str, code: Any, wait: Any, wait_for: Any) -> None:
    ml.jobs.create_or_update(job(unique, code("import time; print('on'); time.sleep(300)"), "python main.py"))
    wait_for(ml, unique, "Running")

    ml.jobs.begin_cancel(unique).result(timeout=30)

    assert ml.jobs.get(unique).status == "Canceled"


def test_a_job_that_exceeds_its_timeout_is_cancelled(ml: MLClient, unique: str, wait: Any) -> None:
    given = job(unique, None, "sleep 60")
    given.set_limits(timeout=1)
    ml.jobs.create_or_update(given)

    assert wait(ml, unique).status == "Canceled"


def test_a_third_job_waits_as_queued_until_a_node_is_free(ml: MLClient, unique: str, wait: Any, wait_for: Any) -> None:
    names = [f"{unique}-{number}" for number in range(3)]
    for name in names:
        ml.jobs.create_or_update(job(name, None, "sleep 2"))

    wait_for(ml, names[2], "Queued")
    assert [wait(ml, name).status for name in names] == ["Completed"] * 3


def test_the_same_put_again_is_no_error_and_another_one_is_refused_as_immutable(
    ml: MLClient, unique: str, wait: Any
) -> None:
    """The service's own words: https://github.com/MicrosoftDocs/azure-docs/issues/122250 and
    https://github.com/Azure/azure-sdk-for-python/pull/47389 (JobPropertyImmutable).
    """
    ml.jobs.create_or_update(job(unique, None, "echo once"))
    again = ml.jobs.create_or_update(job(unique, None, "echo once"))
    assert again.name == unique

    with pytest.raises(HttpResponseError) as caught:
        ml.jobs.create_or_update(job(unique, None, "echo twice"))
    assert caught.value.status_code == 400
    assert "A job with this name already exists" in str(caught.value)
    assert wait(ml, unique).status == "Completed"


def test_an_environment_without_a_python_is_refused_with_what_to_do(ml: MLClient, unique: str) -> None:
    for name in ("absent@latest", "nothing:1"):
        with pytest.raises(HttpResponseError) as caught:
            ml.jobs.create_or_update(job(unique, None, "true", environment=name))
        assert caught.value.status_code in {400, 404}
    assert unique not in [item.name for item in ml.jobs.list()]


def test_an_input_that_does_not_exist_fails_the_job_with_its_address(ml: MLClient, unique: str, wait: Any) -> None:
    ml.jobs.create_or_update(
        job(
            unique,
            None,
            "ls ${{inputs.data}}",
            inputs={"data": Input(type="uri_folder", path="azureml://datastores/landing/paths/none")},
        )
    )
    assert wait(ml, unique).status == "Failed"
    with pytest.raises(Exception, match=r"there is nothing under .*/landing/landing/none"):
        ml.jobs.stream(unique)


def test_a_job_sees_its_own_variables_and_none_of_the_laptop(
    ml: MLClient, unique: str, code: Any, wait: Any, blobs: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ml.jobs.create_or_update(
        job(
            unique,
            code("import os, json; print(json.dumps(dict(os.environ)))"),
            "python main.py",
            environment_variables={"MINE": "yes"},
        )
    )
    assert wait(ml, unique).status == "Completed"
    log = blobs("mlworkspace", "azureml", f"ExperimentRun/dcid.{unique}/user_logs/std_log.txt")
    text = next(iter(log.values())).decode()
    assert '"MINE": "yes"' in text
    assert f'"MLFLOW_RUN_ID": "{unique}"' in text
    assert '"MLFLOW_EXPERIMENT_NAME": "tests"' in text
    assert "PYTEST" not in text
    assert "HUB_LOCAL_DIR" not in text


def test_tags_and_archiving_change_a_job_after_its_creation(ml: MLClient, unique: str, wait: Any) -> None:
    ml.jobs.create_or_update(job(unique, None, "true"))
    wait(ml, unique)
    found = ml.jobs.get(unique)
    found.tags["checked"] = "yes"
    ml.jobs.create_or_update(found)
    assert ml.jobs.get(unique).tags["checked"] == "yes"
    assert unique in [item.name for item in ml.jobs.list()]

    ml.jobs.archive(unique)

    assert unique not in [item.name for item in ml.jobs.list()]


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"instance_count": 2}, "Distributed jobs"),
        ({"instance_type": "Standard_NC6s_v3"}, "has a GPU"),
        ({"compute": "gpu-cluster"}, "was not found in the workspace"),
        ({"command": "python ${{inputs.missing}}", "inputs": {"there": 1}}, "missing"),
    ],
)
def test_what_a_laptop_has_not_is_refused_with_its_reason(
    ml: MLClient, unique: str, more: dict[str, Any], reason: str
) -> None:
    line = more.pop("command", "true")
    with pytest.raises(Exception, match=reason):
        ml.jobs.create_or_update(job(unique, None, line, **more))


def test_spark_jobs_are_refused_with_the_reason(ml: MLClient, laptop: Any, unique: str, code: Any) -> None:
    folder = code("print(1)")
    given = spark(
        name=unique,
        code=str(folder),
        entry={"file": "main.py"},
        driver_cores=1,
        driver_memory="2g",
        executor_cores=1,
        executor_memory="2g",
        executor_instances=1,
        resources={"instance_type": "Standard_E4S_V3", "runtime_version": "3.4"},
    )
    with pytest.raises(HttpResponseError, match="Spark pool"):
        ml.jobs.create_or_update(given)
