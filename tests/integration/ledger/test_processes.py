"""Sixteen processes on one collection and one concurrency group, on real Azurite: all once, never more at once."""

import asyncio
import importlib.util
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from local.config import LANDING_ACCOUNT, REPOSITORY, Cloud
from shared.ledger.azure import AzureStore
from shared.ledger.protocol import Row
from shared.ledger.records import FileList, decode
from shared.settings import Connection

PROGRAM = Path(__file__).parent / "processes.py"
JOB = """
command: python main.py
code: ./src
environment: azureml:delay-jobs:1
compute: azureml:cpu-cluster
inputs: {data: {type: uri_folder}}
"""
DO = "do: {job: {job: jobs/job.yml, inputs: {data: '${{ files }}'}}}"
AUTOMATIONS = f"""
name: burst
on:
  - blob-created:
      container: landing
      path: "burst/*.csv"
      collect: {{quiet: 10m, max-wait: 20m, max-files: 160}}
{DO}
---
name: single
on: [{{blob-created: {{container: landing, path: "single/*.csv"}}}}]
{DO}
limits: {{concurrency: {{group: shared, max: 2}}}}
"""


@pytest.fixture
def program() -> Any:
    spec = importlib.util.spec_from_file_location("processes", PROGRAM)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def team(tmp_path: Path) -> Path:
    (tmp_path / "automations").mkdir()
    (tmp_path / "automations" / "all.yml").write_text(AUTOMATIONS)
    (tmp_path / "jobs" / "src").mkdir(parents=True)
    (tmp_path / "jobs" / "job.yml").write_text(JOB)
    (tmp_path / "jobs" / "src" / "main.py").write_text("print('hello')\n")
    return tmp_path


def at(row: Row) -> float:
    """Give the time of a step's row."""
    return float(str(row.cells["at"]))


async def test_sixteen_processes_do_everything_once_and_never_more_at_once_than_may(
    azurite: Cloud, team: Path, program: Any
) -> None:
    connection = azurite.connection_string(LANDING_ACCOUNT)
    running = await asyncio.create_subprocess_exec(
        *(sys.executable, "-W", "error", str(PROGRAM), connection, str(team)),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=REPOSITORY,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(REPOSITORY)},
    )
    said, _ = await asyncio.wait_for(running.communicate(), 200)
    assert running.returncode == 0, said.decode()[-4000:]
    store = AzureStore(Connection("HUB_STORAGE", connection))
    try:
        hub, _ = program.hub_of(connection, team)
        now = datetime.now(UTC)
        activities = [one async for one in hub.activities.newest(now, until=now - timedelta(days=1))]
        await hub.store.close()
        begun = await store.table("steps").scan("begin")
        ended = {row.key: at(row) for row in await store.table("steps").scan("end")}
        blobs = store.blobs
        (burst,) = [one for one in activities if one.automation == "burst"]
        files = decode(FileList, await blobs.get(burst.files.blob)).files
        limits = await store.table("limits").scan("limits")
    finally:
        await store.close()
    assert sorted(file.path for file in files) == [f"burst/{number:03}.csv" for number in range(program.FILES)]
    assert burst.cause.closed_by == "160 files reached max-files 160"
    singles = [one for one in activities if one.automation == "single"]
    assert len(singles) == program.SINGLES
    assert {one.status for one in activities} == {"succeeded"}
    assert len(begun) == len(ended) == program.SINGLES + 1
    spans = [(at(row), ended[row.key]) for row in begun if row.key.startswith("single:")]
    most = max(sum(start <= moment < end for start, end in spans) for moment, _ in spans)
    assert most <= program.AT_ONCE
    assert len({row.cells["process"] for row in begun}) > 1, "several processes took part"
    assert all('"running"' not in str(row.cells["usage"]) for row in limits), "every place was given back"
