"""Automations that start each other for ever are refused at load; the loop through drift is what the hub is for."""

from pathlib import Path

from shared.automations.loading import Catalogue, load

JOB = "command: python main.py\ncode: ./src\nenvironment: azureml:e:1\noutputs: {model: {type: mlflow_model}}\n"
TRAIN = """
name: NAME
on: [{model-registered: {model: WANTED}}]
do: {train: {job: jobs/train.yml, register: {model: MADE, from: model}}}
"""


def loaded(root: Path, *documents: str) -> Catalogue:
    (root / "automations").mkdir()
    (root / "jobs" / "src").mkdir(parents=True)
    (root / "jobs" / "src" / "main.py").write_text("")
    (root / "jobs" / "train.yml").write_text(JOB)
    (root / "automations" / "all.yml").write_text("---".join(documents))
    return load(root / "automations", root)


def train(name: str, wanted: str, made: str) -> str:
    return TRAIN.replace("NAME", name).replace("WANTED", wanted).replace("MADE", made)


def test_two_that_start_each_other_are_refused_and_others_stay(tmp_path: Path) -> None:
    catalogue = loaded(tmp_path, train("a", "x", "y"), train("b", "y", "x"), train("c", "q", "r"))
    assert set(catalogue.automations) == {"c"}
    (problem, *_) = catalogue.invalid["automations/all.yml:a"]
    assert "endless loop: a (registers y) → b (registers x) → a" in problem.message


def test_one_with_a_condition_may_end_its_loop(tmp_path: Path) -> None:
    guarded = train("a", "x", "y").replace("do:", "when: event.data.ModelTags.again == 'yes'\ndo:")
    assert set(loaded(tmp_path, guarded, train("b", "y", "x")).automations) == {"a", "b"}
