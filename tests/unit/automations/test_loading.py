"""Reading automations: every problem with its file, line and column; one bad document never stops the others."""

import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.automations.loading import MAX_PROBLEMS, Catalogue, content_hash, load, read_frozen

JOB = """
type: command
command: python train.py --data ${{inputs.data}} --rows ${{inputs.rows}}
code: src
inputs:
  data: {type: uri_folder}
  rows: {type: integer, default: 3}
outputs:
  model: {type: custom_model}
"""
GOOD = """\
name: {name}
on:
  - blob-created: {{container: landing, path: "flights/{{month}}/*.csv"}}
do:
  train: {{job: jobs/train.yml}}
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "jobs" / "src").mkdir(parents=True)
    (tmp_path / "jobs" / "train.yml").write_text(JOB)
    (tmp_path / "jobs" / "src" / "train.py").write_text("print(1)\n")
    (tmp_path / "automations").mkdir()
    return tmp_path


def good(name: str) -> str:
    return GOOD.format(name=name)


def loaded(root: Path, *texts: str | bytes) -> Catalogue:
    for number, text in enumerate(texts):
        content = text if isinstance(text, bytes) else text.encode()
        (root / "automations" / f"f{number}.yml").write_bytes(content)
    return load(root / "automations", root)


def said(root: Path, text: str | bytes) -> list[str]:
    """Give the problems of a text, which costs the good automation in another file nothing."""
    catalogue = loaded(root, text, good("neighbour"))
    assert list(catalogue.automations) == ["neighbour"]
    return [str(problem) for problems in catalogue.invalid.values() for problem in problems]


def test_a_good_automation_is_read_with_its_place_and_all_its_files(root: Path) -> None:
    catalogue = loaded(root, "# a comment\n\n" + good("one"))
    one = catalogue.automations["one"]
    assert not catalogue.invalid
    assert (one.file, one.line) == ("automations/f0.yml", 3)
    assert set(one.files) == {"automation.yml", "jobs/train.yml", "jobs/src/train.py"}
    assert one.content == content_hash(one.files)


def test_what_is_frozen_is_read_back_the_same(root: Path, tmp_path: Path) -> None:
    one = loaded(root, good("one")).automations["one"]
    frozen = tmp_path / "frozen"
    for path, content in one.files.items():
        (frozen / path).parent.mkdir(parents=True, exist_ok=True)
        (frozen / path).write_bytes(content)
    assert read_frozen(frozen).automation == one.automation


def test_a_file_that_the_job_needs_changes_the_content(root: Path) -> None:
    before = loaded(root, good("one")).automations["one"].content
    assert loaded(root, "# only a comment\n" + good("one")).automations["one"].content == before
    (root / "jobs" / "src" / "train.py").write_text("print(2)\n")
    assert loaded(root, good("one")).automations["one"].content != before


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        (
            "name: x\ndo:\n  trian: {job: jobs/train.yml}\nonn: []\n",
            ["3:3: 'trian' is no key here; did you mean 'train'?", "4:1: 'onn' is no key here; did you mean 'on'?"],
        ),
        (
            "name: x\non:\n- blob-creatd: {container: c}\ndo: {train: {job: jobs/train.yml}}\n",
            ["3:3: 'blob-creatd' is no key here; did you mean 'blob-created'?"],
        ),
        (
            "name: x\ndo: {train: {job: a}}\non:\n- blob-created:\n    container: abc\n    colect: {}\n    path: a\n",
            ["6:5: 'colect' is no key here; did you mean 'collect'?"],
        ),
        ("name: x\ndo: {train: {}}\n", ["2:6: 'job' is missing"]),
        ("do: {train: {job: jobs/train.yml}}\n", ["1:1: 'name' is missing"]),
        (
            "name: 5\ndo: {train: {job: jobs/train.yml}}\n",
            ["1:1: name is 5: input should be a valid string"],
        ),
        ("name: x\ndo: 5\n", ["2:1: do is 5: a mapping is expected"]),
        ("name: x\non: 7\ndo: {train: {job: jobs/train.yml}}\n", ["2:1: on is 7: a list is expected"]),
        (
            "name: x\ndo:\n  train:\n    job: jobs/train.yml\n    inputs: {rows: [1]}\n",
            ["5:14: do.train.inputs.rows is [1]: a text, a whole number, a number or true or false is expected"],
        ),
        (
            "name: x\ndo:\n  train: {job: jobs/train.yml, inputs: {rows: '${{ foo }}'}}\n",
            ["3:41: `foo` uses foo, which is no variable; known: activity, captures, dataset, event, events, files, "],
        ),
        (
            "name: x\ndo:\n  train: {job: jobs/train.yml, inputs: {row: 1}}\n",
            ["3:41: 'row' is no input of jobs/train.yml; it has data, rows"],
        ),
        (
            "name: x\ndo:\n  train: {job: jobs/trian.yml}\n",
            ["3:11: jobs/trian.yml does not exist: write the Azure ML file, or name another from the project's root"],
        ),
        (
            "name: x\nwhen: 'size('\ndo: {train: {job: jobs/train.yml}}\n",
            ["2:1: `size(` is no CEL expression: <input>:1:6:"],
        ),
        ("name: X\ndo: {train: {job: jobs/train.yml}}\n", ["1:1: 'X': a name begins with a letter and has up to 63"]),
        ("name: x\nname: y\n", ['2:1: this is no YAML: found duplicate key "name" with value "y"']),
        ("name: x\n\tdo: 1\n", ["2:1: this is no YAML: found character '\\t' that cannot start any token"]),
        ("name: [x\n", ["2:1: this is no YAML: "]),
        ("name: x\n  do: 1\n", ["2:5: this is no YAML: mapping values are not allowed here: it is indented too far"]),
        ("  name: x\n on: []\n", ["2:2: this is no YAML: expected '<document start>', but found ("]),
        ("just text\n", ["1:1: an automation is a mapping that begins with `name:`"]),
        ("\n\n- name: x\n", ["3:1: an automation is a mapping that begins with `name:`"]),
        (b"name: \xff\n", ["1:1: the file is not UTF-8: byte 6 is 0xff"]),
        (b"\xff\xfen\0a\0", ["1:1: the file is not UTF-8"]),
        ("name: x\0\n", ["1:1: this is no YAML: "]),
        (b"x" * 300_000, ["1:1: the file has 300000 bytes; at most 262144 are read"]),
        ("---\nname: x\n" * 300, ["1:1: the file has 300 documents; at most 200 are read: part it"]),
        (
            "name: x\nbase: &b {job: jobs/train.yml}\ndo: {train: {<<: *b}}\n",
            ["2:1: 'base' is no key here; known here: "],
        ),
        ("name: !!python/object/apply:os.system [id]\n", ["1:1: name is ", "1:1: 'do' is missing"]),
    ],
)
def test_a_problem_says_where_what_and_what_would_be_right(root: Path, text: str | bytes, problems: list[str]) -> None:
    found = said(root, text)
    assert len(found) == len(problems), found
    for actual, expected in zip(found, problems, strict=True):
        assert actual.startswith(f"automations/f0.yml:{expected}"), actual


def test_each_document_of_a_file_stands_for_itself_with_its_own_line(root: Path) -> None:
    catalogue = loaded(
        root, f"---\n{good('one')}---\nname: [\n--- # three\n{good('three')}...\n---\n# none\n---\nname: four\n"
    )
    assert {name: one.line for name, one in catalogue.automations.items()} == {"one": 2, "three": 10}
    problems = {key: [str(one) for one in found] for key, found in catalogue.invalid.items()}
    assert list(problems) == ["automations/f0.yml#2", "automations/f0.yml#4"]
    assert problems["automations/f0.yml#2"][0].startswith("automations/f0.yml:")
    assert problems["automations/f0.yml#4"] == ["automations/f0.yml:19:1: 'do' is missing"]


@pytest.mark.parametrize(
    "before",
    ["", "%YAML 1.2\n---\n", "\ufeff", "# é\n", "---\n# x\n---\n", "---\n...\n---\n"],
    ids=repr,
)
def test_what_stands_before_an_automation_is_no_automation(root: Path, before: str) -> None:
    catalogue = loaded(root, before + good("one"))
    assert (list(catalogue.automations), catalogue.invalid) == (["one"], {})


def test_windows_line_ends_are_line_ends(root: Path) -> None:
    catalogue = loaded(root, f"---\n{good('one')}---\n{good('two')}".replace("\n", "\r\n"))
    assert {name: one.line for name, one in catalogue.automations.items()} == {"one": 2, "two": 8}


@pytest.mark.parametrize("text", ["", "\n\n", "# nothing\n", "---\n---\n", "...\n"])
def test_an_empty_file_is_no_problem(root: Path, text: str) -> None:
    assert loaded(root, text) == Catalogue({}, {})


def test_a_name_is_taken_once_and_the_second_is_told_by_whom(root: Path) -> None:
    catalogue = loaded(root, good("one"), "# moved down\n" + good("one"), good("two"))
    assert sorted(catalogue.automations) == ["one", "two"]
    (problem,) = catalogue.invalid["automations/f1.yml"]
    assert str(problem) == "automations/f1.yml:2:1: name 'one' is taken by automations/f0.yml:1: choose another"


def test_many_problems_are_counted_and_the_first_are_told(root: Path) -> None:
    found = said(root, "name: x\ndo: {train: {job: jobs/train.yml}}\n" + "".join(f"k{n}: 1\n" for n in range(100)))
    assert len(found) == MAX_PROBLEMS + 1
    assert found[-1] == "automations/f0.yml:23:1: and 80 more problems from here"


def test_a_very_long_value_is_cut_in_its_problem(root: Path) -> None:
    (problem,) = said(root, f"name: x\ndo: {{train: {{job: jobs/train.yml}}}}\nwhen: [{'1, ' * 5000}]\n")
    assert len(problem) < 300


BOMBS = {
    "aliases": "a: &a [1,1,1,1,1,1,1,1,1]\n"
    + "".join(f"{n}: &{n} [{','.join([f'*{p}'] * 9)}]\n" for p, n in zip("abcdef", "bcdefg", strict=True)),
    "merges": "a: &a {k: 1}\n"
    + "".join(f"{n}: &{n} {{<<: [*{p}, *{p}]}}\n" for p, n in zip("abcdef", "bcdefg", strict=True)),
    "circle": "a: &a [*a]\nname: x\n",
    "circle of maps": "&a a: *a\n",
    "long list": f"a: [{'1,' * 100_000}]\n",
    "many keys": "".join(f"k{n}: 1\n" for n in range(15_000)),
    "deep list": "[" * 20_000,
    "deep map": "{a: " * 20_000,
    "deep rows": "- " * 20_000,
    "deep keys": "? " * 20_000,
    "quotes": "name: '" + "x" * 200_000,
    "marks": "---\n" * 60_000,
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_file_made_to_hurt_is_refused_soon_and_costs_no_other(root: Path, name: str) -> None:
    began = time.monotonic()
    found = said(root, BOMBS[name])
    assert found or name == "marks"
    assert time.monotonic() - began < 30


def test_files_that_cannot_be_read_are_shown_and_cost_no_other(root: Path) -> None:
    folder = root / "automations"
    (folder / "gone.yml").symlink_to(root / "nothing")
    (folder / "circle.yml").symlink_to(folder / "circle.yml")
    (folder / "outside.yml").symlink_to("/etc/hostname")
    (folder / "folder.yml").mkdir()
    (folder / "folder.yml" / "inner.yaml").write_text(good("inner"))
    (folder / "notes.txt").write_text("no YAML")
    catalogue = loaded(root, good("one"))
    assert sorted(catalogue.automations) == ["inner", "one"]
    told = {key.rpartition("/")[2]: found[0].message for key, found in catalogue.invalid.items()}
    assert sorted(told) == ["circle.yml", "gone.yml", "outside.yml"]
    assert "leaves the project" in told["outside.yml"]
    assert all("cannot be read" in told[name] for name in ("gone.yml", "circle.yml"))
    assert str(root) not in "".join(told.values())


@pytest.mark.parametrize(
    "job",
    [
        "inputs: [1]\ncommand: x",
        "outputs: 5\ncommand: x",
        "[1]",
        "",
        "a: [",
        "\0",
        "command: 5",
        "command: x\ncode: ../../..",
        "command: x\ncode: nothing",
        "command: x\nenvironment: file:nothing.yml",
        "command: x\nenvironment: file:../../../etc/passwd",
        "command: x\nenvironment: file:src",
        "[" * 5000,
        "a: &a [*a]\ncommand: x\ninputs: {x: *a}",
    ],
    ids=lambda job: job[:40],
)
def test_a_job_file_that_cannot_be_used_is_told_at_the_line_that_names_it(root: Path, job: str) -> None:
    (root / "jobs" / "bad.yml").write_text(job)
    catalogue = loaded(root, "name: x\ndo:\n  train:\n    job: jobs/bad.yml\n", good("one"))
    assert list(catalogue.automations)[-1] == "one"
    if catalogue.invalid:
        (problem,) = catalogue.invalid["automations/f0.yml"]
        assert (problem.line, problem.column) == (4, 5)


def test_a_folder_that_does_not_exist_is_one_problem(tmp_path: Path) -> None:
    catalogue = load(tmp_path / "automations", tmp_path)
    assert [str(one) for found in catalogue.invalid.values() for one in found] == [
        "automations:1:1: the folder of automations 'automations' does not exist: create it"
    ]


WORDS = st.sampled_from(
    [
        "name: x\n",
        "do:\n",
        "  train:\n",
        "    job: jobs/train.yml\n",
        "on:\n",
        "- blob-created:\n",
        "    path: a\n",
        "---\n",
        "...\n",
        "{",
        "}",
        "[",
        "]",
        ": ",
        "- ",
        "&a ",
        "*a",
        "'",
        '"',
        "|\n",
        "#",
        "!!str ",
        "<<: ",
        "\t",
        "\n",
        "when: 1\n",
        "5",
        "null",
        "é",
        "\0",
        "%YAML 1.1\n",
        "? ",
    ]
)


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(WORDS, max_size=25).map("".join) | st.text(max_size=60))
def test_any_text_is_automations_or_problems(root: Path, text: str) -> None:
    catalogue = loaded(root, text.encode("utf-8", "replace"), good("neighbour"))
    assert "neighbour" in catalogue.automations
    for problems in catalogue.invalid.values():
        for problem in problems:
            assert problem.line >= 1
            assert problem.column >= 1
            assert problem.message
