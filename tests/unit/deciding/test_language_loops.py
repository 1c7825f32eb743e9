"""Loops among automations as they are written."""

import io

import pytest
from ruamel.yaml import YAML

from shared.automations.language_loops import loops_of, node_of
from shared.automations.models import Automation
from shared.deciding.loops import Made, Wanted

TRAIN = "do: {train: {job: t.yml, register: {model: delay, from: model}}}"


def automations(*texts: str) -> list[Automation]:
    yaml = YAML(typ="safe", pure=True)
    return [Automation.model_validate(yaml.load(io.StringIO(text))) for text in texts]


def test_a_node_says_what_it_makes_and_wants() -> None:
    (automation,) = automations(
        f"""
name: train
on:
  - blob-created: {{container: landing, path: "flights/**"}}
  - all-of: {{within: 1h, of: [{{run-completed: {{experiment: prepare}}}}, {{model-deployed: {{model: delay}}}}]}}
  - missing: {{of: {{model-registered: {{model: delay}}}}, every: 1d, grace: 1h}}
  - schedule: {{cron: "0 3 * * *"}}
{TRAIN}
"""
    )
    node = node_of(automation)
    assert node.makes == (Made("run"), Made("model", "delay"))
    assert node.wants == (
        Wanted("blobs", "flights/**", "landing"),
        Wanted("run", "prepare"),
        Wanted("deployment", "delay"),
    )


@pytest.mark.parametrize(
    ("on", "more", "found"),
    [
        ("{model-registered: {model: 'del*'}}", "", "train (registers delay) → train"),
        ("{model-registered: {model: carrier}}", "", None),
        ("{event: {type: 'Microsoft.MachineLearningServices.*'}}", "", "train (registers delay) → train"),
        ("{event: {type: 'GitHub.*'}}", "", None),
        ("{run-completed: {}}", "", None),
        ("{run-completed: {}}", "own-outputs: true", "train (runs any) → train"),
        (
            "{all-of: {within: 1h, of: [{model-registered: {model: delay}}, {event: {type: a}}]}}",
            "",
            "train (registers",
        ),
    ],
)
def test_loops_are_found_as_written(on: str, more: str, found: str | None) -> None:
    loops = loops_of(automations(f"name: train\non: [{on}]\n{TRAIN}\n{more}"))
    assert (found in str(loops[0])) if found else not loops


def test_a_condition_may_end_a_loop_and_is_said() -> None:
    text = f"name: train\non: [{{model-registered: {{model: delay}}}}]\n{TRAIN}\n"
    assert not loops_of(automations(text))[0].guarded
    assert loops_of(automations(text + "when: event.data.ModelTags.stage == 'new'"))[0].guarded
