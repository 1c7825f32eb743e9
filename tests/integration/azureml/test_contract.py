"""Recorded requests of azure-ai-ml's own tests against the real service, sent again to the laptop's workspace.

Statuses, names of headers, key sets and types are compared, not values. What differs on purpose is listed with its
reason.
"""

import json
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from azure.ai.ml import MLClient
from azure.ai.ml.entities import Model
from azure.identity import DefaultAzureCredential
from azure.storage.blob import BlobServiceClient

RECORDINGS = Path(__file__).parent / "recordings"
NAMES = sorted(path.stem for path in RECORDINGS.glob("*.json"))
DEVIATIONS = {
    "properties.outputs.default": "azure-ai-ml would read logs by hosts <account>.blob.<suffix>, which do not resolve",
    "systemData.": "who and when: the recordings differ among each other, by age and kind of resource",
    "properties.queueSettings": "later api-versions answer it always, as what was sent",
    "properties.stage": "later api-versions answer it",
    "properties.provisioningState": "later api-versions answer it",
    "properties.autoDeleteSetting": "later api-versions answer it",
    "properties.intellectualProperty": "later api-versions answer it",
    "error.additionalInfo[].type=Correlation": "a laptop has no operation and request ids to correlate",
}


class Replay:
    """Sends recorded requests; addresses of operations are those of the answer before."""

    def __init__(self, laptop: Any) -> None:
        self.cloud = laptop.cloud
        self.session = requests.Session()
        self.session.verify = str(laptop.cloud.ca_bundle)
        token = DefaultAzureCredential().get_token("https://management.azure.com/.default").token
        self.session.headers["Authorization"] = f"Bearer {token}"
        self.base = f"https://127.0.0.1:{laptop.cloud.azureml_tls_port}"
        self.operation = ""

    def local(self, text: str) -> str:
        return text.replace("{workspace}", self.cloud.workspace_id)

    def send(self, pair: dict[str, Any]) -> requests.Response:
        path = self.local(pair["path"])
        url = self.operation if "/mfeOperationsStatus/" in path else f"{self.base}{path}"
        if path == "/jobs":
            url = f"http://127.0.0.1:{self.cloud.azureml_port}/batch/batch-ept-11a618d470304b2/jobs"
        body = json.loads(self.local(json.dumps(pair["request"]))) if "request" in pair else None
        answer = self.session.request(pair["method"], url, json=body, headers=pair.get("request_headers"), timeout=30)
        self.operation = answer.headers.get("Azure-AsyncOperation", self.operation)
        return answer


def differences(recorded: Any, given: Any, path: str = "") -> list[str]:
    """Give where the key sets or types differ; null stands for any type."""
    if recorded is None or given is None:
        return []
    if type(recorded) is not type(given) and not (isinstance(recorded, int | float) and isinstance(given, int | float)):
        return [f"{path}: {type(recorded).__name__} became {type(given).__name__}"]
    if isinstance(recorded, dict):
        return of_objects(recorded, given, path)
    if isinstance(recorded, list) and recorded and isinstance(recorded[0], dict):
        if "type" in recorded[0] and "info" in recorded[0]:
            names = {item["type"] for item in given}
            return [f"{path}[].type={item['type']}: missing" for item in recorded if item["type"] not in names]
        return differences(recorded[0], given[0], f"{path}[]") if given else [f"{path}[]: empty"]
    return []


def of_objects(recorded: dict[str, Any], given: dict[str, Any], path: str) -> list[str]:
    if "_truncated" in recorded:
        return []  # of this body only a part was recorded
    if path.endswith((".tags", "properties.properties", "inputs", "identity")):
        return []  # a person's own names
    found = []
    for key in recorded.keys() | given.keys():
        where = f"{path}.{key}".lstrip(".")
        if key not in given:
            found.append(f"{where}: missing")
        elif key not in recorded:
            found.append(f"{where}: more")
        else:
            found += differences(recorded[key], given[key], where)
    return found


def unexplained(found: list[str]) -> list[str]:
    return [
        line
        for line in found
        if not any(line.partition(":")[0].replace("value[].", "").startswith(known) for known in DEVIATIONS)
    ]


def eventually(replay: Replay, pair: dict[str, Any], wanted: str) -> requests.Response:
    """Send until an operation or a resource has the state that was recorded."""
    end = time.monotonic() + 20
    while True:
        answer = replay.send(pair)
        body = answer.json()
        state = body.get("status") or body.get("properties", {}).get("provisioningState")
        if state == wanted or time.monotonic() > end:
            return answer
        time.sleep(0.1)


def put_assets(ml: MLClient, laptop: Any, replay: Replay) -> None:
    """Make the models and the code that recorded deployments name."""
    with BlobServiceClient.from_connection_string(laptop.cloud.connection_string("landing")) as service:
        service.get_blob_client("landing", "contract/m/w.txt").upload_blob("1", overwrite=True)
        for code in ("score.py", "digit_identification.py"):
            text = "def init():\n    pass\ndef run(raw):\n    return [1]\n"
            service.get_blob_client("landing", f"contract/code/{code}").upload_blob(text, overwrite=True)
    path = "azureml://datastores/landing/paths/contract/m"
    for model, version in (("mir_test_model", "1"), ("88cf3abcb419bc852f17398005a22790", "1")):
        ml.models.create_or_update(Model(name=model, version=version, path=path, type="custom_model"))
    for code in ("38b4fd9c-442f-42f8-8b87-601e5c35a88e", "2d48ca0c-1196-4169-94c6-1bd7584fbf6c"):
        uri = "http://127.0.0.1:1/landing/landing/contract/code"
        body = {"properties": {"codeUri": uri, "properties": {"hash_sha256": code}}}
        url = f"{replay.base}{laptop.cloud.workspace_id}/codes/{code}/versions/1"
        replay.session.put(url, json=body, timeout=30)


