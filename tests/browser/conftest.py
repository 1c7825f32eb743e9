"""A Chromium, a laptop cloud whose team is quick, and receivers of its messages: what the browser's tests share."""

import json
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from local.config import REPOSITORY
from local.testing import LaptopCloud

TEAM = Path(__file__).parent / "team"
OUT = REPOSITORY / "out" / "pictures"
KEPT = {"now", "now-phone", "approval", "rollout", "drift-phone"}
"""Pictures that the documentation shows: `make pictures` puts them there."""
_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
)
SECRET = "a key that both sides know"


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """A Chromium without a screen; a machine without one fails."""
    found = os.environ.get("HUB_CHROMIUM") or next(filter(None, map(shutil.which, _NAMES)), None)
    with sync_playwright() as playwright:
        known = playwright.chromium.executable_path
        program = found or (known if Path(known).exists() else None)
        if program is None:
            pytest.fail(f"no Chromium: none of {', '.join(_NAMES)} is there; `make test` installs it")
        browser = playwright.chromium.launch(executable_path=program, args=list(_QUIET), chromium_sandbox=False)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def context(chromium: Browser) -> Iterator[BrowserContext]:
    """One person's browser; what a page says on its console that is an error fails the test that reads it."""
    made = chromium.new_context(viewport={"width": 1280, "height": 800}, reduced_motion="reduce", locale="en-GB")
    made.set_default_timeout(20_000)
    yield made
    made.close()


@pytest.fixture(scope="module")
def page(context: BrowserContext) -> Page:
    """The tab in which a person works."""
    return context.new_page()


class Pictures:
    """Takes pictures of a page: wide and narrow, light and dark."""

    def __init__(self, page: Page) -> None:
        self._page = page

    def take(self, name: str, *, narrow: bool = False, dark: bool = False, height: int = 760) -> None:
        """Take one as `dashboard-<name>.png`, and leave the page as it was."""
        folder = Path(os.environ.get("HUB_PICTURES") or OUT) if name in KEPT else OUT
        folder.mkdir(parents=True, exist_ok=True)
        page, file = self._page, folder / f"dashboard-{name}.png"
        page.emulate_media(color_scheme="dark" if dark else "light")
        page.set_viewport_size({"width": 390 if narrow else 1280, "height": height})
        page.evaluate("window.scrollTo(0, 0)")
        page.screenshot(path=file, animations="disabled")
        page.emulate_media(color_scheme="light")
        page.set_viewport_size({"width": 1280, "height": 800})
        assert name not in KEPT or file.stat().st_size < 150_000, f"{file} is too large for the documentation"


@pytest.fixture(scope="module")
def pictures(page: Page) -> Pictures:
    return Pictures(page)


class Receivers:
    """Those who are told, on this machine: by path, what they got and what they answer next (200 by default)."""

    def __init__(self) -> None:
        self.got: dict[str, list[tuple[dict[str, str], bytes]]] = {}
        self.answers: dict[str, list[int]] = {}
        self.refused: dict[str, list[Any]] = {}
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
                outer.got.setdefault(self.path, []).append((dict(self.headers), body))
                answers = outer.answers.get(self.path, [])
                status = answers.pop(0) if answers else 200
                if status != 200:
                    outer.refused.setdefault(self.path, []).append(json.loads(body))
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join(10)
        self._server.server_close()

    def bodies(self, path: str) -> list[Any]:
        return [json.loads(body) for _, body in self.got.get(path, [])]

    def wait(self, path: str, fits: Callable[[Any], bool], seconds: float = 180) -> Any:
        """Give the first body that fits, once it came."""
        end = time.monotonic() + seconds
        while True:
            for body in self.bodies(path):
                if fits(body):
                    return body
            assert time.monotonic() < end, f"nothing that fits came to {path}: {self.bodies(path)}"
            time.sleep(0.1)


@pytest.fixture(scope="module")
def receivers() -> Iterator[Receivers]:
    """The chat of the operators is down for its first message."""
    made = Receivers()
    made.answers["/slack"] = [503]
    try:
        yield made
    finally:
        made.close()


@pytest.fixture(scope="module")
def laptop_root() -> Path:
    return TEAM


