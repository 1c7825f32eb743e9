"""Which steps an activity takes."""

from collections.abc import Iterator

from shared.automations.models import Automation
from shared.ledger.records import Files, Step


def plan(automation: Automation, files: Files, trigger: int = -1) -> list[Step]:
    """Give the steps of an activity on these files: a pure function of the automation.

    - triage, answer: what drift deserves, and that nothing else has answered it meanwhile
    - admit: limits, pauses and the storm breaker let it begin
    - files, check, dataset: freeze the new files, check them, freeze what training reads
    - train, metrics, register; job, metrics: run an Azure ML job, record its metrics, make the model version
    - score, results: score the frozen files in one batch, and see whether the results are whole
    - evaluate, gates, deployment, rollout: the steps of a release
    - evaluate, gates, promote: the steps of a promotion
    - notify; webhook: tell people, or another system
    """
    drift = 0 <= trigger < len(automation.on) and automation.on[trigger].drift is not None
    names = ["triage", "admit", "answer"] if drift else ["admit"]
    names += [*_data(automation, files), *_action(automation)]
    return [Step(name=name, kind=_KINDS.get(name, name)) for name in names]


_KINDS = {"check": "job", "train": "job", "job": "job"}


def _data(automation: Automation, files: Files) -> Iterator[str]:
    if files.count:
        yield "files"
        if automation.check:
            yield "check"
    if automation.dataset:
        yield "dataset"


def _action(automation: Automation) -> Iterator[str]:
    do = automation.do
    if do.train:
        yield from ("train", "metrics")
        if do.train.register_as:
            yield "register"
    if do.job:
        yield from ("job", "metrics")
    if do.score:
        yield from ("score", "results")
    if do.notify:
        yield "notify"
    if do.webhook:
        yield "webhook"
    if judged := do.deploy or do.promote:
        if judged.evaluate:
            yield "evaluate"
        if judged.gates:
            yield "gates"
        yield from ("deployment", "rollout") if do.deploy else ("promote",)
