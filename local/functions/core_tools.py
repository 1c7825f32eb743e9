"""The real host, `func start` of the Azure Functions Core Tools, in place of the embedded one where it is installed.

https://learn.microsoft.com/azure/azure-functions/functions-core-tools-reference#func-start. As it is started here it
checks no keys (that would be `--enableAuth`), and it keeps the status of timers in the blobs of AzureWebJobsStorage.
"""

import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NoReturn

from local.functions.worker import AppError

PROGRAM: Final = "func"
ADVICE: Final = "install the Azure Functions Core Tools (4.x), or choose --worker auto, runtime or library"


def found(environ: Mapping[str, str] = os.environ) -> str | None:
    """Give the path of `func`, or None where it is not on the path."""
    return shutil.which(PROGRAM, path=environ.get("PATH"))


def command(program: str, port: int) -> list[str]:
    """Give the command line; it is run in the folder of the app."""
    return [program, "start", "--port", str(port), "--no-build"]


def environment(settings: Mapping[str, str]) -> dict[str, str]:
    """Give the variables: the app's settings, and that its functions run by this Python with its packages."""
    python = {"FUNCTIONS_WORKER_RUNTIME": "python", "languageWorkers__python__defaultExecutablePath": sys.executable}
    quiet = {"FUNCTIONS_CORE_TOOLS_TELEMETRY_OPTOUT": "1"}
    path = f"{Path(sys.executable).parent}{os.pathsep}{settings.get('PATH', '')}"
    return {**python, **quiet, **settings, "PATH": path}


def become(folder: Path, port: int, settings: Mapping[str, str]) -> NoReturn:
    """Become the real host, as this process; raises AppError where it is not installed."""
    program = found(settings)
    if program is None:
        raise AppError(f"`{PROGRAM}` is not on the path: {ADVICE}")
    os.chdir(folder)
    os.execve(program, command(program, port), environment(settings))  # noqa: S606 there is nothing for a shell to do
