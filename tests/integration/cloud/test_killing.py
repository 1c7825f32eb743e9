"""SIGKILL of any part, and of the supervisor, leaves no process and no port: jobs, servers and MLflow included."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from local.process import children
from local.testing import LaptopCloud

SCRIPT = """
import os, sys, time
from azure.ai.ml import MLClient, command
from azure.ai.ml.entities import CodeConfiguration, ManagedOnlineDeployment, ManagedOnlineEndpoint
from azure.identity import DefaultAzureCredential
ml = MLClient(DefaultAzureCredential(), os.environ["AZURE_SUBSCRIPTION_ID"], "laptop", "laptop")
ml.jobs.create_or_update(command(name="sleeps", command="sleep 600 & sleep 601", environment="delay-jobs:1",
                                 compute="cpu-cluster", experiment_name="killing"))
ml.online_endpoints.begin_create_or_update(ManagedOnlineEndpoint(name="served")).result()
ml.online_deployments.begin_create_or_update(ManagedOnlineDeployment(
    name="blue", endpoint_name="served", instance_type="Standard_DS3_v2", instance_count=1,
    environment="delay-serving:1", code_configuration=CodeConfiguration(code=sys.argv[1], scoring_script="score.py"),
)).result()
while ml.jobs.get("sleeps").status != "Running":
    time.sleep(0.2)
"""
TRACKED = "import mlflow\nwith mlflow.start_run():\n    mlflow.log_metric('m', 1)\n"


@pytest.fixture
def busy(start_laptop: Callable[..., LaptopCloud], tmp_path: Path) -> LaptopCloud:
    """A cloud in which a job runs, a deployment is served, and MLflow has been used."""
    laptop = start_laptop(time_scale=60)
    (tmp_path / "score.py").write_text("def init():\n    pass\n\ndef run(raw):\n    return [1]\n")
    environ = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), **laptop.environment}
    run([sys.executable, "-c", SCRIPT, str(tmp_path)], environ)
    run([str(laptop.cloud.interpreter("jobs")), "-c", TRACKED], environ)
    return laptop


def run(command: list[str], environ: dict[str, str]) -> None:
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr


def below(process: int) -> set[int]:
    found = {process}
    for child in children(process):
        found |= below(child)
    return found


def until(true: Callable[[], Any], what: Callable[[], object], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, what()
        time.sleep(0.05)


def ended(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def test_sigkill_of_any_part_and_of_the_parent_leaves_nothing(busy: LaptopCloud) -> None:
    said = "\n".join(busy.processes())
    assert "sleep 601" in said
    assert "serve.py" in said
    assert "mlflow" in said
    for part in ("host", "azureml", "eventgrid", "azurite"):
        was = busy.parts()[part]
        family = below(int(was["pid"]))
        os.kill(int(was["pid"]), signal.SIGKILL)  # of the part alone: what it has started must end by itself
        until(lambda: all(map(ended, family)), lambda: (part, family), 10)  # noqa: B023 awaited within the loop
        until(lambda: busy.parts()[part]["starts"] > was["starts"], busy.parts)  # noqa: B023
        until(lambda: _answers(busy, part), lambda: (busy.cloud.logs / f"{part}.log").read_text()[-2000:])  # noqa: B023
    assert busy.end(signal.SIGKILL) == -signal.SIGKILL
    until(lambda: (busy.processes(), busy.open_ports()) == ([], []), lambda: (busy.processes(), busy.open_ports()), 15)


def _answers(laptop: LaptopCloud, part: str) -> bool:
    ports = laptop.parts()[part]["ports"]
    return set(ports) <= set(laptop.open_ports())
