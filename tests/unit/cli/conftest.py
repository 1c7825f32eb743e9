"""A hub in memory behind a real HTTP server, and the command line run against it."""

import asyncio
import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import azure.functions as func
import pytest

from cli.__main__ import main
from shared.api.handlers import respond
from shared.api.table import ROUTES
from tests.unit.api import desk as desk_module


def _find(method: str, path: str) -> tuple[Any, dict[str, str]] | None:
    for route in sorted(ROUTES.values(), key=lambda route: route.path.count("{")):
        pattern = re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(f"/api/{route.path}"))
        if route.method == method and (match := re.fullmatch(pattern, path)):
            return route, {name: unquote(value) for name, value in match.groupdict().items()}
    return None


def _handler(desk: Any) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            address = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            found = _find(self.command, address.path)
            if found is None:
                self.send_error(404)
                return
            request = func.HttpRequest(
                method=self.command,
                url=self.path,
                headers=dict(self.headers.items()),
                params=dict(parse_qsl(address.query)),
                route_params=found[1],
                body=body,
            )
            response = asyncio.run(respond(request, found[0], desk.hub))
            self.send_response(response.status_code)
            for name, value in response.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Type", response.mimetype)
            self.end_headers()
            self.wfile.write(response.get_body())

        do_GET = do_POST = _answer  # noqa: N815 the server's names

        def log_message(self, *_: Any) -> None:
            """Keep quiet."""

    return Handler


class Terminal:
    """The command line of an operator."""

    def __init__(self, desk: Any, capsys: pytest.CaptureFixture[str]) -> None:
        self.desk = desk
        self._capsys = capsys

    def run(self, *arguments: str) -> tuple[int, str, str]:
        """Give exit code, output and errors of one call."""
        self._capsys.readouterr()
        try:
            code = main(arguments)
        except SystemExit as error:
            code = int(error.code or 0)
        caught = self._capsys.readouterr()
        return code, caught.out, caught.err

    def json(self, *arguments: str) -> Any:
        """Give the JSON of a call that must succeed."""
        code, out, err = self.run(*arguments, "--json")
        assert code == 0, out + err
        return json.loads(out)

    def wait(self, work: Any) -> None:
        """Let the hub do something."""
        asyncio.run(work)


@pytest.fixture
def terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Terminal]:
    """A command line and the hub that it finds by the folder of a laptop cloud."""
    desk = desk_module.Desk(tmp_path / "project")
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(desk))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    local = tmp_path / "local"
    local.mkdir()
    (local / "env").write_text(
        f"export HUB_URL=http://127.0.0.1:{server.server_port}\nexport HUB_KEY='key-all'\nexport OTHER='a b'\n"
    )
    for name in ("HUB_URL", "HUB_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HUB_LOCAL_DIR", str(local))
    yield Terminal(desk, capsys)
    server.shutdown()
    thread.join()
    server.server_close()
