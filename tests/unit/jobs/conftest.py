"""Runs the jobs as Azure ML does: the code's folder copied, the command in it, inputs and outputs as folders."""

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest

from local.demo import flights

ROOT = Path(__file__).resolve().parents[3]
PYTHON = ROOT / ".venvs" / "jobs" / "bin" / "python"


@dataclass
class Ran:
    """A job that ended."""

    code: int
    out: str
    err: str
    folder: Path

    def json(self, path: str) -> Any:
        return json.loads((self.folder / path).read_text())

    def metrics(self) -> dict[str, float]:
        """The metrics that reached MLflow's file store."""
        found = {}
        for run in (self.folder / "mlruns").glob("*/*/metrics"):
            for path in run.rglob("*"):
                if path.is_file():
                    found[path.relative_to(run).as_posix()] = float(path.read_text().splitlines()[-1].split()[1])
        return found

    def tags(self) -> dict[str, str]:
        return {path.name: path.read_text() for path in (self.folder / "mlruns").glob("*/*/tags/*")}


class Bench:
    """A folder in which jobs run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, files: flights.Files, name: str = "data") -> Path:
        for path, content in files:
            target = self.folder / name / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        return self.folder / name

    def run(self, script: str, *arguments: str | Path, name: str = "job", seconds: float = 120) -> Ran:
        folder = self.folder / name
        copytree(ROOT / "jobs" / "delay" / "src", folder, ignore=lambda *_: ["__pycache__"])
        environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "OMP_NUM_THREADS": "1",
            "MLFLOW_TRACKING_URI": (folder / "mlruns").as_uri(),
            "MLFLOW_ALLOW_FILE_STORE": "true",
        }
        ran = subprocess.run(
            [PYTHON, script, *map(str, arguments)],
            cwd=folder,
            env=environ,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        return Ran(ran.returncode, ran.stdout, ran.stderr, folder)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.fixture(scope="session")
def week() -> flights.Files:
    """The first nine days of January, 27 files."""
    return flights.month("2013-01", [f"2013-01-{day:02}" for day in range(1, 10)])


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory, week: flights.Files) -> Ran:
    """A training on those days, which other jobs start from."""
    bench = Bench(tmp_path_factory.mktemp("trained"))
    data = bench.write(week)
    ran = bench.run("train.py", "--data", data, "--model", bench.folder / "model", "--report", bench.folder / "report")
    assert ran.code == 0, ran.err
    return ran
