"""What a trigger cannot give is an error when the rule is loaded, unless every use of it is guarded."""

from pathlib import Path

import pytest

from shared.automations.loading import load

JOB = """
command: python main.py
code: ./src
environment: azureml:jobs:1
compute: azureml:cpu-cluster
inputs: {data: {type: uri_folder}, note: {type: string, optional: true}}
"""
BURST = (
    "blob-created: {container: landing, path: 'in/{month}/{name}.csv', collect: {by: [month], quiet: 1m, max-wait: 1h}}"
)
EACH = "blob-created: {container: landing, path: 'in/{month}/{name}.csv'}"
NIGHT = "schedule: {cron: '0 0 3 * * *'}"
MODEL = "model-registered: {model: m}"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "automations").mkdir()
    (tmp_path / "jobs" / "src").mkdir(parents=True)
    (tmp_path / "jobs" / "job.yml").write_text(JOB)
    (tmp_path / "jobs" / "src" / "main.py").write_text("print('hello')\n")
    return tmp_path


def problems(root: Path, triggers: list[str], when: str = "", note: str = "", more: str = "") -> list[str]:
    on = "".join(f"  - {trigger}\n" for trigger in triggers)
    condition = f"when: {when!r}\n" if when else ""
    value = f", note: {note!r}" if note else ""
    do = f"do: {{job: {{job: jobs/job.yml, inputs: {{data: 'azureml:d:1'{value}}}}}}}"
    text = f"name: x\non:\n{on}{condition}{more}{do}\n"
    (root / "automations" / "x.yml").write_text(text)
    catalogue = load(root / "automations", root)
    return [problem.message for found in catalogue.invalid.values() for problem in found]


@pytest.mark.parametrize(
    ("triggers", "when", "note", "more"),
    [
        ([BURST], "captures.month == '2013-01' && size(files) > 0", "", ""),
        ([EACH], "captures.name == 'a' && event.subject != '' && files[0].size > 1", "", ""),
        ([BURST, NIGHT], 'size(files) > 0 || event.type != "blob-created"', "", ""),
        ([BURST, NIGHT], 'event.type == "blob-created" && captures.month == "1"', "", ""),
        ([BURST, NIGHT], 'captures.month == "1" && event.type == "blob-created"', "", ""),
        ([BURST, NIGHT], "!has(captures.month) || captures.month == '1'", "${{ size(files) }} files", ""),
        ([BURST, NIGHT], "", "${{ 'month' in captures ? captures.month : 'all' }}", ""),
        ([MODEL], "event.data.ModelName == 'm' && event.data.ModelTags.stage == 'x'", "", ""),
        ([MODEL], "event.data.month == 1", "", ""),
        ([NIGHT], "inputs.rows > 3", "${{ inputs.rows }}", "inputs: {rows: {type: integer, default: 5}}\n"),
        ([NIGHT, MODEL], "size(events) == 1 && files.all(f, f.size > 0)", "${{ activity.id }}", ""),
    ],
)
def test_what_is_there_or_guarded_is_accepted(root: Path, triggers: list[str], when: str, note: str, more: str) -> None:
    assert problems(root, triggers, when, note, more) == []


@pytest.mark.parametrize(
    ("triggers", "when", "note", "more", "said"),
    [
        (
            [BURST, NIGHT],
            "captures.month == '2013-01'",
            "",
            "",
            "not there: guard it, such as has(captures.month) && … (trigger 2, schedule)",
        ),
        ([BURST], "captures.name == 'a'", "", "", "uses captures.name, which is not there: "),
        ([EACH, MODEL], "", "of ${{ captures['month'] }}", "", "uses captures.month, which is not there: "),
        (
            [BURST],
            "event.subject != ''",
            "",
            "",
            "uses event.subject, which is not there: guard it: has(event.subject)",
        ),
        ([NIGHT], "files[0].size > 1", "", "", "takes one of the files, and there are none: guard it, such as size("),
        ([BURST, NIGHT], "", "${{ files }}", "", "hands files on, and there are none: use dataset, or an automation"),
        ([NIGHT], "inputs.rows > 3", "", "", "uses inputs.rows, which is not there: give it a default, or guard it: "),
        (
            [NIGHT],
            "inputs.rows > 3",
            "",
            "inputs: {rows: {type: integer}}\n",
            "uses inputs.rows, which is not there: give it a default",
        ),
    ],
)
def test_what_a_trigger_cannot_give_is_told_with_the_trigger_and_what_would_do(
    root: Path, triggers: list[str], when: str, note: str, more: str, said: str
) -> None:
    found = problems(root, triggers, when, note, more)
    assert len(found) == 1, found
    assert said in found[0]
