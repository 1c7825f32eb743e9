"""Points 5, 6 and 7: files are scored in a batch, drift is found and answered, and the receipt shows the chain."""

import json
import tempfile
import time
from pathlib import Path
from typing import Any, Final

from azure.storage.blob import BlobServiceClient

from local.config import COLLECTED, LANDING_ACCOUNT, REPOSITORY, Cloud
from local.demo import burst, flights, release
from local.demo.clients import HubClient, azure_ml
from local.demo.telling import Point, Telling
from local.demo.traffic import Load

SCORING: Final = "delay-score"
BATCH: Final = "delay-batch"
WATCH: Final = "delay-endpoint"
"""The monitor of what the endpoint saw, and its experiment. No automation waits for it: `persists: 2 of 3` of
delay-train counts windows of batch runs, and callers who ask for the same flights again and again make none of them.
"""
WRITES: Final = 15.0
"""Seconds after which what was answered lies in storage: deployments write every 10 seconds."""
MOST_PICTURES: Final = 4


def live_version(client: Any) -> str:
    """Give the version that takes most live traffic."""
    traffic = client.online_endpoints.get(release.ENDPOINT).traffic
    name = max(traffic, key=lambda one: traffic[one])
    return str(client.online_deployments.get(name, release.ENDPOINT).model).rsplit("/", 1)[-1].rsplit(":", 1)[-1]


def score(telling: Telling, cloud: Cloud, hub: HubClient, month: str, days: list[str]) -> str:
    """Tell point 5; give the folder of the results in the container of scored files."""
    with telling.point("5", f"Flights of {month} land to be scored"):
        client = azure_ml(cloud)
        _batch_endpoint(telling, client)
        files = flights.scoring_files(month, days)
        known = {item["id"] for item in hub.activities(SCORING)}
        burst.upload(cloud, "scoring", files)
        activity = _new(telling, hub, SCORING, known, "they are scored")
        telling.claim(
            "one batch run scored the burst", activity["status"] == "succeeded", activity["reason"] or activity["id"]
        )
        telling.claim("on exactly these files", activity["files"]["count"] == len(files), f"{len(files)} files")
        results = release.step(activity, "results")
        folder = f"{activity['id']}/{activity['attempt']}/"
        service = BlobServiceClient.from_connection_string(cloud.connection_string(LANDING_ACCOUNT))
        with service, service.get_blob_client("scored", f"{folder}hub-manifest.json") as blob:
            manifest = json.loads(blob.download_blob(timeout=30).readall())
        telling.claim(
            "results and their manifest lie in storage",
            manifest["rows_in"] == manifest["rows_out"] == results["rows_out"],
            f"{manifest['rows_in']} rows in and out, {manifest['errors']} without a prediction, in scored/{folder}",
        )
    return folder


def _batch_endpoint(telling: Telling, client: Any) -> None:
    from azure.ai.ml import load_batch_deployment, load_batch_endpoint

    folder = REPOSITORY / "endpoints" / "delay-batch"
    version = live_version(client)
    client.batch_endpoints.begin_create_or_update(load_batch_endpoint(folder / "endpoint.yml")).result()
    deployment = load_batch_deployment(folder / "deployment.yml")
    deployment.model = f"azureml:{burst.MODEL}:{version}"
    client.batch_deployments.begin_create_or_update(deployment).result()
    endpoint = client.batch_endpoints.get(BATCH)
    endpoint.defaults.deployment_name = deployment.name
    client.batch_endpoints.begin_create_or_update(endpoint).result()
    telling.note(f"a batch endpoint with version {version[:15]}… is there, made by plain azure-ai-ml")


