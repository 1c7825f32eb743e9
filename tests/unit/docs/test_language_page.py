"""The page on the language: every block of it is loaded by the real loader, every key of the language stands in it."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from shared.automations.loading import Catalogue, load
from shared.automations.models import Action, Automation
from shared.expressions import Expression

PAGE = Path(__file__).parents[3] / "docs" / "automation-language.md"
TEXT = PAGE.read_text(encoding="utf-8")
_FENCE = re.compile(r"^```(?P<kind>[a-z ]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)

JOB = """\
type: command
command: run {used}
inputs:
{inputs}
outputs:
  {output}: {{type: {kind}}}
"""
FOLDER = "{type: uri_folder}"
MODEL = "{type: mlflow_model}"


def blocks(kind: str) -> list[str]:
    """Give the fenced blocks of a kind, in order."""
    return [match["text"] for match in _FENCE.finditer(TEXT) if match["kind"] == kind]


def job(output: str = "report", kind: str = "uri_folder", **inputs: str) -> str:
    """Write a job file with these inputs and one output."""
    used = " ".join(f"${{{{inputs.{name}}}}}" for name in inputs)
    lines = "\n".join(f"  {name}: {value}" for name, value in inputs.items())
    return JOB.format(used=used, inputs=lines, output=output, kind=kind)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    files = {
        "jobs/report.yml": job(rows="100", title="report"),
        "jobs/delay/check.yml": job(data=FOLDER),
        "jobs/delay/train.yml": job("model", "mlflow_model", data=FOLDER),
        "jobs/delay/score.yml": job("scored", data=FOLDER, model=MODEL),
        "jobs/delay/evaluate.yml": job(data=FOLDER, challenger=MODEL, champion=MODEL),
        "endpoints/delay/endpoint.yml": "name: delay\nauth_mode: key\n",
        "endpoints/delay/deployment.yml": "name: delay\nendpoint_name: delay\nmodel: azureml:arrival-delay:1\n",
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return tmp_path


def loaded(root: Path, text: str) -> Catalogue:
    """Load one block as a file of its own."""
    folder = root / "automations"
    folder.mkdir()
    (folder / "page.yml").write_text(text, encoding="utf-8")
    return load(folder, root)


@pytest.mark.parametrize("text", blocks("yaml"), ids=lambda text: text.partition("name: ")[2].partition("\n")[0])
def test_every_block_of_the_page_loads(root: Path, text: str) -> None:
    catalogue = loaded(root, text)
    assert {key: [str(one) for one in found] for key, found in catalogue.invalid.items()} == {}
    assert len(catalogue.automations) == len(re.findall(r"^name:", text, re.MULTILINE))


@pytest.mark.parametrize(("text", "told"), list(zip(blocks("yaml refused"), blocks("text"), strict=True)))
def test_every_refused_block_says_what_the_page_says(root: Path, text: str, told: str) -> None:
    catalogue = loaded(root, text)
    problems = [str(one).removeprefix("automations/") for found in catalogue.invalid.values() for one in found]
    assert problems == told.splitlines()


@pytest.mark.parametrize("text", [line for block in blocks("cel") for line in block.splitlines()])
def test_every_condition_of_the_page_compiles(text: str) -> None:
    assert Expression.compile(text).text == text


def models(model: type[BaseModel], seen: set[type[BaseModel]]) -> Iterator[type[BaseModel]]:
    """Give a model and all that it is made of, each once."""
    if model in seen:
        return
    seen.add(model)
    yield model
    queue: list[Any] = [field.annotation for field in model.model_fields.values()]
    while queue:
        annotation = queue.pop()
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            yield from models(annotation, seen)
        queue.extend(getattr(annotation, "__args__", ()))


def test_every_key_of_the_language_stands_in_the_page() -> None:
    keys = {
        f"{model.__name__}.{info.alias or name}"
        for model in models(Automation, set())
        for name, info in model.model_fields.items()
    }
    absent = [key for key in sorted(keys) if not re.search(rf"(?<![\w-]){key.split('.')[1]}(?:`|:)", TEXT)]
    assert absent == [], f"{PAGE.name} says nothing of these keys: describe each, with meaning, default and example"


def test_the_page_tells_of_no_action_that_cannot_be_loaded() -> None:
    known = {info.alias or name for name, info in Action.model_fields.items()}
    headings = re.search(r"^## Actions$(.*?)^## ", TEXT, re.MULTILINE | re.DOTALL)
    assert headings is not None
    told = {name for line in re.findall(r"^### (.+)$", headings[1], re.MULTILINE) for name in line.split(", ")}
    assert told == known


def test_the_links_of_the_page_lead_somewhere() -> None:
    anchors = {
        re.sub(r"[^\w -]", "", title).strip().lower().replace(" ", "-")
        for title in re.findall(r"^#+ (.+)$", TEXT, re.MULTILINE)
    }
    for target in re.findall(r"\]\(([^)]+)\)", TEXT):
        if target.startswith("#"):
            assert target[1:] in anchors
        elif "://" not in target:
            assert (PAGE.parent / target.partition("#")[0]).is_file(), target
