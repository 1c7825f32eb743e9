"""Point 4 of the story: a registered model is released, first at once, then by steps under real requests."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from azure.storage.blob import BlobServiceClient

from local.config import LANDING_ACCOUNT, Cloud
from local.demo import flights, pictures
from local.demo.burst import CONTAINER
from local.demo.clients import ENDED, HubClient, azure_ml
from local.demo.telling import Point, Telling
from local.demo.traffic import Answer, Load, shares

AUTOMATION: Final = "delay-release"
ENDPOINT: Final = "delay"
GOLDEN: Final = ("delay-golden", "1")


def golden_set(cloud: Cloud) -> int:
    """Put the golden set into storage and register it as a data asset; no training reads it. Give its files."""
    from azure.ai.ml.entities import Data

    files = flights.golden_files()
    service = BlobServiceClient.from_connection_string(cloud.connection_string(LANDING_ACCOUNT))
    with service, service.get_container_client(CONTAINER) as container:
        for path, content in files:
            container.upload_blob(path, content, overwrite=True)
    folder = f"azureml://datastores/{CONTAINER}/paths/golden/"
    azure_ml(cloud).data.create_or_update(Data(name=GOLDEN[0], version=GOLDEN[1], path=folder, type="uri_folder"))
    return len(files)


def of_version(hub: HubClient, version: str) -> dict[str, Any] | None:
    """Give the release activity of a model version, whole, or None while there is none."""
    for item in hub.activities(AUTOMATION):
        data = item["cause"].get("event", {}).get("data", {})
        if str(data.get("ModelVersion")) == version:
            return dict(hub.get(f"activities/{item['id']}"))
    return None


def watch(
    telling: Telling,
    hub: HubClient,
    version: str,
    seconds: float = 420,
    on_look: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Watch a release to its end; give its activity. `on_look` is told what it is doing each time."""

    def ended() -> tuple[Any, str]:
        activity = of_version(hub, version)
        if activity is None:
            return None, "the registration is on its way"
        step = next((s for s in activity["steps"] if s["state"] not in {"done", "skipped"}), None)
        text = f"{step['name']}: {activity['reason'] or step['state']}" if step else activity["status"]
        on_look(text)
        return (activity if activity["status"] in ENDED else None), text

    found: dict[str, Any] = telling.watch(f"the release of version {version[:15]}…", ended, seconds)
    return found


def gates(activity: dict[str, Any], point: Point) -> list[dict[str, Any]]:
    """Give the gates' evidence, and put it into the report."""
    found: list[dict[str, Any]] = step(activity, "gates").get("evidence", [])
    rows = [(gate["gate"], gate["result"], gate["reason"]) for gate in found]
    point.tables.append({"title": f"Gates of {step(activity, 'evaluate').get('challenger', '')}", "rows": rows})
    return found


def step(activity: dict[str, Any], name: str) -> dict[str, Any]:
    """Give the detail of a step, empty where it did not run."""
    return next((dict(one["detail"]) for one in activity["steps"] if one["name"] == name), {})


def first(telling: Telling, cloud: Cloud, hub: HubClient, version: str) -> dict[str, Any]:
    """Tell the first release: there is nothing to share the traffic with."""
    with telling.point("4", "Registration triggers a release") as point:
        activity = watch(telling, hub, version)
        telling.claim(
            "the first version is released", activity["status"] == "succeeded", activity["reason"] or ENDPOINT
        )
        found = gates(activity, point)
        noted = [gate["gate"] for gate in found if gate["result"] == "passed-with-note"]
        telling.claim("its gates passed with evidence", bool(found), f"{len(found)} gates; no champion yet: {noted}")
        view = azure_ml(cloud).online_endpoints.get(ENDPOINT)
        telling.claim("it takes all traffic", list(view.traffic.values()) == [100], str(dict(view.traffic)))
    return activity


def by_steps(telling: Telling, hub: HubClient, load: Load, version: str, number: str, title: str) -> dict[str, Any]:
    """Tell a release by shadow, canary and full while real requests come."""
    with telling.point(number, title) as point:
        began = load.answers[-1].at if load.answers else 0.0
        activity = watch(telling, hub, version)
        telling.claim("the better model is released", activity["status"] == "succeeded", activity["reason"] or ENDPOINT)
        gates(activity, point)
        steps = stages(activity, load)
        seen = load.between(began, load.answers[-1].at)
        failed = [answer for answer in seen if answer.status != 200]
        telling.claim(
            "no request failed because of the rollout", not failed, f"{len(seen)} requests, {len(failed)} failed"
        )
        challenger = step(activity, "rollout")["deployment"]
        for stage in steps:
            answers = load.between(stage.start, stage.end)
            if stage.live and answers:
                share, wanted = shares(answers).get(challenger, 0.0), stage.live.get(challenger, 0)
                telling.claim(
                    f"{stage.name}: the share at the endpoint is that of the step",
                    abs(share - wanted) <= 5,
                    f"{share:.1f}% of {len(answers)} requests measured, {wanted}% asked for",
                )
        picture = pictures.rollout(
            [shifted(answer, began) for answer in seen], [(stage.start - began, stage.name) for stage in steps], title
        )
        point.pictures.append({"title": "Live traffic, failures and latency over the steps", "svg": picture})
    return activity


def shifted(answer: Answer, began: float) -> Answer:
    """Give an answer with its time counted from `began`."""
    return replace(answer, at=answer.at - began)


@dataclass(frozen=True)
class Stage:
    """A step of a rollout: from when it was read back to when the next change was asked for, in seconds of the load."""

    start: float
    end: float
    name: str
    live: dict[str, int]


def stages(activity: dict[str, Any], load: Load) -> list[Stage]:
    """Give the steps of a rollout with the live shares that were read back."""
    offset = time.time() - time.monotonic() + load.began
    found: list[Stage] = []
    for entry in step(activity, "rollout").get("history", []):
        at = datetime.fromisoformat(entry["at"]).timestamp() - offset
        if entry["act"] == "Confirm":
            parts = [part.rsplit(" ", 1) for part in entry["traffic"].split(", ") if "mirrors" not in part]
            live = {name: int(share.rstrip("%")) for name, share in parts}
            found.append(Stage(at, load.answers[-1].at, entry["reason"].partition(" is read back")[0], live))
        elif found:
            found[-1] = replace(found[-1], end=min(found[-1].end, at))
    return found
