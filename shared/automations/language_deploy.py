"""The `deploy` action of the language: evaluation, gates, rollout, analysis; and what they mean to the decisions."""

from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema, model_validator

from shared.automations.base import JobValue, Model, RepositoryFile, exactly_one
from shared.automations.language_values import Latency, Measure, Percent, Share, one_or_more, percent
from shared.automations.values import Duration
from shared.deciding import approval, gates, rollout
from shared.deciding.analysis import Analysis as Rules
from shared.deciding.traffic import Traffic
from shared.expressions import Expression, ExpressionError

Role = Literal["reader", "operator", "approver", "publisher"]
Better = Literal["lower", "higher"]


def _tolerance(value: object) -> gates.Tolerance:
    if isinstance(value, gates.Tolerance):
        return value
    if isinstance(value, str):
        return gates.Tolerance(percent(value), relative=True)
    if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0:
        return gates.Tolerance(float(value), relative=False)
    raise ValueError(f"{value!r} is no tolerance: write 1% of the champion's value, or a number in the metric's unit")


Tolerance = Annotated[
    gates.Tolerance,
    BeforeValidator(_tolerance),
    PlainSerializer(str, return_type=str),
    WithJsonSchema(
        {"anyOf": [{"type": "string", "pattern": r"^[0-9]{1,9}(\.[0-9]{1,9})? *%$"}, {"type": "number", "minimum": 0}]}
    ),
]


class Evaluate(Model):
    """A job that scores challenger and champion on the same rows and logs their metrics."""

    job: RepositoryFile = Field(description="Azure ML job file, from the project's root.")
    data: str = Field(min_length=1, description="The golden set, pinned to a version: azureml:name:version.")
    inputs: dict[str, JobValue] = Field(default_factory=dict, description="Further inputs of the job.")

    @model_validator(mode="after")
    def _is_pinned(self) -> Self:
        if "@" in self.data or (self.data.startswith("azureml:") and self.data.count(":") < 2):
            raise ValueError(f"{self.data!r}: the golden set is pinned to a version, as in azureml:delay-golden:1")
        return self


class Champion(Model):
    """The challenger is as good as the version with most live traffic, on the same rows."""

    metric: str = Field(min_length=1, description="Name of the metric, as the evaluation logs it.")
    better: Better = Field(description="Which way is better.")
    tolerance: Tolerance = Field(
        default=gates.Tolerance(),
        description="How much worse is as good: 1% of the champion's value, or a number in the metric's unit.",
        json_schema_extra={"default": "0%"},
    )
    when_none: Literal["pass-with-note", "refuse"] = Field(
        default="pass-with-note", description="What happens when nothing is live to compare with."
    )
    when_unsure: Literal["pass-with-note", "refuse"] = Field(
        default="pass-with-note",
        description="What happens when the value is as good, but its confidence interval reaches beyond the tolerance.",
    )


class Business(Model):
    """A metric of the business: compared with the champion, against a threshold, or both."""

    metric: str = Field(min_length=1, description="Name of the metric, as the evaluation logs it.")
    better: Better = Field(description="Which way is better.")
    tolerance: Tolerance = Field(
        default=gates.Tolerance(),
        description="How much worse than the champion is as good.",
        json_schema_extra={"default": "0%"},
    )
    threshold: Measure | None = Field(default=None, description="What the challenger's own value must keep.")
    when_none: Literal["pass-with-note", "refuse"] = Field(
        default="pass-with-note", description="What happens when nothing is live to compare with."
    )


class MaxGap(Model):
    """The largest gap: exactly one of relative and absolute."""

    relative: Percent | None = Field(default=None, description="Of the metric over all rows, such as 40%.")
    absolute: float | None = Field(default=None, ge=0, description="In the metric's unit.")

    @model_validator(mode="after")
    def _one(self) -> Self:
        exactly_one(self, "the largest gap is exactly one of")
        return self


