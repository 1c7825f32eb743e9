"""The steps that judge a model: the evaluation on the golden set, and the gates with their evidence."""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from shared.actions.context import Context
from shared.actions.jobs import Jobs
from shared.actions.shadow import is_shadow
from shared.automations.language_actions import Promote
from shared.automations.language_deploy import Deploy, gate_of
from shared.automations.loading import Loaded, endpoint_name
from shared.azureml.endpoints import Endpoints
from shared.deciding import gates
from shared.deciding.approval import Approval, Asked, Vote, Voter
from shared.deciding.verdicts import Refused as GateRefused
from shared.deciding.verdicts import Waiting
from shared.engine.outcomes import Again, Answer, Done, Enough, PermanentError, Refused
from shared.engine.run import Work
from shared.expressions import ExpressionError, Template
from shared.ledger.records import Activity
from shared.rulebook import variables

_NOW: Final = timedelta(0)
_SOON: Final = timedelta(seconds=2)
_SLICE: Final = re.compile(r"(?P<metric>[^.]+)\.(?P<column>[^.]+)\.(?P<value>.+)")


class Judging:
    """Judges the model of a release or a promotion."""

    def __init__(self, context: Context, endpoints: Endpoints, jobs: Jobs) -> None:
        self._context = context
        self._endpoints = endpoints
        self._jobs = jobs

    async def evaluate(self, work: Work) -> Answer:
        """Score challenger and champion on the same rows by one Azure ML job; its metrics are the evidence."""
        loaded, rule = await self._rule(work.activity)
        if rule.evaluate is None:
            return Done()
        detail = dict(work.step.detail)
        if "challenger" not in detail:
            challenger = model_of(work.activity, rule)
            detail |= {"challenger": challenger, "champion": await self._champion(loaded, rule)}
            detail["data"] = rule.evaluate.data
            for model in dict.fromkeys((challenger, detail["champion"])):
                if model and await self._learned_from(model, rule.evaluate.data):
                    return Refused(f"{model} was trained on {rule.evaluate.data}: it says nothing of new rows", detail)
            return Again(_NOW, detail)
        champion = detail["champion"] or detail["challenger"]
        given: dict[str, Any] = {
            "data": rule.evaluate.data,
            "challenger": f"azureml:{detail['challenger']}",
            "champion": f"azureml:{champion}",
            **rule.evaluate.inputs,
        }
        answer = await self._jobs.follow(work, rule.evaluate.job, given)
        if isinstance(answer, Done):
            run = str(answer.detail["job"])
            return Done({**answer.detail, "metrics": dict(await self._context.azureml.metrics(run))})
        return answer

    async def _champion(self, loaded: Loaded, rule: Deploy | Promote) -> str:
        """Give the model version with most live traffic, "" where nothing is live; a promotion has no champion."""
        if isinstance(rule, Promote):
            return ""
        endpoint = endpoint_name(loaded, rule)
        view = await self._endpoints.endpoint(endpoint)
        if view is None or not view.traffic.live:
            return ""
        live = max(view.traffic.live, key=lambda name: view.traffic.live[name])
        found = {one.name: one.model for one in await self._endpoints.deployments(endpoint)}
        return found.get(live, "")

    async def _learned_from(self, model: str, data: str) -> bool:
        """Tell whether a model's lineage names a data version as what it was trained on."""
        found = await self._context.azureml.model(*model.split(":", 1))
        lineage = found.properties if found else {}
        return data.removeprefix("azureml:") in {lineage.get("hub.dataset"), lineage.get("hub.files")}

    async def judge(self, work: Work) -> Answer:
        """Judge all gates; where one asks people, wait for them."""
        _, rule = await self._rule(work.activity)
        detail = dict(work.step.detail)
        shadow = await is_shadow(self._context, work.activity, model_of(work.activity, rule))
        rules = tuple(gate_of(gate) for gate in rule.gates)
        if shadow:  # nobody is asked to approve what is not released
            rules = tuple(gate for gate in rules if not isinstance(gate, Approval))
        facts = _facts(work.activity, detail.get("asked"))
        verdict, _ = gates.judge_all(rules, facts, work.now)
        if isinstance(verdict, Waiting) and "asked" not in detail:
            detail["asked"] = work.now.isoformat()
            facts = _facts(work.activity, detail["asked"])
            verdict, _ = gates.judge_all(rules, facts, work.now)
        detail |= {"evidence": verdict.evidence["gates"], "verdict": verdict.reason}
        if isinstance(verdict, GateRefused):
            return Refused(f"{'shadow training: ' if shadow else ''}{verdict.reason}", detail)
        if shadow:
            return Enough(f"shadow training: {verdict.reason}; it is not released", detail)
        if isinstance(verdict, Waiting):
            left = (verdict.until - work.now) if verdict.until else timedelta(hours=1)
            after = min(max(left, _SOON), timedelta(hours=1))
            return Again(after, detail, status="waiting-approval", reason=verdict.reason)
        return Done(detail)

    async def _rule(self, activity: Activity) -> tuple[Loaded, Deploy | Promote]:
        loaded, _ = await self._context.automation(activity)
        rule = loaded.automation.do.deploy or loaded.automation.do.promote
        if rule is None:
            raise PermanentError(f"automation {activity.automation} neither deploys nor promotes")
        return loaded, rule