def drift(telling: Telling, cloud: Cloud, hub: HubClient, month: str, folders: list[str], load: Load) -> None:
    """Tell of the monitor, its breaches and what they deserve."""
    with telling.point("6c", "A monitor finds drift, and it persists") as point:
        client = azure_ml(cloud)
        labels = flights.label_files(month)
        burst.upload(cloud, "landing", labels)
        known = {item["id"] for item in hub.activities(burst.AUTOMATION)}
        seen: list[str] = []
        written = load.between(0, time.monotonic() - load.began - WRITES)
        asked = load.rows_a_request * sum(answer.status == 200 for answer in written)
        watching = _monitor(client, COLLECTED, "", month, WATCH)
        for folder in folders:
            run = _ended_run(telling, client, _monitor(client, "scored", folder, month), "the monitor computes drift")
            activity = _caused_by(telling, hub, run)
            triage = release.step(activity, "triage")
            seen.append(triage["outcome"])
            _windows(point, run, triage)
            telling.note(f"{run}: {activity['reason'] or triage['reason']}")
            _pictures(point, client, run)
        telling.claim("the first breach leads to nothing yet", seen[0] == "ignore", "2 of 3 windows must agree")
        telling.claim("the second one leads to a retraining", seen[1] == "retrain", triage["reason"])
        retraining = _ended(telling, hub, activity["id"], "the retraining")
        telling.claim("the retraining ran to its end", retraining["status"] == "succeeded", retraining["id"])
        fresh = [item for item in hub.activities(burst.AUTOMATION) if item["id"] not in known]
        trained = [item for item in fresh if release.step(dict(hub.get(f"activities/{item['id']}")), "train")]
        telling.claim("it is the only one", len(trained) == 1, f"{len(fresh)} breaches came in")
        _watched(telling, client, point, watching, asked)
        caused = [item["id"] for item in hub.activities(burst.AUTOMATION) if _breach(item).get("run") == watching]
        telling.claim("that opens nothing: no automation waits for this monitor", not caused, f"{WATCH} {watching}")
        version = release.step(retraining, "register")["version"]

        def waits() -> tuple[Any, str]:
            return release.of_version(hub, version), "its registration is on its way"

        gated = telling.watch("its model goes through the same gates", waits, 60)
        telling.claim("its model waits for its turn at the same gates", bool(gated), gated["status"])


def _watched(telling: Telling, client: Any, point: Point, run: str, asked: int) -> None:
    """Tell what the monitor found in what the endpoint was really asked and answered."""
    _ended_run(telling, client, run, "the endpoint's monitor computes drift")
    report = _pictures(point, client, run, "the endpoint")
    found = {signal["signal"]: signal for signal in report["signals"] if signal["breached"]}
    drifted = found.get("data-drift", {}).get("drifted", [])
    telling.claim(
        "the endpoint's own requests show the drift too",
        report["rows"] >= asked and bool(drifted),
        f"{report['rows']} rows of live and mirrored requests with their answers, collected in {len(report['files'])} "
        f"files; breached: {', '.join(found)}; drifted: {', '.join(drifted[:3])} …",
    )


def _monitor(client: Any, store: str, folder: str, month: str, name: str = "delay-monitor") -> str:
    """Start the monitor as a plain Azure ML job on what lies in a datastore's folder; give the run's name."""
    from azure.ai.ml import load_job

    job = load_job(
        REPOSITORY / "jobs" / "delay" / "monitor.yml",
        params_override=[
            {"inputs.monitor": name, "experiment_name": name},
            {"inputs.data": {"type": "uri_folder", "path": f"azureml://datastores/{store}/paths/{folder}"}},
            {"inputs.model": {"type": "mlflow_model", "path": f"azureml:{burst.MODEL}:{live_version(client)}"}},
            {"inputs.labels": {"type": "uri_folder", "path": f"azureml://datastores/landing/paths/labels/{month}/"}},
        ],
    )
    return str(client.jobs.create_or_update(job).name)


def _ended_run(telling: Telling, client: Any, name: str, what: str) -> str:
    def ended() -> tuple[str, str]:
        status = str(getattr(client.jobs.get(name).status, "value", ""))
        return (name if status in {"Completed", "Failed"} else ""), status

    return str(telling.watch(what, ended, 180))


