"""Checks what expressions of an automation may use, and that what they feed exists."""

from collections.abc import Iterator, Mapping
from typing import Any

from shared.automations.jobs import JobFile
from shared.automations.models import Automation
from shared.expressions import VARIABLES, Expression, ExpressionError, Template

Place = tuple[str | int, ...]


def known_variables(automation: Automation) -> frozenset[str]:
    """Give what expressions of this automation may use. `files` and `captures` may be empty."""
    known = {"event", "events", "files", "captures", "inputs", "activity"}
    if automation.dataset:
        known.add("dataset")
    return frozenset(known & VARIABLES)


def check_variables(automation: Automation, jobs: Mapping[str, JobFile]) -> Iterator[tuple[Place, str]]:
    """Give each place that uses what it cannot have, and what would be right."""
    known = known_variables(automation)
    if automation.when:
        yield from _expression(("when",), automation.when, known - {"dataset"})
    if automation.check and (job := jobs.get(automation.check.job)):
        yield from _inputs(("check", "inputs"), automation.check.inputs, job, known - {"dataset"})
        if "data" not in automation.check.inputs and "data" not in job.inputs:
            yield ("check", "job"), f"{job.path} has no input `data` for the new files: add it, or set check.inputs"
    score = automation.do.score
    if score and score.job and (job := jobs.get(score.job)):
        yield from _inputs(("do", "score", "inputs"), score.inputs, job, known)
        if not job.outputs:
            yield ("do", "score", "job"), f"{job.path} has no output for the results: add one"
    if score and not any(trigger.blob_created for trigger in automation.on):
        yield ("do", "score"), "score needs files: a blob-created trigger"
    if (run := automation.do.job) and (job := jobs.get(run.job)):
        yield from _inputs(("do", "job", "inputs"), run.inputs, job, known)
    yield from _promotion(automation, known)
    train = automation.do.train
    if train and (job := jobs.get(train.job)):
        yield from _inputs(("do", "train", "inputs"), train.inputs, job, known)
        source = train.register_as.source if train.register_as else ""
        if train.register_as and source not in job.outputs and not source.startswith("outputs/"):
            outputs = ", ".join(job.outputs) or "it has none"
            message = f"{source!r} is no output of {job.path} ({outputs}) and no path under outputs/"
            yield ("do", "train", "register", "from"), message


def _expression(place: Place, text: str, known: frozenset[str]) -> Iterator[tuple[Place, str]]:
    try:
        Expression.compile(text, known)
    except ExpressionError as error:
        yield place, str(error)


def _promotion(automation: Automation, known: frozenset[str]) -> Iterator[tuple[Place, str]]:
    place, promote = ("do", "promote"), automation.do.promote
    if promote is None:
        return
    yield from _template((*place, "model"), promote.model or "", known)
    for name, text in promote.tags.items():
        yield from _template((*place, "tags", name), text, known)


def _template(place: Place, text: str, known: frozenset[str]) -> Iterator[tuple[Place, str]]:
    try:
        Template.parse(text, known)
    except ExpressionError as error:
        yield place, str(error)


def _inputs(
    place: Place, inputs: Mapping[str, Any], job: JobFile, known: frozenset[str]
) -> Iterator[tuple[Place, str]]:
    for name, value in inputs.items():
        if name not in job.inputs:
            yield (*place, name), f"{name!r} is no input of {job.path}; it has {', '.join(job.inputs) or 'none'}"
        if isinstance(value, str):
            yield from _template((*place, name), value, known)
    needed = [name for name, (_, must) in job.inputs.items() if must and name not in inputs and name != "data"]
    if needed:
        yield place[:-1], f"{job.path} needs the inputs {', '.join(needed)}: give them under inputs"
