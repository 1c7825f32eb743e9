"""The kept JSON schema is the one of the models, and accepts what they accept."""

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from ruamel.yaml import YAML

from shared.automations.models import Automation
from shared.automations.schema import schema

ROOT = Path(__file__).parents[3]
KEPT = ROOT / "schema" / "automation.schema.json"
EXAMPLE = """
name: delay-train
description: Retrain when a month of flights is complete.
on:
  - blob-created:
      container: landing
      path: "flights/{month}/**/*.csv"
      collect: {by: [month], quiet: 2m, max-wait: 2h, max-files: 5000, max-bytes: 10 GiB, if-incomplete: hold,
                until: {marker: "flights/{month}/_SUCCESS"}}
when: size(files) > 0
inputs: {rows: {type: integer, default: 3}}
dataset: {name: flights, from: accepted, window: 90d}
check: {job: jobs/delay/check.yml}
do:
  train:
    job: jobs/delay/train.yml
    inputs: {data: "${{ dataset }}", rows: 5}
    register: {model: arrival-delay, from: outputs/model}
own-outputs: true
"""


def errors(document: Any) -> list[str]:
    return [error.message for error in Draft202012Validator(json.loads(KEPT.read_text())).iter_errors(document)]


def plain(text: str) -> Any:
    return YAML(typ="safe", pure=True).load(text)


def test_the_kept_schema_is_up_to_date() -> None:
    kept = json.loads(KEPT.read_text()) if KEPT.is_file() else None
    assert kept == schema(), "the models have changed since schema/automation.schema.json was written: run make schema"


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(schema())
    assert schema()["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def test_an_example_is_valid_by_the_schema_and_by_the_models() -> None:
    assert errors(plain(EXAMPLE)) == []
    Automation.model_validate(plain(EXAMPLE))


def automations() -> list[Path]:
    return sorted([*ROOT.glob("automations/**/*.yml"), *ROOT.glob("automations/**/*.yaml")])


@pytest.mark.parametrize("file", automations(), ids=lambda file: file.name)
def test_the_automations_of_the_project_are_valid_by_the_schema(file: Path) -> None:
    for document in YAML(typ="safe", pure=True).load_all(file.read_text()):
        assert errors(document) == []


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"onn": []}, "'onn' was unexpected"),
        ({"name": 5}, "5 is not of type 'string'"),
        ({"do": {}}, "{} "),
        ({"do": {"train": {}}}, "'job' is a required property"),
        ({"on": [{}]}, "{} "),
        ({"on": [{"blob-created": {"container": "landing"}}]}, "'path' is a required property"),
        ({"dataset": {"name": "x", "window": "90 days"}}, "'90 days' does not match"),
        ({"own_outputs": True}, "'own_outputs' was unexpected"),
    ],
)
def test_what_the_models_refuse_the_schema_refuses_too(wrong: dict[str, Any], said: str) -> None:
    document = {**plain(EXAMPLE), **wrong}
    assert any(said in message for message in errors(document)), errors(document)
    with pytest.raises(ValueError):
        Automation.model_validate(document)


@pytest.mark.parametrize("status", ["failed", ["failed"], ["failed", "canceled"]])
def test_one_value_may_stand_for_a_list_of_one_in_both(status: Any) -> None:
    document = {**plain(EXAMPLE), "on": [{"run-status-changed": {"status": status}}]}
    assert errors(document) == []
    Automation.model_validate(document)


def test_every_key_of_the_schema_is_written_as_in_yaml() -> None:
    made = schema()
    for definition in (made, *made["$defs"].values()):
        for name in definition.get("properties", {}):
            assert name == name.lower().replace("_", "-")
