"""Which host is started: `func start` where the core tools are on the path, else the embedded one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from local.config import REPOSITORY
from local.functions import core_tools

FUNC = """#!/bin/sh
echo "$@"
pwd
echo "$FUNCTIONS_WORKER_RUNTIME $SETTING $languageWorkers__python__defaultExecutablePath"
"""


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """A folder with a program named func that tells how it was started."""
    folder = tmp_path / "tools"
    folder.mkdir()
    (folder / "func").write_text(FUNC)
    (folder / "func").chmod(0o755)
    return folder


def start(app: Path, path: str, *more: str, **settings: str) -> subprocess.CompletedProcess[str]:
    environ = {"PATH": path, "HOME": str(app), "HUB_LOCAL_DIR": str(app / "state"), **settings}
    command = [sys.executable, "-m", "local.functions", "--app", str(app), "--port", "15021", *more]
    return subprocess.run(command, cwd=REPOSITORY, env=environ, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("worker", ["auto", "func"])
def test_the_core_tools_run_the_app_where_they_are_installed(tmp_path: Path, tools: Path, worker: str) -> None:
    """https://learn.microsoft.com/azure/azure-functions/functions-core-tools-reference#func-start."""
    path = f"{tools}{os.pathsep}{os.environ['PATH']}"
    ended = start(tmp_path, path, "--worker", worker, SETTING="of the app")
    assert ended.stdout.splitlines() == [
        "start --port 15021 --no-build",
        str(tmp_path),
        f"python of the app {sys.executable}",
    ]


def test_settings_of_the_file_reach_it(tmp_path: Path, tools: Path) -> None:
    (tmp_path / "local.settings.json").write_text('{"Values": {"SETTING": "of the file"}}')
    assert "python of the file" in start(tmp_path, f"{tools}{os.pathsep}{os.environ['PATH']}").stdout


def test_without_them_it_says_how_to_get_on(tmp_path: Path) -> None:
    ended = start(tmp_path, "/usr/bin:/bin", "--worker", "func")
    assert ended.returncode == 1
    assert ended.stderr.startswith("the app cannot be served: `func` is not on the path: install the Azure Functions")


def test_another_default_is_named_by_a_variable(tmp_path: Path, tools: Path) -> None:
    path = f"{tools}{os.pathsep}{os.environ['PATH']}"
    assert "there is no host.json" in start(tmp_path, path, HUB_WORKER="library").stderr
    assert "HUB_WORKER is 'dotnet'" in start(tmp_path, path, HUB_WORKER="dotnet").stderr


def test_it_is_looked_for_on_the_path_of_the_app(tools: Path) -> None:
    assert core_tools.found({"PATH": str(tools)}) == str(tools / "func")
    assert core_tools.found({"PATH": "/nowhere"}) is None