@pytest.fixture(scope="module")
def laptop_settings(receivers: Receivers) -> Mapping[str, str]:
    routes = [{"automations": ["delay-*"], "severities": ["error", "decision"]}]
    channels = {
        "team-chat": {"kind": "teams", "url-setting": "TEAMS_URL"},
        "ops-chat": {"kind": "slack", "url-setting": "SLACK_URL", "routes": routes},
        "erp": {"kind": "webhook", "url-setting": "ERP_URL", "secret-setting": "ERP_KEY"},
    }
    return {
        "HUB_METRICS_GRAIN_SECONDS": "1",
        "HUB_POLL_LONGEST_SECONDS": "2",
        "HUB_CHANNELS": json.dumps(channels),
        "TEAMS_URL": f"{receivers.url}/teams",
        "SLACK_URL": f"{receivers.url}/slack",
        "ERP_URL": f"{receivers.url}/erp",
        "ERP_KEY": SECRET,
        "HUB_LOOPBACK_WEBHOOKS": "true",
    }


class Town:
    """What happens around the hub: flights land in storage, requests reach the endpoint."""

    def __init__(self, laptop: LaptopCloud) -> None:
        self.laptop = laptop
        self.api = f"http://127.0.0.1:{laptop.cloud.hub_port}/api"
        self.base = f"{self.api}/dashboard"
        self.key = laptop.cloud.keys["hub"]
        self._aside = ThreadPoolExecutor(1)
        self._arm = requests.Session()
        self._arm.trust_env = False
        self._arm.verify = str(laptop.cloud.ca_bundle)

    def upload(self, files: Mapping[str, bytes]) -> None:
        """Upload in another thread: Playwright has its event loop in this one."""
        self._aside.submit(self.laptop.upload, files).result(60)

    @staticmethod
    def flights(month: str, days: range, delay: float) -> dict[str, bytes]:
        """Files of a month, one a day, whose flights are late by so many minutes on average."""
        rows = [f"{name},{delay + 6 * index - 6}" for index, name in enumerate(_CARRIERS)]
        content = "\n".join(["carrier,delay", *rows]).encode()
        return {f"flights/{month}/day-{day:02}.csv": content for day in days}

    def arm(self, method: str, path: str, body: Any = None) -> Any:
        """Ask the workspace's REST API, past the hub."""
        cloud = self.laptop.cloud
        if "Authorization" not in self._arm.headers:
            answer = self._arm.get(
                f"http://127.0.0.1:{cloud.azureml_port}/msi/token",
                params={"resource": "https://management.azure.com/", "api-version": "2019-08-01"},
                headers={"X-IDENTITY-HEADER": cloud.keys["identity"]},
                timeout=20,
            )
            self._arm.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        address = f"https://127.0.0.1:{cloud.azureml_tls_port}{cloud.workspace_id}/{path}?api-version=2024-04-01"
        answer = self._arm.request(method, address, json=body, timeout=20)
        answer.raise_for_status()
        return answer.json()

    def register_golden(self) -> None:
        """Put the golden set into storage and register it."""
        rows = [f"{name},{5 + 3 * index + day % 4}" for day in range(20) for index, name in enumerate(_CARRIERS)]
        self.upload({"golden/rows.csv": "\n".join(["carrier,delay", *rows]).encode()})
        uri = "azureml://datastores/landing/paths/golden/"
        self.arm("PUT", "data/delay-golden/versions/1", {"properties": {"dataType": "uri_folder", "dataUri": uri}})

    @contextmanager
    def travellers(self) -> Iterator[list[int]]:
        """Have the endpoint asked all the while; gives the statuses of its answers."""
        uri = self.arm("GET", "onlineEndpoints/delay")["properties"]["scoringUri"]
        key = self.arm("POST", "onlineEndpoints/delay/listKeys")["primaryKey"]
        statuses: list[int] = []
        enough = threading.Event()

        def ask() -> None:
            with requests.Session() as session:
                session.trust_env = False
                session.headers["Authorization"] = f"Bearer {key}"
                while not enough.wait(0.08):
                    statuses.append(session.post(uri, json={"carrier": "AA"}, timeout=20).status_code)

        thread = threading.Thread(target=ask, daemon=True)
        thread.start()
        try:
            yield statuses
        finally:
            enough.set()
            thread.join(30)

    def close(self) -> None:
        self._arm.close()
        self._aside.shutdown()


_CARRIERS = ("AA", "B6", "DL")


@pytest.fixture(scope="module")
def town(laptop_cloud: LaptopCloud) -> Iterator[Town]:
    made = Town(laptop_cloud)
    try:
        made.register_golden()
        yield made
    finally:
        made.close()