class Fairness(Model):
    """No slice of the rows is served much worse than the rest."""

    metric: str = Field(min_length=1, description="Name of the metric, as the evaluation logs it by slice.")
    slices: Annotated[tuple[str, ...], BeforeValidator(one_or_more)] = Field(
        strict=False, min_length=1, description="Column, or columns, whose values are the slices."
    )
    max_gap: MaxGap = Field(description="The largest gap that is fair.")
    min_rows: int = Field(default=1, ge=1, description="Slices with fewer rows are left out, and named.")
    method: Literal["to-overall", "between-slices"] = Field(
        default="to-overall", description="Gap of a slice to all rows, or between the two slices farthest apart."
    )


class Approval(Model):
    """People approve: different ones, not the requester."""

    roles: tuple[Role, ...] = Field(
        default=("approver",), strict=False, min_length=1, description="Who may, by any of these roles."
    )
    quorum: int = Field(default=1, ge=1, le=20, description="How many; a key counts only where one is enough.")
    expires: Duration = Field(description="Nobody's word in this time refuses.")


class Gate(Model):
    """One condition on a release: exactly one key."""

    metrics: dict[str, Measure] | None = Field(default=None, min_length=1, description="Thresholds by metric.")
    champion: Champion | None = None
    business: Business | None = None
    fairness: Fairness | None = None
    approval: Approval | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        exactly_one(self, "a gate has exactly one key")
        return self


def check_gates(gates: tuple[Gate, ...], evaluate: Evaluate | None) -> None:
    """Raise ValueError where gates have no metrics to judge by, or ask people twice."""
    kinds = [name for gate in gates for name, value in gate.__dict__.items() if value is not None]
    scored = [kind for kind in kinds if kind != "approval"]
    if scored and evaluate is None:
        raise ValueError(f"the gates {', '.join(scored)} need `evaluate`, which gives their metrics")
    if kinds.count("approval") > 1:
        raise ValueError("one approval gate is enough: raise its quorum")


class Shadow(Model):
    """Live requests are copied to the challenger; its answers go nowhere."""

    traffic: Percent = Field(gt=0, le=0.5, description="Share that is mirrored, at most 50%.")
    length: Duration = Field(alias="for", description="How long.")


class Canary(Model):
    """The challenger answers a share of the live requests."""

    traffic: Percent = Field(gt=0, lt=1, description="Its share, in whole per cents.")
    length: Duration = Field(alias="for", description="How long.")


class Full(Model):
    """The challenger answers all requests; given only to watch it for a while before the release is done."""

    length: Duration = Field(alias="for", description="How long it is watched.")


class RolloutStep(Model):
    """One step: exactly one key."""

    shadow: Shadow | None = None
    canary: Canary | None = None
    full: Full | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        exactly_one(self, "a step has exactly one key")
        part = self.shadow or self.canary
        if part and abs(part.traffic * 100 - round(part.traffic * 100)) > 1e-9:
            raise ValueError(f"{part.traffic * 100:g}%: traffic is shared in whole per cents")
        return self


class CustomMetric(Model):
    """A metric of the team's own, read by a query while the challenger is live."""

    query: str = Field(
        min_length=1,
        max_length=4000,
        description="KQL for the Log Analytics workspace; {start}, {end}, {endpoint} and {deployment} may stand in it.",
    )
    value: str = Field(
        default="double(rows[0].value)",
        min_length=1,
        max_length=1000,
        description="CEL over `rows`, a list with a map a row by the names of its columns; gives a number.",
    )
    threshold: Measure = Field(description="What it must keep.")

    @model_validator(mode="after")
    def _compiles(self) -> Self:
        try:
            Expression.compile(self.value, {"rows"})
        except ExpressionError as error:
            raise ValueError(str(error)) from None
        return self


class Analysis(Model):
    """What the challenger must keep at each step, by metrics of a window that has settled."""

    error_rate: Share | None = Field(default=None, description="Share of requests that fail.")
    p50_latency: Latency | None = None
    p90_latency: Latency | None = None
    p95_latency: Latency | None = None
    p99_latency: Latency | None = None
    custom: dict[str, CustomMetric] = Field(default_factory=dict, description="Metrics of the team's own, by name.")
    min_requests: int = Field(default=1, ge=1, description="With fewer requests nothing can be told.")
    settle: Duration = Field(
        default=Rules().settle,
        description="Metrics come late: a window counts so long after.",
        json_schema_extra={"default": "3m"},
    )
    inconclusive: Literal["hold", "rollback"] = Field(
        default="hold", description="What happens when it cannot be told whether it does well."
    )
    smoke: RepositoryFile | None = Field(
        default=None, description="JSON lines of requests that make up for missing ones; they are marked as such."
    )


