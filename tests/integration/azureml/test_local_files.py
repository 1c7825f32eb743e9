"""Files of a person's own disk by the plain client: uploaded and downloaded by hosts that only the proxy knows."""

from pathlib import Path
from typing import Any

import pytest
import requests
from azure.ai.ml import Input, MLClient, Output, command
from azure.ai.ml.entities import Data, Model

from local.azureml.connect_proxy import proxy_port


def test_a_local_model_is_uploaded_registered_and_downloaded(ml: MLClient, unique: str, tmp_path: Path) -> None:
    (tmp_path / "model" / "deep").mkdir(parents=True)
    (tmp_path / "model" / "deep" / "w.bin").write_bytes(b"weights" * 1000)

    made = ml.models.create_or_update(
        Model(name=unique, version="1", path=str(tmp_path / "model"), type="custom_model")
    )

    assert "/datastores/workspaceblobstore/" in made.path
    ml.models.download(unique, "1", download_path=str(tmp_path / "back"))
    assert [path.read_bytes() for path in (tmp_path / "back").rglob("w.bin")] == [b"weights" * 1000]


def test_local_data_feeds_a_job_and_its_output_is_downloaded(
    ml: MLClient, unique: str, tmp_path: Path, wait: Any
) -> None:
    (tmp_path / "rows.csv").write_text("1\n2\n")
    ml.data.create_or_update(Data(name=unique, version="1", path=str(tmp_path / "rows.csv"), type="uri_file"))
    ml.jobs.create_or_update(
        command(
            name=unique,
            command="cat ${{inputs.rows}} ${{inputs.more}} > ${{outputs.all}}/all.csv",
            inputs={
                "rows": Input(type="uri_file", path=f"azureml:{unique}:1"),
                "more": Input(type="uri_file", path=str(tmp_path / "rows.csv")),
            },
            outputs={"all": Output(type="uri_folder")},
            environment="plain@latest",
            compute="cpu-cluster",
        )
    )
    assert wait(ml, unique).status == "Completed"

    ml.jobs.download(unique, download_path=str(tmp_path / "out"), output_name="all")

    assert [path.read_text() for path in (tmp_path / "out").rglob("all.csv")] == ["1\n2\n1\n2\n"]


def test_the_proxy_tunnels_to_other_hosts_and_takes_nothing_but_connect(ml: MLClient, laptop: Any) -> None:
    proxy = f"http://127.0.0.1:{proxy_port(laptop.cloud)}"
    own = f"https://localhost:{laptop.cloud.azureml_tls_port}/healthz"
    with requests.Session() as session:
        session.trust_env = False
        session.verify = str(laptop.cloud.ca_bundle)
        answer = session.get(own, proxies={"https": proxy}, timeout=10)
        assert answer.json() == {"status": "ready"}
        refused = session.get("http://127.0.0.1:9/x", proxies={"http": proxy}, timeout=10)
        assert refused.status_code == 405
        with pytest.raises(requests.exceptions.ProxyError):
            session.get("https://127.0.0.1:9/", proxies={"https": proxy}, timeout=10)
