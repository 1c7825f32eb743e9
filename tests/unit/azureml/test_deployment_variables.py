"""The setting that says what deployment files leave empty: a JSON object of texts, and nothing else."""

from pathlib import Path

import pytest

from local.config import Cloud
from local.environment import hub
from shared.settings import Settings, SettingsError


def read(folder: Path, text: str) -> dict[str, str]:
    environment = {**hub(Cloud(7071, folder)), "HUB_DEPLOYMENT_VARIABLES": text}
    return dict(Settings.read(environment, folder).deployment_variables)


def test_texts_by_name_and_none_where_nothing_is_set(tmp_path: Path) -> None:
    assert read(tmp_path, '{"COLLECT_TO": "https://a/b", "EMPTY": ""}') == {"COLLECT_TO": "https://a/b", "EMPTY": ""}
    assert read(tmp_path, "") == {}


@pytest.mark.parametrize("text", ["COLLECT_TO=x", "[]", '"x"', "null", '{"COLLECT_SHARE": 1}', '{"A": null}'])
def test_what_is_no_object_of_texts_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(SettingsError, match=r"HUB_DEPLOYMENT_VARIABLES is not of the form \{"):
        read(tmp_path, text)


def test_a_laptop_collects_into_its_landing_account(tmp_path: Path) -> None:
    given = Settings.read(hub(Cloud(7071, tmp_path)), tmp_path).deployment_variables
    assert given == {"COLLECT_TO": "http://127.0.0.1:7072/landing/collected"}