class Deploy(Model):
    """Release a registered model to an online endpoint, safely."""

    endpoint: RepositoryFile = Field(description="Azure ML endpoint file, from the project's root.")
    deployment: RepositoryFile = Field(description="Azure ML deployment file, from the project's root.")
    evaluate: Evaluate | None = None
    gates: tuple[Gate, ...] = Field(default=(), strict=False, max_length=20, description="All of them must pass.")
    rollout: tuple[RolloutStep, ...] = Field(
        default=(), strict=False, max_length=20, description="Steps before all traffic; none for a first release."
    )
    analysis: Analysis | None = None
    on_failure: Literal["rollback", "hold"] = Field(default="rollback", description="What happens when it does badly.")
    keep_previous: Duration | None = Field(
        default=None, description="How long the deployment before stays, so that going back is quick; it costs."
    )

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        check_gates(self.gates, self.evaluate)
        if self.rollout and self.analysis is None:
            raise ValueError("a rollout needs `analysis`: without it nothing says whether a step does well")
        if any(step.full for step in self.rollout[:-1]):
            raise ValueError("full is the last step")
        live = [step.canary.traffic for step in self.rollout if step.canary]
        if live != sorted(live):
            raise ValueError("canary steps go up: each takes at least the traffic of the one before")
        if any(later.shadow for earlier, later in zip(self.rollout, self.rollout[1:], strict=False) if earlier.canary):
            raise ValueError("shadow comes before canary: what is live cannot be mirrored to")
        return self


def gate_of(gate: Gate) -> gates.Gate:
    """Give the gate to decide by."""
    if gate.metrics is not None:
        return gates.Metrics(gate.metrics)
    if gate.champion:
        one = gate.champion
        return gates.Champion(one.metric, one.better, one.tolerance, one.when_none, one.when_unsure)
    if gate.business:
        two = gate.business
        return gates.Champion(
            two.metric, two.better, two.tolerance, two.when_none, threshold=two.threshold, kind="business"
        )
    if gate.fairness:
        fair, gap = gate.fairness, gate.fairness.max_gap
        relative = gap.relative is not None
        most = (gap.relative if relative else gap.absolute) or 0.0
        return gates.Fairness(fair.metric, fair.slices, most, relative, fair.min_rows, fair.method)
    if gate.approval:
        return approval.Approval(frozenset(gate.approval.roles), gate.approval.quorum, gate.approval.expires)
    raise ValueError("a gate has exactly one key")


def steps_of(deploy: Deploy) -> tuple[rollout.Step, ...]:
    """Give the steps to decide by; `rollout.plan` adds all traffic at the end."""
    found = []
    for step in deploy.rollout:
        if step.shadow:
            found.append(rollout.Step("shadow", round(step.shadow.traffic * 100), step.shadow.length))
        elif step.canary:
            found.append(rollout.Step("canary", round(step.canary.traffic * 100), step.canary.length))
        elif step.full:
            found.append(rollout.Step("full", 100, step.full.length))
    return tuple(found)


def analysis_of(analysis: Analysis | None) -> Rules:
    """Give the analysis to decide by; without the block nothing is asked of the challenger but to serve."""
    if analysis is None:
        return Rules()
    latencies = {
        "p50": analysis.p50_latency,
        "p90": analysis.p90_latency,
        "p95": analysis.p95_latency,
        "p99": analysis.p99_latency,
    }
    return Rules(
        analysis.error_rate,
        {name: threshold for name, threshold in latencies.items() if threshold},
        {name: metric.threshold for name, metric in analysis.custom.items()},
        analysis.min_requests,
        analysis.settle,
    )


def plan_of(deploy: Deploy, challenger: str, before: Traffic) -> rollout.Plan:
    """Plan the rollout of a deployment over the traffic that was read; see `rollout.problems` before it begins."""
    inconclusive = deploy.analysis.inconclusive if deploy.analysis else "hold"
    rules = analysis_of(deploy.analysis)
    return rollout.plan(challenger, before, steps_of(deploy), rules, deploy.on_failure, inconclusive)
