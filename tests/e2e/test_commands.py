"""The commands as a person uses them: `make up DETACH=1`, the env file sourced in a shell, `make down`."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.config import PORTS, REPOSITORY
from local.ports import free_base, is_free
from local.testing import processes_of
from tests.e2e.conftest import TEAM

UPLOAD = """
import os
from azure.storage.blob import BlobServiceClient
with BlobServiceClient.from_connection_string(os.environ["AZURE_STORAGE_CONNECTION_STRING"]) as service:
    for path in ("numbers/shell/one.csv", "numbers/shell/_SUCCESS"):
        service.get_blob_client("landing", path).upload_blob(b"1", overwrite=True)
"""


class Person:
    """Somebody at a shell."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.base = folder, free_base(PORTS)
        ours = {"HUB_PORT_BASE": str(self.base), "HUB_LOCAL_DIR": str(folder), "HUB_ROOT": str(TEAM)}
        self.environ = {**{name: value for name, value in os.environ.items() if not name.startswith("HUB_")}, **ours}

    def runs(self, command: str, seconds: float = 120) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", "-c", command],
            cwd=REPOSITORY,
            env=self.environ,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )


@pytest.fixture
def person(tmp_path: Path) -> Iterator[Person]:
    person = Person(tmp_path)
    yield person
    person.runs(f"{sys.executable} -m local down")


def test_up_in_the_background_the_env_file_and_down(person: Person) -> None:
    up = person.runs(f"{sys.executable} -m local up --detach")
    assert (up.returncode, up.stderr) == (0, "")
    assert up.stdout.startswith(f"ready  hub http://127.0.0.1:{person.base}  ")
    env = f"set -e; . {person.folder}/env; "
    uploaded = person.runs(f"{env} {sys.executable} -c '{UPLOAD}'")
    assert (uploaded.returncode, uploaded.stderr) == (0, "")
    seen = person.runs(
        f"{env} for n in $(seq 60); do ./hub --json activities | grep -q numbers-train && break; sleep 1; done;"
        " ./hub --json activities"
    )
    assert seen.returncode == 0, seen.stderr
    (activity,) = json.loads(seen.stdout)["items"]
    assert activity["automation"] == "numbers-train"
    again = person.runs(f"{sys.executable} -m local up --detach")
    assert again.returncode == 1
    assert f"already uses {person.folder}" in again.stderr
    down = person.runs(f"{sys.executable} -m local down")
    assert (down.returncode, down.stdout) == (0, "stopped\n")
    assert processes_of(person.folder) == []
    assert all(is_free(port) for port in range(person.base, person.base + PORTS))
    nothing = person.runs(f"{sys.executable} -m local down")
    assert (nothing.returncode, nothing.stdout) == (0, f"no laptop cloud runs in {person.folder}\n")
