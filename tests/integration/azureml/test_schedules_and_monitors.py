"""Schedules that fire, and model monitors that compute drift and tag their run as the service's do."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from azure.ai.ml import Input, MLClient, command, dsl
from azure.ai.ml.constants import MonitorDatasetContext
from azure.ai.ml.entities import (
    CronTrigger,
    Data,
    DataDriftMetricThreshold,
    DataDriftSignal,
    JobSchedule,
    MonitorDefinition,
    MonitoringTarget,
    MonitorSchedule,
    NumericalDriftMetrics,
    ProductionData,
    RecurrenceTrigger,
    ReferenceData,
    ServerlessSparkCompute,
)
from azure.core.exceptions import HttpResponseError
from azure.storage.blob import BlobServiceClient


def pipeline() -> Any:
    say = command(name="say", command="echo scheduled", environment="plain@latest")

    @dsl.pipeline(default_compute="cpu-cluster")
    def flow():
        say()

    return flow()


def started(ml: MLClient, name: str, seconds: float = 20) -> Any:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = [job for job in ml.jobs.list() if (job.properties or {}).get("azureml.schedulename") == name]
        if found:
            return found[0]
        time.sleep(0.2)
    raise AssertionError(f"schedule {name} started nothing")


def test_a_schedule_fires_at_its_time_and_not_when_disabled(ml: MLClient, unique: str, wait: Any) -> None:
    start = datetime.now(UTC) + timedelta(seconds=3)
    trigger = RecurrenceTrigger(frequency="minute", interval=1, start_time=start.isoformat())
    ml.schedules.begin_create_or_update(JobSchedule(name=unique, trigger=trigger, create_job=pipeline())).result()
    assert ml.schedules.get(unique).is_enabled

    assert wait(ml, started(ml, unique).name).status == "Completed"

    ml.schedules.begin_disable(unique).result()
    assert unique not in [item.name for item in ml.schedules.list()]
    with pytest.raises(HttpResponseError, match="cron expression"):
        ml.schedules.begin_create_or_update(
            JobSchedule(name=f"{unique}x", trigger=CronTrigger(expression="never"), create_job=pipeline())
        ).result()


def test_a_schedule_can_be_triggered_by_hand(ml: MLClient, unique: str, wait: Any) -> None:
    trigger = CronTrigger(expression="0 0 1 1 *")
    ml.schedules.begin_create_or_update(JobSchedule(name=unique, trigger=trigger, create_job=pipeline())).result()
    result = ml.schedules.trigger(unique)
    assert wait(ml, result.job_name).status == "Completed"
    ml.schedules.begin_disable(unique).result()
    ml.schedules.begin_delete(unique).result()


def data(ml: MLClient, laptop: Any, name: str, values: list[float]) -> Input:
    text = "delay,carrier\n" + "".join(f"{value},{'AA' if index % 2 else 'UA'}\n" for index, value in enumerate(values))
    with BlobServiceClient.from_connection_string(laptop.cloud.connection_string("landing")) as service:
        service.get_blob_client("landing", f"{name}/rows.csv").upload_blob(text, overwrite=True)
    ml.data.create_or_update(
        Data(name=name, version="1", path=f"azureml://datastores/landing/paths/{name}", type="uri_folder")
    )
    return Input(type="uri_folder", path=f"azureml:{name}:1")


@pytest.mark.parametrize(("shift", "breached"), [(0.0, False), (40.0, True)])
def test_a_monitor_computes_drift_and_tags_its_run_where_a_threshold_is_violated(
    ml: MLClient, laptop: Any, unique: str, wait: Any, blobs: Any, shift: float, breached: bool
) -> None:
    values = [float(number % 50) for number in range(500)]
    signal = DataDriftSignal(
        production_data=ProductionData(
            input_data=data(ml, laptop, f"{unique}-now", [value + shift for value in values]),
            data_context=MonitorDatasetContext.MODEL_INPUTS,
        ),
        reference_data=ReferenceData(
            input_data=data(ml, laptop, f"{unique}-then", values), data_context=MonitorDatasetContext.TRAINING
        ),
        features=["delay", "carrier"],
        metric_thresholds=DataDriftMetricThreshold(numerical=NumericalDriftMetrics(jensen_shannon_distance=0.1)),
        alert_enabled=True,
    )
    schedule = MonitorSchedule(
        name=unique,
        trigger=CronTrigger(expression="0 0 1 1 *"),
        create_monitor=MonitorDefinition(
            compute=ServerlessSparkCompute(instance_type="standard_e4s_v3", runtime_version="3.4"),
            monitoring_target=MonitoringTarget(ml_task="regression"),
            monitoring_signals={"drift": signal},
        ),
    )
    ml.schedules.begin_create_or_update(schedule).result()

    result = ml.schedules.trigger(unique)

    done = wait(ml, result.job_name, 90)
    assert done.status == "Completed"
    tag = done.tags.get("azureml_modelmonitor_threshold_breached", "")
    assert bool(tag) == breached
    if breached:
        assert tag.startswith(f"{unique}_drift has failed due to one or more features violating metric thresholds")
