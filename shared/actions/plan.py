"""Which steps an activity takes."""

from shared.automations.models import Automation
from shared.ledger.records import Files, Step


def plan(automation: Automation, files: Files) -> list[Step]:
    """Give the steps of an activity on these files: a pure function of the automation.

    admit: limits, pauses and the storm breaker let it begin · files: freeze the new files as a version · check: run
    the check job on them · dataset: freeze what training reads · train: run the training job · metrics: record its
    metrics · register: make the model version · job: run any
    other Azure ML job · evaluate, gates, deployment, rollout: the steps of a release.
    """
    steps = [Step(name="admit", kind="admit")]
    if files.count:
        steps.append(Step(name="files", kind="files"))
        if automation.check:
            steps.append(Step(name="check", kind="job"))
    if automation.dataset:
        steps.append(Step(name="dataset", kind="dataset"))
    if automation.do.train:
        steps.append(Step(name="train", kind="job"))
        steps.append(Step(name="metrics", kind="metrics"))
        if automation.do.train.register_as:
            steps.append(Step(name="register", kind="register"))
    if automation.do.job:
        steps.append(Step(name="job", kind="job"))
        steps.append(Step(name="metrics", kind="metrics"))
    if automation.do.deploy:
        if automation.do.deploy.evaluate:
            steps.append(Step(name="evaluate", kind="evaluate"))
        if automation.do.deploy.gates:
            steps.append(Step(name="gates", kind="gates"))
        steps.append(Step(name="deployment", kind="deployment"))
        steps.append(Step(name="rollout", kind="rollout"))
    return steps