def _caused_by(telling: Telling, hub: HubClient, run: str) -> dict[str, Any]:
    def weighed() -> tuple[Any, str]:
        for item in hub.activities(burst.AUTOMATION):
            if _breach(item).get("run") == run:
                activity = hub.get(f"activities/{item['id']}")
                if release.step(activity, "triage"):
                    return activity, ""
        return None, "its breach is on its way"

    found: dict[str, Any] = telling.watch("triage weighs it", weighed, 90)
    return found


def _breach(item: dict[str, Any]) -> dict[str, Any]:
    return dict(item["cause"].get("event", {}).get("breach") or {})


def _windows(point: Point, run: str, triage: dict[str, Any]) -> None:
    rows = [
        (window["run"][:24], window["severity"], window["samples"] or 0, ", ".join(window["drifted"][:4]))
        for window in triage.get("evidence", {}).get("windows", [])
    ]
    title = f"Triage of {run}: {triage.get('outcome')}, {triage.get('severity')}"
    point.tables.append({"title": title, "rows": [("window", "severity", "rows", "drifted"), *rows]})


def _new(telling: Telling, hub: HubClient, automation: str, known: set[str], what: str) -> dict[str, Any]:
    """Wait for an activity that was not there before, and for its end."""

    def opened() -> tuple[str, str]:
        return next((item["id"] for item in hub.activities(automation) if item["id"] not in known), ""), "gathering"

    return _ended(telling, hub, telling.watch(what, opened, 120), what)


def _ended(telling: Telling, hub: HubClient, identifier: str, what: str) -> dict[str, Any]:
    found: dict[str, Any] = telling.watch(what, lambda: hub.ending(identifier), 240)
    return found


def _pictures(point: Point, client: Any, run: str, who: str = "") -> dict[str, Any]:
    """Put the monitor's pictures of what drifts into the story's report; give the monitor's own."""
    with tempfile.TemporaryDirectory() as folder:
        client.jobs.download(run, output_name="report", download_path=folder)
        report: dict[str, Any] = json.loads(next(Path(folder).rglob("signals.json")).read_text())
        pictures = {name: next(Path(folder).rglob(Path(path).name)) for name, path in report["pictures"].items()}
        drifted = {name: text for name, file in pictures.items() if "has drifted" in (text := file.read_text())}
        for name, text in list(drifted.items())[:MOST_PICTURES]:
            point.pictures.append({"title": f"{name}, as {who or run} saw it", "svg": text})
    return report


def receipt(telling: Telling, cloud: Cloud, hub: HubClient, folder: Path) -> None:
    """Tell point 7; the receipt is kept in the folder, as a page and as JSON."""
    with telling.point("7", "The receipt of the live model, and why a file did nothing"):
        version = live_version(azure_ml(cloud))
        path = f"models/{burst.MODEL}/versions/{version}/receipt"
        found, page = hub.get(path), hub.page(path)
        text = json.dumps(found, indent=2)
        (folder / "receipt.json").write_text(f"{text}\n")
        (folder / "receipt.html").write_text(page)
        telling.claim(
            "the receipt shows the chain", version in text and version in page and "flights" in text, "receipt.html"
        )
        burst.upload(cloud, "landing", [("somewhere/else.csv", b"x\n")])

        def told() -> tuple[Any, str]:
            answer = hub.get("why", subject="/blobServices/default/containers/landing/blobs/somewhere/else.csv")
            reasons = json.dumps(answer)
            return (answer if "matches none" in reasons or "does not match" in reasons else None), "not yet"

        answer = telling.watch("why explains a file that did nothing", told, 60)
        telling.claim("why a file did nothing is said", bool(answer), "its path matches no automation")
        verified = hub.get("audit/verify")
        problems = verified.get("findings", [])
        telling.claim("the audit trail is whole", not problems, f"{verified.get('entries')} entries")
