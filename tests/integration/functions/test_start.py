"""What cannot be served is refused at start, with its name, where it stands and what was expected."""

import json
import re
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from local.config import REPOSITORY, Cloud
from local.functions.settings import app_settings, host_options
from local.functions.worker import AppError
from tests.integration.functions.hosting import environment, free_port, prepared

HEAD = "import azure.functions as func\napp = func.FunctionApp()\n"
BUS = '@app.service_bus_queue_trigger(arg_name="m", queue_name="q", connection="C")\ndef bus(m: str) -> None: ...\n'
TIMER = '@app.timer_trigger(arg_name="t", schedule="%s")\ndef timed(t: func.TimerRequest) -> None: ...\n'
TABLE = '@app.table_output(arg_name="t", table_name="t", connection="C")\n'
HTTP = '@app.route("a")\ndef a(req: func.HttpRequest) -> str:\n    return ""\n'
QUEUE = '@app.queue_trigger(arg_name="m", queue_name="q", connection="STORE")\n'


@pytest.fixture
def refused(azurite: Cloud, tmp_path: Path, worker: str) -> Any:
    def run(app: str = "", port: int = 0, files: Mapping[str, str | None] | None = None, **settings: str) -> str:
        folder = prepared(tmp_path, None, app, files)
        names = {"QUEUE": "in", "OUT_QUEUE": "out", "OUT_CONTAINER": "out"}
        places = {"HUB_PORT_BASE": str(free_port()), "HUB_LOCAL_DIR": str(tmp_path / "state")}
        environ = environment(azurite, names, **places, **settings)
        command = [sys.executable, "-m", "local.functions", "--app", str(folder), "--worker", worker]
        command += ["--port", str(port or free_port())]
        ended = subprocess.run(
            command, env=environ, cwd=REPOSITORY, capture_output=True, text=True, timeout=60, check=False
        )
        assert ended.returncode == 1, ended.stdout + ended.stderr
        assert "Traceback" not in ended.stderr
        return ended.stderr

    return run


@pytest.mark.parametrize(
    ("app", "said"),
    [
        ("x = (", "function_app.py does not load: SyntaxError"),
        ("import no_such_module", "function_app.py does not load: ModuleNotFoundError: No module named"),
        ("raise ValueError('boom')", "function_app.py does not load: ValueError: boom"),
        ("x = 1", "function_app.py has 0 apps at its top level; exactly one is expected"),
        (HEAD + "other = func.FunctionApp()\n", "function_app.py has 2 apps"),
        (
            HEAD + BUS,
            "function 'bus' has the in binding 'serviceBusTrigger', which this host does not know",
        ),
        (
            HEAD + TABLE + HTTP.replace("HttpRequest)", "HttpRequest, t: func.Out[str])"),
            "function 'a' has the out binding 'table', which this host does not know; it knows blob, http, queue",
        ),
        (HEAD + HTTP.replace('"a"', '"a/{x:nonsense}"'), "the constraint 'nonsense' is not known here"),
        (HEAD + HTTP.replace('"a"', '"a/x{y}"'), "'x{y}' is no `{name}`"),
        (
            HEAD + TIMER % "* * * * *",
            "function 'timed': schedule '* * * * *' is no NCRONTAB of six fields",
        ),
        (
            HEAD + TIMER % "0 0 0 30 2 *",
            "function 'timed': schedule '0 0 0 30 2 *' never comes",
        ),
        (
            HEAD + QUEUE.replace('"q"', '"%NOWHERE%"') + "def q(m: func.QueueMessage) -> None: ...\n",
            "function 'q': the setting 'NOWHERE' is missing; it stands as %NOWHERE% in the binding",
        ),
        (
            HEAD + QUEUE.replace("STORE", "NOWHERE") + "def q(m: func.QueueMessage) -> None: ...\n",
            "function 'q': the connection 'NOWHERE' is not set: set NOWHERE, or NOWHERE__queueServiceUri",
        ),
        (
            HEAD + '@app.blob_output(arg_name="b", path="%NOWHERE%/x", connection="STORE")\n'
            + HTTP.replace("HttpRequest)", "HttpRequest, b: func.Out[str])"),
            "function 'a': the setting 'NOWHERE' is missing",
        ),
    ],
    ids=lambda value: value[-40:] if isinstance(value, str) else "",
)  # fmt: skip
def test_an_app_that_cannot_run_is_refused_by_name(refused, app: str, said: str) -> None:
    """The real host shows such functions as in error (https://learn.microsoft.com/azure/azure-functions/recover-python-functions);
    here the start fails, so that nobody overlooks it.
    """
    assert said in refused(app=app)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("host.json", None, "there is no host.json"),
        ("host.json", "{", "host.json is no JSON"),
        ("host.json", "[]", "host.json"),
        ("host.json", '{"version": "1.0"}', "host.json has version '1.0'; '2.0' is expected"),
        ("host.json", '{"version": "2.0", "functionTimeout": "10m"}', "functionTimeout is '10m'; hh:mm:ss is expected"),
        (
            "host.json",
            '{"version": "2.0", "extensions": {"queues": {"batchSize": 33}}}',
            "batchSize is 33; 1 to 32 is expected",
        ),
        ("host.json", '{"version": "2.0", "extensions": {"queues": {"batchSize": "x"}}}', "batchSize"),
        ("host.json", '{"version": "2.0", "extensions": {"queues": {"maxDequeueCount": 0}}}', "maxDequeueCount is 0"),
        (
            "host.json",
            '{"version": "2.0", "extensions": {"queues": {"messageEncoding": "utf"}}}',
            "messageEncoding is 'utf'",
        ),
        ("local.settings.json", "{", "local.settings.json is no JSON"),
        ("local.settings.json", '{"Values": 5}', "local.settings.json"),
    ],
)
def test_files_that_cannot_be_used_are_refused_by_name(
    tmp_path: Path, name: str, content: str | None, said: str
) -> None:
    """https://learn.microsoft.com/azure/azure-functions/functions-host-json (names, defaults and bounds)."""
    folder = prepared(tmp_path, files={name: content})
    with pytest.raises(AppError, match=re.escape(said)):
        (host_options(folder), app_settings(folder, {}))


def test_a_folder_without_an_app_is_refused(refused) -> None:
    """https://learn.microsoft.com/azure/azure-functions/functions-reference-python#folder-structure."""
    assert "there is no function_app.py" in refused(files={"function_app.py": None})


def test_a_connection_string_that_is_none_is_refused_by_its_name_and_not_shown(refused) -> None:
    """https://learn.microsoft.com/azure/azure-functions/functions-reference#connections."""
    said = refused(STORE="AccountKey=hidden;nonsense")
    assert "the connection 'STORE' is no connection string" in said
    assert "hidden" not in said


def test_a_port_that_is_taken_is_told(refused) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert "cannot be listened to" in refused(port=taken.getsockname()[1])


def test_settings_of_the_file_stand_under_those_of_the_environment(starts) -> None:
    """https://learn.microsoft.com/azure/azure-functions/functions-develop-local#local-settings-file."""
    app = (
        HEAD
        + "import os\n"
        + HTTP.replace('"a"', '"a", auth_level=func.AuthLevel.ANONYMOUS').replace(
            'return ""', "return os.environ['FROM_FILE'] + os.environ['STORE'][:7]"
        )
    )
    values = {"IsEncrypted": False, "Values": {"FROM_FILE": "file", "STORE": "file"}}
    host = starts(app=app, files={"local.settings.json": json.dumps(values)})
    assert host.ask("/api/a").text == "fileDefault"