def prepare(name: str, ml: MLClient, laptop: Any, replay: Replay) -> None:
    """Make what was there before the recording began."""
    put = replay.session.put
    if name in {"online-deployment-create-lro", "batch-deployments-list", "batch-invoke"}:
        put_assets(ml, laptop, replay)
    if name == "online-deployment-create-lro":
        run(replay, "online-endpoint-create-lro", compare=False)
        time.sleep(1)
    if name in {"batch-deployments-list", "batch-invoke"}:
        run(replay, "batch-endpoint-create-lro", compare=False)
        time.sleep(1)
        pair = json.loads((RECORDINGS / "batch-deployments-list.json").read_text())["pairs"][0]
        recorded = pair["response"]["value"][0]
        given = json.loads(replay.local(json.dumps(recorded)))
        given["properties"]["environmentId"] = "azureml:plain:1"
        put(f"{replay.base}{given['id']}", json=given, timeout=30)
        time.sleep(0.5)
    if name == "online-endpoint-create-lro":
        ml.online_endpoints.begin_delete("online-ept-10cd4ed17147449").result()
    if name == "batch-endpoint-create-lro":
        ml.batch_endpoints.begin_delete("batch-ept-11a618d470304b2").result()
    if name == "code-hash-lookup":
        for pair in json.loads((RECORDINGS / f"{name}.json").read_text())["pairs"]:
            for found in pair["response"].get("value", [pair["response"]]):
                body = {"properties": found["properties"]}
                put(f"{replay.base}{replay.local(found['id'])}", json=body, timeout=30)


def run(replay: Replay, name: str, *, compare: bool = True) -> list[str]:
    problems: list[str] = []
    for pair in json.loads((RECORDINGS / f"{name}.json").read_text())["pairs"]:
        response = pair["response"]
        state = response.get("status") or (response.get("properties") or {}).get("provisioningState")
        answer = eventually(replay, pair, state) if pair["method"] == "GET" and state else replay.send(pair)
        if not compare:
            continue
        where = f"{pair['method']} {urlsplit(pair['path']).path.rpartition('}')[2]}"
        if answer.status_code != pair["status"]:
            problems.append(f"{where}: {pair['status']} became {answer.status_code}: {answer.text[:300]}")
            continue
        problems += [f"{where}: no header {key}" for key in pair["headers"] if key not in answer.headers]
        problems += [f"{where}: {line}" for line in unexplained(differences(response, answer.json()))]
    return problems


@pytest.mark.parametrize("name", NAMES)
def test_a_recording_is_answered_in_the_same_shape(name: str, ml: MLClient, laptop: Any) -> None:
    replay = Replay(laptop)
    prepare(name, ml, laptop, replay)
    problems = run(replay, name)
    replay.session.close()
    assert problems == []


def test_errors_look_as_those_that_people_have_shown(ml: MLClient, laptop: Any, unique: str, fault: Any) -> None:
    """Bodies from https://github.com/MicrosoftDocs/azure-docs/issues/122250 and traces of clients, in error_bodies/."""
    replay = Replay(laptop)
    base = f"{replay.base}{laptop.cloud.workspace_id}"
    body = {"properties": {"jobType": "Command", "command": "true", "environmentId": "azureml:plain:1"}}
    replay.session.put(f"{base}/jobs/{unique}", json=body, timeout=30)
    body["properties"]["command"] = "false"
    fault({"fault": "status", "match": "/jobs/broken$", "code": 500})
    answers = {
        "immutable-job": (400, replay.session.put(f"{base}/jobs/{unique}", json=body, timeout=30)),
        "internal-error": (500, replay.session.get(f"{base}/jobs/broken", timeout=30)),
        "not-found": (404, replay.session.get(f"{base}/models/{unique}/versions/1", timeout=30)),
    }
    for name, (status, answer) in answers.items():
        shown = json.loads((RECORDINGS.parent / "error_bodies" / f"{name}.json").read_text())
        assert answer.status_code == status, name
        given = answer.json()
        assert given["error"]["code"] == shown["error"]["code"]
        assert unexplained(differences(shown, given)) == [], name
    assert "A job with this name already exists." in answers["immutable-job"][1].json()["error"]["message"]
    replay.session.close()


def test_every_error_has_the_envelope_of_the_service(ml: MLClient, laptop: Any) -> None:
    replay = Replay(laptop)
    for path, status in (("jobs/none", 404), ("no/such/route", 404), ("models/a/versions/1", 404)):
        answer = replay.session.get(f"{replay.base}{laptop.cloud.workspace_id}/{path}", timeout=10)
        assert answer.status_code == status
        assert set(answer.json()["error"]) == {"code", "message", "details", "additionalInfo"}
        kinds = [info["type"] for info in answer.json()["error"]["additionalInfo"]]
        assert kinds[:2] == ["ComponentName", "InnerError"]
    del replay.session.headers["Authorization"]
    answer = replay.session.get(f"{replay.base}{laptop.cloud.workspace_id}/jobs", timeout=10)
    assert answer.status_code == 401
    replay.session.close()
