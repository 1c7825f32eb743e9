"""What outlives the emulator: its state, its jobs, its events; and that none of its processes does."""

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from azure.ai.ml import MLClient, command
from azure.ai.ml.entities import Model


def processes(text: str) -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        if text in line:
            found.append(line)
    return found


@pytest.mark.parametrize("way", ["stop", "kill"])
def test_a_job_that_was_running_starts_again_and_no_process_is_left_meanwhile(
    ml: MLClient, laptop: Any, unique: str, code: Any, wait: Any, wait_for: Any, blobs: Any, way: str
) -> None:
    script = f"import time; print('{unique}'); time.sleep(4)"
    ml.jobs.create_or_update(
        command(
            name=unique,
            code=str(code(script)),
            command=f"echo {unique}; python main.py {unique}; true",
            environment="plain@latest",
            compute="cpu-cluster",
        )
    )
    wait_for(ml, unique, "Running")
    time.sleep(0.7)
    assert processes(f"main.py {unique}")

    getattr(laptop, way)()

    end = time.monotonic() + 5
    while processes(unique) and time.monotonic() < end:
        time.sleep(0.05)
    assert processes(unique) == []
    laptop.start()
    assert wait(ml, unique).status == "Completed"


def test_assets_and_jobs_survive_a_restart(ml: MLClient, laptop: Any, unique: str, wait: Any) -> None:
    ml.models.create_or_update(
        Model(name=unique, version="1", path="azureml://datastores/landing/paths/m", tags={"a": "b"})
    )
    ml.jobs.create_or_update(command(name=unique, command="true", environment="plain@latest", compute="cpu-cluster"))
    wait(ml, unique)
    laptop.stop()
    laptop.start()
    assert ml.models.get(unique, version="1").tags == {"a": "b"}
    assert ml.jobs.get(unique).status == "Completed"


async def test_events_are_kept_until_event_grid_takes_them(ml: MLClient, laptop: Any, unique: str, wait: Any) -> None:
    def act() -> None:
        ml.models.create_or_update(
            Model(name=unique, version="3", path="azureml://datastores/landing/paths/m", tags={"area": "x"})
        )
        ml.jobs.create_or_update(
            command(
                name=unique,
                command="true",
                environment="plain@latest",
                compute="cpu-cluster",
                experiment_name="exp",
                tags={"hub": "a-1"},
            )
        )
        wait(ml, unique)

    await asyncio.to_thread(act)
    got: list[dict[str, Any]] = []
    refused = [2]

    async def take(request: web.Request) -> web.Response:
        assert request.headers["aeg-sas-key"] == laptop.cloud.keys["topic"]
        if refused[0]:
            refused[0] -= 1
            return web.Response(status=503)
        got.extend(json.loads(await request.text()))
        return web.Response(status=200)

    app = web.Application()
    app.router.add_post("/topics/workspace/api/events", take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", laptop.cloud.eventgrid_port).start()
    try:
        for _ in range(300):
            mine = [event for event in got if unique in event["subject"]]
            if any(event["eventType"].endswith("RunCompleted") for event in mine):
                break
            await asyncio.sleep(0.1)
    finally:
        await runner.cleanup()

    model = next(event for event in mine if event["eventType"].endswith("ModelRegistered"))
    assert set(model) == {
        "topic", "subject", "eventType", "eventTime", "id", "data", "dataVersion", "metadataVersion",
    }  # fmt: skip
    assert model["topic"] == laptop.cloud.workspace_id
    assert model["subject"] == f"models/{unique}:3"
    assert model["data"] == {"ModelName": unique, "ModelVersion": 3, "ModelTags": {"area": "x"}, "ModelProperties": {}}
    changes = [event["data"] for event in mine if event["eventType"].endswith("RunStatusChanged")]
    statuses = [data["runStatus"] for data in changes]
    assert statuses == ["NotStarted", "Starting", "Preparing", "Running", "Finalizing", "Completed"]
    assert changes[0]["runTags"] == {"hub": "a-1"}
    assert changes[0]["experimentName"] == "exp"
    completed = next(event for event in mine if event["eventType"].endswith("RunCompleted"))
    assert set(completed["data"]) == {
        "experimentId", "experimentName", "runId", "runType", "runTags", "runProperties",
    }  # fmt: skip
    assert completed["subject"] == f"experiments/{completed['data']['experimentId']}/runs/{unique}"
