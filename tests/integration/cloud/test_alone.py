"""A laptop cloud without the hub: the blocks of the page, run as they stand there, and every fault at one address."""

import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from cli.dev import KEYS
from cli.dev import Cloud as DevCloud
from local.config import REPOSITORY
from local.demo.clients import wait_until
from local.testing import LaptopCloud

PAGE = (REPOSITORY / "docs" / "laptop-cloud.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE.partition("## Used alone")[2].partition("## Control")[0], re.DOTALL)
FAULTS = [row.replace("…", "text") for row in re.findall(r"^\| `(\{.*?\})` \|", PAGE, re.MULTILINE)]


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LaptopCloud]:
    laptop = LaptopCloud(tmp_path_factory.mktemp("cloud"), REPOSITORY, {}, hosts=0)
    try:
        laptop.start()
        yield laptop
    finally:
        laptop.close()


def run(laptop: LaptopCloud, block: str, folder: Path) -> str:
    """Run a block with the variables of the `env` file and nothing of the test's own."""
    python = str(laptop.cloud.interpreter("jobs")) if "import mlflow" in block else sys.executable
    environ = {"PATH": "/usr/bin:/bin", "HOME": str(folder), "LANG": "C.UTF-8", **laptop.environment}
    done = subprocess.run(
        [python, "-c", block], cwd=folder, env=environ, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def block(word: str) -> str:
    [found] = [text for text in BLOCKS if word in text]
    return str(found)


def test_it_is_ready_without_a_host(alone: LaptopCloud) -> None:
    assert set(alone.parts()) == {"azurite", "eventgrid", "azureml"}
    assert "ready  hub none" in alone.said


def test_plain_mlclient(alone: LaptopCloud, tmp_path: Path) -> None:
    run(alone, block("MLClient"), tmp_path)
    assert (tmp_path / "down" / "named-outputs" / "text" / "hello.txt").read_text() == "hello\n"


def test_mlflow_s_client(alone: LaptopCloud, tmp_path: Path) -> None:
    assert "{'mae': 7.5}" in run(alone, block("mlflow"), tmp_path)


def test_storage_and_its_event(alone: LaptopCloud, tmp_path: Path) -> None:
    assert "by-hand/a.csv" in run(alone, block("BlobServiceClient"), tmp_path)
    assert events(alone, "/blobServices/default/containers/landing/blobs/by-hand/a.csv")[-1]["type"].endswith("Created")


def test_the_topic(alone: LaptopCloud, tmp_path: Path) -> None:
    run(alone, block("EventGridPublisherClient"), tmp_path)
    url = f"http://127.0.0.1:{alone.cloud.eventgrid_port}/control/state"
    assert requests.get(url, timeout=10).json()["subscriptions"]


def events(laptop: LaptopCloud, subject: str) -> list[dict[str, str]]:
    url = f"http://127.0.0.1:{laptop.cloud.eventgrid_port}/control/events"
    return list(requests.get(url, params={"subject": subject}, timeout=10).json())


@pytest.fixture
def healed(alone: LaptopCloud) -> Iterator[LaptopCloud]:
    """The cloud, whose faults end with the test."""
    yield alone
    alone.no_faults()
    assert alone.faults() == {"eventgrid": [], "azureml": []}


def test_every_fault_of_the_page_can_be_set_and_ended_at_one_address(healed: LaptopCloud) -> None:
    control = f"http://127.0.0.1:{healed.cloud.control_port}/faults"
    assert len(FAULTS) == 12
    for fault in FAULTS:
        assert requests.post(control, data=fault, timeout=10).status_code == 201, fault
    found = healed.faults()
    assert [one["kind"] for one in found["eventgrid"]] == [
        "duplicate", "reorder", "delay", "drop", "status", "lost-response", "latency",
    ]  # fmt: skip
    assert [one["fault"] for one in found["azureml"]] == ["status", "lost", "delay", "operation", "job"]


@pytest.mark.parametrize("body", ["", "[]", '{"what": 1}', '{"kind": "nonsense"}', '{"fault": "nonsense"}'])
def test_a_fault_that_makes_no_sense_is_refused_with_what_was_expected(healed: LaptopCloud, body: str) -> None:
    answer = requests.post(f"http://127.0.0.1:{healed.cloud.control_port}/faults", data=body, timeout=10)
    assert answer.status_code == 400
    assert "expected" in answer.text or "one of" in answer.text


def test_a_part_that_is_stopped_is_away_until_it_is_started(healed: LaptopCloud) -> None:
    healed.act("azureml", "stop")
    assert healed.faults()["azureml"] is None
    answer = requests.post(
        f"http://127.0.0.1:{healed.cloud.control_port}/faults", json={"fault": "job", "error": "x"}, timeout=10
    )
    assert (answer.status_code, answer.json()) == (503, {"error": "azureml does not answer"})
    healed.act("azureml", "start")
    assert healed.faults()["azureml"] == []


def test_the_keys_of_hub_dev_make_go_wrong_what_they_say(healed: LaptopCloud) -> None:
    screen = DevCloud(f"http://127.0.0.1:{healed.cloud.hub_port}")
    assert screen.faults() == ""
    for key in "2odxslyamwpj":
        said = KEYS[key][1](screen)
        assert "not done" not in said, (key, said)
    assert screen.faults() == (
        "duplicate, reorder, delay, drop, status, lost-response, latency, status, lost, delay, operation, job"
    )
    KEYS["c"][1](screen)
    assert screen.faults() == ""
    assert "deliveries" in KEYS["r"][1](screen)
    starts = healed.parts()["eventgrid"]["starts"]
    KEYS["e"][1](screen)
    wait_until("Event Grid is back", lambda: healed.parts()["eventgrid"]["starts"] > starts, 30)
    wait_until("Event Grid answers", lambda: healed.faults()["eventgrid"] is not None, 30)
    killed = healed.parts()["eventgrid"]["pid"]
    assert screen.restart("eventgrid") == "it is back"
    restarted = healed.parts()["eventgrid"]
    assert (restarted["pid"] != killed, restarted["starts"], restarted["held"]) == (True, 1, False)
    assert KEYS["z"][1](screen) == "away"
    assert not healed.parts()["azurite"]["running"]
    assert KEYS["z"][1](screen) == "back"


def test_clouds_run_side_by_side_and_share_nothing(
    alone: LaptopCloud, start_laptop: Callable[..., LaptopCloud]
) -> None:
    other = start_laptop(hosts=0)
    assert not set(alone.open_ports()) & set(other.open_ports())
    other.upload({"only/here.csv": b"1"})
    subject = "/blobServices/default/containers/landing/blobs/only/here.csv"
    assert (len(events(alone, subject)), len(events(other, subject))) == (0, 1)
    assert alone.environment["EVENTGRID_TOPIC_KEY"] != other.environment["EVENTGRID_TOPIC_KEY"]


def test_it_ends_in_a_moment_and_leaves_nothing(alone: LaptopCloud) -> None:
    """The last one here: the cloud is gone afterwards."""
    began = time.monotonic()
    assert alone.end() == 0
    assert time.monotonic() - began < 10
    assert (alone.processes(), alone.open_ports()) == ([], [])
