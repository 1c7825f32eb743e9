"""Command lines with their placeholders filled, durations, and every form of address that Azure ML takes."""

from pathlib import Path

import pytest

from local.azureml.commands import filled, placeholders, seconds
from local.azureml.connect_proxy import ConnectProxy
from local.azureml.uris import (
    AssetRef,
    JobOutputRef,
    Place,
    asset_ref,
    environment_ref,
    job_output_ref,
    long_form,
    place_of,
)
from local.azureml.wire import ArmError
from local.config import Cloud

WORKSPACE = "/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w"
STORES = {"landing": Place("landing", "landing", ""), "workspaceblobstore": Place("mlworkspace", "blobs", "")}
ACCOUNTS = {"landing": 7072, "mlworkspace": 7072}


@pytest.mark.parametrize(
    ("command", "inputs", "expected"),
    [
        ("run ${{inputs.a}} ${{ outputs.o }}", {"a": "1"}, "run 1 /out"),
        ("run $[[--b ${{inputs.b}}]]end", {"a": "1"}, "run end"),
        ("run $[[--b ${{inputs.b}}]]", {"b": "2"}, "run --b 2"),
        ("run ${{search_space.lr}}", {"lr": "0.1"}, "run 0.1"),
        ("echo $HOME ${VAR} $(date)", {}, "echo $HOME ${VAR} $(date)"),
    ],
)
def test_placeholders_are_filled_and_the_rest_is_the_shells(
    command: str, inputs: dict[str, str], expected: str
) -> None:
    assert filled(command, inputs, {"o": "/out"}) == expected


def test_a_placeholder_without_a_value_is_refused_by_name() -> None:
    assert placeholders("a ${{inputs.x}} $[[${{inputs.y}}]]") == {("inputs", "x")}
    with pytest.raises(ArmError, match=r"inputs\.x"):
        filled("a ${{inputs.x}}", {}, {})


@pytest.mark.parametrize(("text", "expected"), [("PT30M", 1800), ("P1DT2H", 93600), ("PT0.5S", 0.5)])
def test_durations(text: str, expected: float) -> None:
    assert seconds(text) == expected


@pytest.mark.parametrize("text", ["", "30", "P", "PT", "1h"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ArmError):
        seconds(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("azureml://datastores/landing/paths/a/b c.csv", Place("landing", "landing", "a/b c.csv")),
        ("azureml://datastores/landing/a.csv", Place("landing", "landing", "a.csv")),
        (f"azureml:/{WORKSPACE}/datastores/landing/paths/x/", Place("landing", "landing", "x")),
        (
            "azureml://subscriptions/s/resourcegroups/g/workspaces/w/datastores/landing/paths/x",
            Place("landing", "landing", "x"),
        ),
        ("https://landing.blob.core.windows.net/scoring/a%20b.csv", Place("landing", "scoring", "a b.csv")),
        ("http://127.0.0.1:7072/landing/scored/x/y", Place("landing", "scored", "x/y")),
        ("wasbs://c@landing.blob.core.windows.net/p/q", Place("landing", "c", "p/q")),
        ("abfss://c@landing.dfs.core.windows.net/p", Place("landing", "c", "p")),
        ("https://elsewhere.blob.core.windows.net/c/b", None),
        ("s3://bucket/key", None),
    ],
)
def test_addresses_of_storage(text: str, expected: Place | None) -> None:
    if expected is None:
        with pytest.raises(ArmError, match="no storage that this laptop has"):
            place_of(text, STORES.__getitem__, ACCOUNTS)
    else:
        assert place_of(text, STORES.__getitem__, ACCOUNTS) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("azureml:flights:3", AssetRef("data", "flights", "3", None)),
        ("flights@latest", AssetRef("data", "flights", None, "latest")),
        (f"{WORKSPACE}/models/m/versions/2", AssetRef("models", "m", "2", None)),
        (f"azureml:{WORKSPACE}/data/d/labels/latest", AssetRef("data", "d", None, "latest")),
        (f"azureml:/{WORKSPACE}/codes/c/versions/1", AssetRef("codes", "c", "1", None)),
        ("azureml://locations/l/workspaces/g/data/d/versions/1", AssetRef("data", "d", "1", None)),
        ("https://landing.blob.core.windows.net/c/b", None),
        ("azureml://datastores/landing/paths/x", None),
    ],
)
def test_references_to_assets(text: str, expected: AssetRef | None) -> None:
    assert asset_ref(text, "data") == expected


def test_an_environment_of_a_registry_is_known_by_its_name() -> None:
    found = environment_ref("azureml://registries/azureml/environments/sklearn-1.5/labels/latest")
    assert found == AssetRef("environments", "sklearn-1.5", None, "latest")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("azureml://jobs/j/outputs/model/paths/sub/m", JobOutputRef("j", "model", "sub/m")),
        ("azureml://jobs/j/outputs/model", JobOutputRef("j", "model", "")),
        ("runs:/j/model", JobOutputRef("j", "artifacts", "model")),
        ("azureml://datastores/landing/paths/x", None),
    ],
)
def test_outputs_of_jobs(text: str, expected: JobOutputRef | None) -> None:
    assert job_output_ref(text) == expected


def test_a_short_datastore_address_is_stored_in_its_long_form() -> None:
    long = long_form("azureml://datastores/landing/paths/x", WORKSPACE)
    assert long == "azureml://subscriptions/s/resourcegroups/g/workspaces/w/datastores/landing/paths/x"


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("landing.blob.core.laptop.test:443", ("127.0.0.1", 8006)),
        ("example.org:443", ("example.org", 443)),
        ("[::1]:8443", ("::1", 8443)),
        ("nonsense", None),
    ],
)
def test_where_the_proxy_leads(address: str, expected: tuple[str, int] | None) -> None:
    assert ConnectProxy(Cloud(8000, Path())).target(address) == expected
