"""A hub in memory, and a browser's requests to its page."""

import json
import re
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import azure.functions as func
import pytest

from shared.azureml.protocol import MonitorRun
from shared.dashboard.web import respond
from tests.unit.api import desk as _desk


class Page:
    """What came back: text as a browser would get it."""

    def __init__(self, response: func.HttpResponse) -> None:
        self.status = response.status_code
        self.headers = dict(response.headers)
        self.kind = response.mimetype
        self.text = response.get_body().decode()

    @property
    def token(self) -> str:
        found = re.search(r'name="token" value="([0-9a-f]+)"', self.text)
        assert found, self.text
        return found.group(1)


class Browser:
    """Keeps the cookie, follows nothing by itself."""

    def __init__(self, desk: Any) -> None:
        self.desk = desk
        self.cookie = ""

    async def _send(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> Page:
        parts = urlsplit(path)
        query = dict(pair.split("=", 1) for pair in parts.query.split("&") if "=" in pair)
        given = {"Cookie": self.cookie, **headers} if self.cookie else dict(headers)
        request = func.HttpRequest(
            method=method, url=f"http://127.0.0.1/api/dashboard/{path}", headers=given, params=query, body=body
        )
        page = Page(await respond(request, parts.path, self.desk.hub))
        if cookie := page.headers.get("Set-Cookie"):
            self.cookie = cookie.partition(";")[0]
        return page

    async def get(self, path: str = "", **headers: str) -> Page:
        return await self._send("GET", path, b"", headers)

    async def post(self, path: str, fields: Mapping[str, str], **headers: str) -> Page:
        given = {"Content-Type": "application/x-www-form-urlencoded", "Sec-Fetch-Site": "same-origin", **headers}
        return await self._send("POST", path, urlencode(dict(fields)).encode(), given)

    async def sign_in(self, key: str = "all", back: str = "") -> Page:
        return await self.post("sign-in", {"key": f"key-{key}", "back": back})

    async def act(self, name: str, target: str = "", **fields: str) -> Page:
        page = await self.get()
        return await self.post(f"act/{name}", {"token": page.token, "target": target, **fields})


@pytest.fixture
def desk(tmp_path: Path) -> Any:
    """A hub in memory."""
    return _desk.Desk(tmp_path)


@pytest.fixture
def desk_of(tmp_path: Path) -> Any:
    """Makes a hub with these automations, or with these settings besides."""

    def make(automation: str = _desk.world.AUTOMATION, **settings: str) -> Any:
        kind = type("Set", (_desk.Desk,), {"environment": settings})
        return kind(tmp_path, automation)

    return make


@pytest.fixture
def browser(desk: Any) -> Browser:
    return Browser(desk)


@pytest.fixture
def browser_of() -> Any:
    return Browser


@pytest.fixture
def principal() -> Any:
    return _desk.principal


@pytest.fixture
def breach() -> Any:
    """Makes the event of a monitor's run that broke a threshold, and leaves its report: score, weight, threshold."""

    def make(desk: Any, run: str, features: Mapping[str, tuple[float, float, float]]) -> dict[str, object]:
        shown = [
            {"name": name, "weight": weight, "metrics": {"psi": {"value": score * limit / 0.2, "threshold": limit}}}
            for name, (weight, score, limit) in features.items()
        ]
        report = {"rows": 1000, "signals": [{"signal": "data-drift", "features": shown}]}
        desk.now += timedelta(days=1)
        desk.azureml.monitors.append(MonitorRun(run, desk.now - timedelta(minutes=5), desk.now))
        desk.data.contents[f"ExperimentRun/dcid.{run}/outputs/signals.json"] = json.dumps(report).encode()
        tag = "delay-monitor_data-drift has failed due to one or more features violating metric thresholds."
        return {
            "topic": "/subscriptions/s/resourceGroups/rg/providers/Microsoft.MachineLearningServices/workspaces/ws",
            "subject": f"experiments/e/runs/{run}",
            "eventType": "Microsoft.MachineLearningServices.RunStatusChanged",
            "id": run,
            "eventTime": desk.now.isoformat(),
            "data": {
                "experimentId": "e",
                "experimentName": "delay-monitor",
                "runId": run,
                "runType": "azureml.scriptrun",
                "RunTags": {"azureml_modelmonitor_threshold_breached": tag},
                "runStatus": "Completed",
            },
            "dataVersion": "1.0",
            "metadataVersion": "1",
        }

    return make
