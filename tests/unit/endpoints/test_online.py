"""The online deployment's scoring script in Microsoft's own inference server, with a model that was really trained."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, ClassVar

import pytest

from local.demo import flights
from local.process import spawn, stop

ROOT = Path(__file__).resolve().parents[3]
SERVING = ROOT / ".venvs" / "serving" / "bin" / "python"


@dataclass
class Server:
    """A served model."""

    port: int
    log: Path
    collected: Path

    def ask(self, body: Any) -> tuple[int, Any]:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/score", data=content, headers={"Content-Type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    for path, content in flights.month("2013-01", flights.days("2013-01")[:6]):
        target = folder / "data" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    python = ROOT / ".venvs" / "jobs" / "bin" / "python"
    command = [
        python,
        ROOT / "jobs/delay/src/train.py",
        "--data",
        "data",
        "--model",
        "served/model",
        "--report",
        "report",
    ]
    environ = {"PATH": os.environ["PATH"], "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    subprocess.run(command, cwd=folder, env=environ, check=True, timeout=120, capture_output=True)
    return folder / "served"


@pytest.fixture(scope="module")
def server(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("server")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    script = ROOT / "endpoints" / "delay" / "score" / "score.py"
    serve = ROOT / "local" / "azureml" / "scoring" / "serve.py"
    process = spawn(
        [str(SERVING), "-P", str(serve), "--entry_script", str(script), "--port", str(port)],
        log=folder / "server.log",
        environ={
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "AZUREML_MODEL_DIR": str(model),
            "AML_APP_ROOT": str(script.parent),
            "COLLECT_TO": str(folder / "collected"),
            "COLLECT_SECONDS": "0.1",
            "OMP_NUM_THREADS": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
        },
        folder=folder,
    )
    found = Server(port, folder / "server.log", folder / "collected")
    try:
        _wait(found)
        yield found
    finally:
        stop(process)


def _wait(server: Server, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/", timeout=2) as answer:
                answer.read()
                return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError(f"the server does not answer:\n{server.log.read_text()[-3000:]}")


def test_a_flight_as_a_caller_knows_it_gets_minutes_in_either_form(server: Server) -> None:
    rows = flights.live_rows("2013-03", 5)

    status, records = server.ask({"input_data": rows})
    _, split = server.ask({"input_data": {"columns": list(rows[0]), "data": [list(row.values()) for row in rows]}})

    assert status == 200, records
    assert len(records["predictions"]) == 5
    assert all(-120 < minutes < 200 for minutes in records["predictions"])
    assert split == records


def test_a_flight_is_answered_the_same_alone_or_among_others(server: Server) -> None:
    rows = flights.live_rows("2013-03", 20)

    together = server.ask({"input_data": rows})[1]["predictions"]

    assert [server.ask({"input_data": [row]})[1]["predictions"][0] for row in rows[:3]] == together[:3]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (b"{", "the body is no JSON"),
        ({"rows": []}, "input_data"),
        ({"input_data": []}, "0 rows: 1 to 5000 are expected"),
        ({"input_data": [{"carrier": "UA"}]}, "no origin, dest"),
        ({"input_data": {"columns": ["a"], "data": [[1, 2]]}}, "input_data cannot be read as rows"),
    ],
    ids=["no json", "no rows", "empty", "columns missing", "ragged"],
)
def test_what_cannot_be_scored_is_refused_with_the_reason(server: Server, change: Any, reason: str) -> None:
    status, text = server.ask(change)

    assert status == 400
    assert reason in text


def test_a_text_in_a_number_is_refused_and_a_missing_number_is_not(server: Server) -> None:
    row = flights.live_rows("2013-03", 1)[0]

    refused = server.ask({"input_data": [{**row, "distance": "far"}]})
    taken = server.ask({"input_data": [{**row, "humid": None, "precip": "", "carrier": None}]})

    assert refused[0] == 400
    assert "distance holds no number" in refused[1]
    assert taken[0] == 200


def test_what_was_asked_and_answered_is_kept_for_the_monitor(server: Server, model: Path, tmp_path: Path) -> None:
    rows = flights.live_rows("2013-03", 4, seed=9)
    _, answer = server.ask({"input_data": rows})

    end, kept = time.monotonic() + 10, []
    while time.monotonic() < end and not kept:
        lines = [json.loads(x) for path in server.collected.rglob("*.jsonl") for x in path.read_text().splitlines()]
        kept = [event for event in lines if len(event["data"]) == 4]
        time.sleep(0.05)

    (event,) = kept
    assert [row["prediction"] for row in event["data"]] == answer["predictions"]
    assert [row["flight"] for row in event["data"]] == [row["flight"] for row in rows]
    monitor = ROOT / "jobs/delay/src/monitor.py"
    command = [ROOT / ".venvs/jobs/bin/python", monitor, "--data", server.collected, "--model", model]
    environ = {"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"}
    subprocess.run(command, cwd=tmp_path, env=environ, check=True, timeout=120, capture_output=True)
    assert json.loads((tmp_path / "outputs" / "signals.json").read_text())["rows"] >= 4


class Blobs(BaseHTTPRequestHandler):
    """Takes blobs and hands out tokens; refuses the first blob."""

    kept: ClassVar[list[tuple[str, str, bytes]]] = []
    refused = 0

    def do_GET(self) -> None:
        body = json.dumps({"access_token": f"token for {self.headers.get('X-IDENTITY-HEADER')}"}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_PUT(self) -> None:
        content = self.rfile.read(int(self.headers["Content-Length"]))
        first, type(self).refused = type(self).refused == 0, 1
        if not first:
            self.kept.append((self.path, self.headers.get("Authorization", ""), content))
        self.send_response(503 if first else 201)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def test_rows_wait_while_storage_fails_and_no_secret_reaches_the_log(tmp_path: Path) -> None:
    service = ThreadingHTTPServer(("127.0.0.1", 0), Blobs)
    Thread(target=service.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{service.server_port}"
    code = (
        "import logging, os, sys, time; logging.basicConfig(); from collect import Collector\n"
        "os.environ |= {'COLLECT_TO': sys.argv[1] + '/data', 'COLLECT_SECONDS': '0.05', 'IDENTITY_HEADER': 'me',\n"
        "               'IDENTITY_ENDPOINT': sys.argv[1] + '/token', 'COLLECT_SAS': sys.argv[2]}\n"
        "kept = Collector.from_environ(os.environ); kept.add([{'a': 1}]); time.sleep(0.5); kept.add([{'a': 2}])\n"
    )
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT / "endpoints" / "delay" / "score")}
    environ["PYTHONDONTWRITEBYTECODE"] = "1"
    try:
        errors = ""
        for sas in ("sig=secret", ""):
            command = [sys.executable, "-c", code, address, sas]
            ran = subprocess.run(command, env=environ, check=True, timeout=60, capture_output=True, text=True)
            errors += ran.stderr
    finally:
        service.shutdown()
        service.server_close()

    assert "1 requests wait: storage failed with HTTPError 503" in errors
    assert "secret" not in errors
    rows = [json.loads(line)["data"][0]["a"] for _, _, content in Blobs.kept for line in content.splitlines()]
    assert sorted(rows) == [1, 1, 2, 2]
    assert {("sig=secret" in path, authorization) for path, authorization, _ in Blobs.kept} == {
        (True, ""),
        (False, "Bearer token for me"),
    }


LOAD = """
import json
from azure.ai.ml import load_batch_deployment, load_batch_endpoint, load_online_deployment, load_online_endpoint
online = load_online_deployment("endpoints/delay/deployment.yml")
batch = load_batch_deployment("endpoints/delay-batch/deployment.yml")
names = [
    load_online_endpoint("endpoints/delay/endpoint.yml").name,
    load_batch_endpoint("endpoints/delay-batch/endpoint.yml").name,
]
print(json.dumps([names, [online.endpoint_name, batch.endpoint_name], batch.compute, str(online.model)]))
"""


def test_the_real_client_loads_the_endpoint_files() -> None:
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", LOAD], capture_output=True, text=True, timeout=60, check=True, cwd=ROOT
    )

    names, of, compute, model = json.loads(ran.stdout.splitlines()[-1])
    assert names == of == ["delay", "delay-batch"]
    assert compute.removeprefix("azureml:") == "cpu-cluster"
    assert model.startswith("azureml:arrival-delay:") or "arrival-delay" in model
