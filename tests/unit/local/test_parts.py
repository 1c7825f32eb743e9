"""A part sees the variables of its own cloud, and nothing that leads clients elsewhere."""

from pathlib import Path

import pytest

from local import azurite
from local.config import Cloud
from local.parts import parts


@pytest.fixture(autouse=True)
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(azurite, "command", lambda folder, **ports: ["azurite"])


def test_credentials_and_clouds_of_the_shell_reach_no_part(tmp_path: Path) -> None:
    shell = {
        "PATH": "/bin",
        "AZURE_CLIENT_SECRET": "a person's",
        "AZUREML_CURRENT_CLOUD": "LaptopCloud1",
        "IDENTITY_ENDPOINT": "http://elsewhere",
        "MLFLOW_TRACKING_URI": "http://elsewhere",
        "HUB_KEY": "another cloud's",
        "HUB_ROOT": "/team",
    }
    cloud = Cloud(20_000, tmp_path)
    found = {part.name: part.environ for part in parts(cloud, base=shell)}
    for environ in found.values():
        assert not {"AZURE_CLIENT_SECRET", "AZUREML_CURRENT_CLOUD"} & set(environ)
        assert "http://elsewhere" not in environ.values()
        assert environ["PATH"] == "/bin"
    assert found["host"]["MLFLOW_TRACKING_URI"] == cloud.mlflow_tracking_uri
    assert found["host"]["HUB_ROOT"] == "/team"


def test_further_hosts_have_ports_of_their_own(tmp_path: Path) -> None:
    hosts = [part for part in parts(Cloud(20_000, tmp_path), hosts=3, base={}) if part.name.startswith("host")]
    assert [part.name for part in hosts] == ["host", "host-2", "host-3"]
    assert len({part.ports for part in hosts}) == 3
