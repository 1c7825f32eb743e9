"""Workbook and alerts ask for what really arrives: a run of the hub, sent by Microsoft's exporter, and each query."""

import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shared.engine.outcomes import TransientError
from shared.telemetry import exporters, logs, recording
from shared.telemetry.choice import Choice
from shared.telemetry.names import METRICS
from shared.telemetry.recording import Buffer, Number
from shared.telemetry.sdk import Sdk
from tests.telemetry.insights import Insights, column_of, ingesting

INFRA = Path(__file__).resolve().parents[3] / "infra"
TABLES = "customMetrics|requests|dependencies|traces|exceptions"


def workbook() -> dict[str, str]:
    items = json.loads((INFRA / "workbook.json").read_text())["items"]
    return {item["name"]: item["content"]["query"] for item in items if "query" in item["content"]}


def alerts() -> dict[str, str]:
    text = (INFRA / "modules" / "alerts.bicep").read_text()
    return dict(re.findall(r"name: '(\w+)'\n    description: .*\n    query: '(.*)'\n", text))


QUERIES = {
    **{f"workbook {name}": text for name, text in workbook().items()},
    **{f"alert {name}": text for name, text in alerts().items()},
}


@pytest.fixture
async def told(world: Any, caught: Buffer) -> tuple[str, list[recording.Record]]:
    """A run in which everything happens that is measured: its activity, and what was recorded."""
    logs.attach(quiet=False)
    try:
        submit, calls = world.azureml.submit, []

        async def unwell(request: Any) -> Any:
            calls.append(request)
            if len(calls) == 1:
                raise TransientError("Azure ML does not answer")
            return await submit(request)

        world.azureml.submit = unwell
        await world.send(
            world.blob_event("flights/2013-01/a.csv", "0x1"),
            world.blob_event("flights/2013-01/_SUCCESS", "0x2"),
            world.blob_event("flights/_hub/probe/latest.json", "0x3"),
            {"id": "broken"},
        )
        for _ in range(6):
            await world.run(60)
            world.azureml.end_jobs()
        await world.hub.sweep.run()
        (activity,) = await world.activities()
        assert activity.status == "succeeded", activity.reason
        recording.number("hub.probe.latency", 2.5)
        logging.getLogger("shared.engine.run").error("something of another kind broke")
    finally:
        logs.detach()
    return activity.id, [*caught.take(), Number("hub.telemetry.dropped", 1, {})]


@pytest.fixture
def arrived(told: tuple[str, list[recording.Record]]) -> Iterator[tuple[str, Insights]]:
    activity, records = told
    with ingesting() as insights:
        sdk = Sdk(
            Choice("azure", "hub", connection=insights.connection),
            exporters.make(Choice("azure", "hub", connection=insights.connection)),
        )
        sdk.hand_on(records)
        sdk.close(10)
        yield activity, insights


def test_every_query_finds_what_it_asks_for(arrived: tuple[str, Insights]) -> None:
    activity, insights = arrived
    assert len(QUERIES) > 20
    missing = []
    for name, text in QUERIES.items():
        clauses = re.findall(rf"({TABLES}) \| where ((?:[^|()]|\([^()]*\))+)", text)
        assert clauses, f"{name}: no table and where in {text}"
        for table, conditions in clauses:
            if "operation_Name" in conditions or "in (found)" in conditions:
                continue  # executions are told by the host: the infra tests know its functions
            rows = insights.asked(table, conditions.strip().replace("{activity}", activity))
            if not rows:
                missing.append(f"{name}: nothing in {table} where {conditions}")
            columns = re.findall(r"customDimensions(?:\.\w+|\['[\w.]+'\])|\bvalue\w*\b", text)
            if rows and table == "customMetrics":
                empty = [one for one in columns if all(column_of(row, one) is None for row in rows)]
                missing += [f"{name}: {one} is empty in {table} where {conditions}" for one in empty]
    assert missing == []
    assert insights.asked("customMetrics", 'name == "hub.sweeps" and customDimensions.result == "gone"') == []
    assert insights.asked("customMetrics", 'name == "hub.sweeping"') == []


def test_every_metric_is_asked_for_somewhere() -> None:
    asked = " ".join(QUERIES.values())
    assert [name for name in METRICS if f'"{name}"' not in asked and f"'{name}'" not in asked] == []


def test_the_app_s_identity_sends_where_keys_are_refused() -> None:
    from azure.identity import ManagedIdentityCredential

    connection = "InstrumentationKey=00000000-0000-4000-8000-000000000000;IngestionEndpoint=https://127.0.0.1/"
    made = exporters.make(Choice("azure", "hub", connection=connection, client_id="c"))
    assert isinstance(vars(made.spans)["_credential"], ManagedIdentityCredential)
    assert isinstance(vars(made.metrics)["_credential"], ManagedIdentityCredential)
    assert isinstance(vars(made.lines)["_credential"], ManagedIdentityCredential)


def test_one_activity_is_one_operation_there_too(arrived: tuple[str, Insights]) -> None:
    activity, insights = arrived
    (whole,) = [row for row in insights.tables["dependencies"] if row["name"].startswith("activity ")]
    assert whole["customDimensions"]["hub.activity"] == activity
    operation = [
        row["name"]
        for table in ("requests", "dependencies")
        for row in insights.tables[table]
        if row["operation_Id"] == whole["operation_Id"]
    ]
    assert {"event BlobCreated", "job delay-train train", "step train"} <= set(operation)
    line = next(row for row in insights.tables["traces"] if row["message"].startswith(f"activity {activity} of"))
    assert line["operation_Id"] == whole["operation_Id"]
    roles = {row["cloud_RoleName"] for rows in insights.tables.values() for row in rows}
    assert roles == {"azureml-automation-hub.hub"}
