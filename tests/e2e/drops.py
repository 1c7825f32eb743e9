"""Batches of numbers, and what came of them."""

import hashlib
import re
from typing import Any

import requests

from local.testing import LaptopCloud

_READ = re.compile(r"read ([0-9a-f]{64}) (\S+)")


class Drop:
    """A batch of files with different contents, and its marker."""

    def __init__(self, batch: str, count: int = 200) -> None:
        self.batch = batch
        self.files = {
            f"numbers/{batch}/part-{n % 7}/{n:03}.csv": f"{n}\n{n + len(batch)}.5\n".encode() for n in range(count)
        }
        self.marker = {f"numbers/{batch}/_SUCCESS": b""}

    @property
    def hashes(self) -> dict[str, str]:
        """The SHA-256 of each file, by path."""
        return {path: hashlib.sha256(content).hexdigest() for path, content in self.files.items()}


def hashes_read(laptop: LaptopCloud, job: str) -> dict[str, str]:
    """Give the SHA-256 that a job logged for each file it read, by path."""
    return {match[2]: match[1] for match in _READ.finditer(laptop.job_log(job))}


class Workspace:
    """The workspace, past the hub: what is really there, by the REST API of Azure ML."""

    def __init__(self, laptop: LaptopCloud) -> None:
        cloud = laptop.cloud
        self._url = f"https://127.0.0.1:{cloud.azureml_tls_port}{cloud.workspace_id}"
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.verify = str(cloud.ca_bundle)
        token = self._session.get(
            f"http://127.0.0.1:{cloud.azureml_port}/msi/token",
            params={"resource": "https://management.azure.com/", "api-version": "2019-08-01"},
            headers={"X-IDENTITY-HEADER": cloud.keys["identity"]},
            timeout=20,
        )
        token.raise_for_status()
        self._session.headers["Authorization"] = f"Bearer {token.json()['access_token']}"

    def _list(self, kind: str) -> list[dict[str, Any]]:
        url, found = f"{self._url}/{kind}?api-version=2024-04-01", []
        while url:
            answer = self._session.get(url, timeout=20)
            if answer.status_code == 404:
                return []
            answer.raise_for_status()
            found += answer.json()["value"]
            url = answer.json().get("nextLink")
        return found

    def tags(self, job: str) -> dict[str, str]:
        """The tags of a job."""
        answer = self._session.get(f"{self._url}/jobs/{job}?api-version=2024-04-01", timeout=20)
        answer.raise_for_status()
        return dict(answer.json()["properties"]["tags"])

    @property
    def jobs(self) -> list[str]:
        """The names of all jobs."""
        return sorted(job["name"] for job in self._list("jobs"))

    def models(self, name: str = "numbers") -> list[str]:
        """The versions of a model."""
        return sorted(version["name"] for version in self._list(f"models/{name}/versions"))


def outcome(laptop: LaptopCloud) -> dict[str, Any]:
    """Give what a second delivery must not change: activities with their jobs; all jobs; all model versions."""
    workspace = Workspace(laptop)
    activities = {
        activity["id"]: (
            activity["status"],
            activity["files"]["count"],
            [(step["name"], step["state"], step["attempt"], step["detail"].get("job")) for step in activity["steps"]],
        )
        for activity in laptop.hub.activities()
    }
    return {"activities": activities, "jobs": workspace.jobs, "models": workspace.models()}


def check_one_of_each(laptop: LaptopCloud, drop: Drop, activity: dict[str, Any]) -> None:
    """Check that a batch became one activity of exactly its files, one job a step, one model version."""
    assert activity["status"] == "succeeded", activity["reason"]
    assert {file["path"] for file in activity["files"]["items"]} == set(drop.files)
    steps = {step["name"]: step for step in activity["steps"]}
    assert {name for name, step in steps.items() if step["state"] != "done"} == set()
    jobs = [steps[name]["detail"]["job"] for name in ("check", "train")]
    workspace = Workspace(laptop)
    assert [job for job in workspace.jobs if activity["id"] in job] == sorted(jobs)
    assert [version for version in workspace.models() if activity["id"] in version] == [activity["id"]]
    for job in jobs:
        read = hashes_read(laptop, job)
        assert {path: read.get(path) for path in drop.files} == drop.hashes, f"{job} read other bytes"