def model_of(activity: Activity, rule: Deploy | Promote) -> str:
    """Give the model version (name:version): of the rule, of the event, or of a person's inputs model and version."""
    if isinstance(rule, Promote) and rule.model:
        try:
            text = str(Template(rule.model).render(variables(activity, ()))).removeprefix("azureml:")
        except ExpressionError as error:
            raise PermanentError(f"the model to promote is not known: {error}") from None
        if not re.fullmatch(r"[^:@/]+:[^:@/]+", text):
            raise PermanentError(f"{rule.model!r} gives {text!r}: a version is expected, as in azureml:arrival-delay:3")
        return text
    data = {str(key).lower(): value for key, value in dict(activity.cause.event.get("data") or {}).items()}
    name = data.get("modelname") or activity.inputs.get("model")
    version = data.get("modelversion") or activity.inputs.get("version")
    if not name or version in {None, ""}:
        raise PermanentError("no model version is named: start it with the inputs model and version")
    return f"{name}:{version}"


def _facts(activity: Activity, asked: str | None) -> gates.Facts:
    """Read what the evaluation logged: the challenger's metrics, `champion.…`, `difference.….low` and `….high`."""
    step = activity.step("evaluate")
    detail = step.detail if step else {}
    logged = {str(name): float(value) for name, value in (detail.get("metrics") or {}).items()}
    champion = {name.removeprefix("champion."): value for name, value in logged.items() if name.startswith("champion.")}
    challenger = {name: value for name, value in logged.items() if not name.startswith(("champion.", "difference."))}
    intervals = {
        name.removeprefix("difference.").removesuffix(".low"): (value, logged[f"{name.removesuffix('.low')}.high"])
        for name, value in logged.items()
        if name.startswith("difference.") and name.endswith(".low") and f"{name.removesuffix('.low')}.high" in logged
    }
    place = f"on {detail.get('data', 'no data')} in {detail.get('job', 'no evaluation')}"
    return gates.Facts(
        challenger=_scores(f"{detail.get('challenger', '')} {place}", challenger),
        champion=_scores(f"{detail['champion']} {place}", champion) if detail.get("champion") else None,
        intervals=intervals,
        asked=_asked(activity, datetime.fromisoformat(asked)) if asked else None,
    )


def _scores(source: str, logged: Mapping[str, float]) -> gates.Scores:
    """Tell metrics from slices, which are logged as mae.carrier.UA beside rows.carrier.UA."""
    metrics: dict[str, float] = {}
    slices: dict[tuple[str, str], list[gates.Slice]] = {}
    for name, value in logged.items():
        match = _SLICE.fullmatch(name)
        rows = logged.get(f"rows.{match['column']}.{match['value']}") if match else None
        if match is None or rows is None:
            metrics[name] = value
        elif match["metric"] != "rows":
            one = gates.Slice(match["value"], int(rows), value)
            slices.setdefault((match["metric"], match["column"]), []).append(one)
    return gates.Scores(source, metrics, {key: tuple(found) for key, found in slices.items()})


def _asked(activity: Activity, since: datetime) -> Asked:
    votes = tuple(
        Vote(
            Voter(act.who, "person" if act.person else "key"),
            frozenset(act.roles),
            act.kind == "approve",
            act.at,
            act.reason,
        )
        for act in activity.acts
        if act.kind in {"approve", "reject"} and act.attempt == activity.attempt
    )
    requester = Voter(activity.cause.who, "person") if activity.cause.kind == "manual" else None
    again = tuple(Voter(act.who, "person" if act.person else "key") for act in activity.acts if act.kind == "retry")
    return Asked(since, requester, votes, again)
