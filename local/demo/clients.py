"""What the story uses: the hub's HTTP API, blobs, Event Grid's control, and Azure ML, all by their plain clients."""

import logging
import os
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

import requests

from local import environment
from local.config import Cloud

_TIMEOUT: Final = 20
ENDED: Final = frozenset({"succeeded", "failed", "refused", "cancelled", "superseded"})
"""Statuses of activities that nothing more will come of."""


class StoryError(Exception):
    """A part of the story did not come true; the text says what was expected and what was seen."""


class HubClient:
    """The hub's HTTP API."""

    def __init__(self, cloud: Cloud) -> None:
        self._url = f"http://127.0.0.1:{cloud.hub_port}/api"
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.headers["x-functions-key"] = cloud.keys["hub"]

    def get(self, path: str, **parameters: str) -> Any:
        """Give the JSON of a route; raises StoryError for any other status than 200."""
        return self._get(path, parameters, "application/json").json()

    def page(self, path: str) -> str:
        """Give a route's page; raises StoryError for any other status than 200."""
        return self._get(path, {}, "text/html").text

    def _get(self, path: str, parameters: Mapping[str, str], kind: str) -> requests.Response:
        answer = self._session.get(f"{self._url}/{path}", params=parameters, headers={"Accept": kind}, timeout=_TIMEOUT)
        if answer.status_code != 200:
            raise StoryError(f"GET /api/{path} answered {answer.status_code}: {answer.text[:500]}")
        return answer

    def post(self, path: str, body: Any = None) -> Any:
        """Post and give the JSON of the answer; raises StoryError for an error."""
        answer = self._session.post(f"{self._url}/{path}", json=body, timeout=_TIMEOUT)
        if answer.status_code >= 300:
            raise StoryError(f"POST /api/{path} answered {answer.status_code}: {answer.text[:500]}")
        return answer.json() if answer.content else None

    def activities(self, automation: str = "") -> list[dict[str, Any]]:
        """Give the newest activities."""
        found = self.get("activities", limit="200", **({"automation": automation} if automation else {}))
        return list(found["items"])

    def ending(self, identifier: str) -> tuple[dict[str, Any] | None, str]:
        """Give an activity if it has ended, else None; and where it is."""
        activity = self.get(f"activities/{identifier}")
        step = next((one for one in activity["steps"] if one["state"] not in {"done", "skipped"}), None)
        text = f"{step['name']} {step['detail'].get('status', step['state'])}" if step else activity["status"]
        return (activity if activity["status"] in ENDED else None), str(text)


class EventGridControl:
    """The control endpoint of the laptop's Event Grid."""

    def __init__(self, cloud: Cloud) -> None:
        self._url = f"http://127.0.0.1:{cloud.eventgrid_port}/control"
        self._session = requests.Session()
        self._session.trust_env = False

    def state(self) -> Any:
        """Give what each subscription has waiting and delivered."""
        answer = self._session.get(f"{self._url}/state", timeout=_TIMEOUT)
        answer.raise_for_status()
        return answer.json()

    def redeliver(self) -> Any:
        """Have every event delivered once more."""
        answer = self._session.post(f"{self._url}/redeliver", json={}, timeout=_TIMEOUT)
        answer.raise_for_status()
        return answer.json()


def azure_ml(cloud: Cloud) -> Any:
    """Give a plain MLClient that reaches the laptop's workspace by environment variables alone."""
    os.environ.update(environment.azure(cloud))
    logging.getLogger("azure.ai.ml").setLevel(logging.WARNING)
    from azure.ai.ml import MLClient
    from azure.identity import DefaultAzureCredential

    variables: Mapping[str, str] = os.environ
    return MLClient(
        DefaultAzureCredential(),
        variables["AZURE_SUBSCRIPTION_ID"],
        variables["AZUREML_RESOURCE_GROUP"],
        variables["AZUREML_WORKSPACE_NAME"],
        enable_telemetry=False,
        show_progress=False,
    )


def wait_until(what: str, look: Callable[[], Any], seconds: float, *, every: float = 0.3) -> Any:
    """Look until there is something; raises StoryError, naming what was waited for, where it does not come."""
    end = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > end:
            raise StoryError(f"{what} did not come true within {seconds:.0f} s")
        time.sleep(every)
