"""The steps of a release: evaluation, gates, deployment, rollout; short looks, and what is asked for is saved first."""

import math
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from shared.actions.context import Context
from shared.actions.jobs import Jobs
from shared.actions.retire import Retirements
from shared.automations.language_deploy import Deploy, analysis_of, gate_of, steps_of
from shared.automations.loading import Loaded, endpoint_name, named
from shared.azureml.endpoints import DeploymentView, Endpoints, EndpointView
from shared.deciding import gates, rollout
from shared.deciding.analysis import Measured
from shared.deciding.approval import Asked, Vote, Voter
from shared.deciding.traffic import Change, Traffic
from shared.deciding.verdicts import Refused as GateRefused
from shared.deciding.verdicts import Waiting
from shared.engine.outcomes import Again, Answer, Done, Failed, PermanentError, Refused, Superseded
from shared.engine.run import Work
from shared.ledger.records import Activity
from shared.ledger.usage import Usages

_NOW: Final = timedelta(0)
_SOON: Final = timedelta(seconds=2)
_PATIENCE: Final = timedelta(minutes=45)
"""An endpoint or deployment that is not ready by then has failed; the service itself gives up after some 30 minutes."""
MOST_DEPLOYMENTS: Final = 20
"""Of one managed online endpoint
(https://learn.microsoft.com/azure/machine-learning/how-to-manage-quotas#azure-machine-learning-online-endpoints)."""
_NAME: Final = re.compile(r"[a-zA-Z][a-zA-Z0-9-]{1,30}[a-zA-Z0-9]")
_SLICE: Final = re.compile(r"(?P<metric>[^.]+)\.(?P<column>[^.]+)\.(?P<value>.+)")


class Release:
    """Releases a registered model version to an online endpoint. `grain`: seconds of an interval of its metrics."""

    def __init__(
        self,
        context: Context,
        endpoints: Endpoints,
        jobs: Jobs,
        retirements: Retirements,
        usages: Usages,
        grain: int = 60,
    ) -> None:
        self._context = context
        self._endpoints = endpoints
        self._jobs = jobs
        self._retirements = retirements
        self._usages = usages
        self._grain = grain

    async def evaluate(self, work: Work) -> Answer:
        """Score challenger and champion on the same rows by one Azure ML job; its metrics are the evidence."""
        loaded, deploy = await self._rule(work.activity)
        if deploy.evaluate is None:
            return Done()
        detail = dict(work.step.detail)
        if "challenger" not in detail:
            name = endpoint_name(loaded, deploy)
            detail |= {"challenger": model_of(work.activity), "champion": await self._champion(name)}
            return Again(_NOW, detail)
        champion = detail["champion"] or detail["challenger"]
        given: dict[str, Any] = {
            "data": deploy.evaluate.data,
            "challenger": f"azureml:{detail['challenger']}",
            "champion": f"azureml:{champion}",
            **deploy.evaluate.inputs,
        }
        answer = await self._jobs.follow(work, deploy.evaluate.job, given)
        if isinstance(answer, Done):
            run = str(answer.detail["job"])
            return Done({**answer.detail, "metrics": dict(await self._context.azureml.metrics(run))})
        return answer

    async def _champion(self, endpoint: str) -> str:
        """Give the model version with most live traffic, "" where nothing is live."""
        view = await self._endpoints.endpoint(endpoint)
        if view is None or not view.traffic.live:
            return ""
        live = max(view.traffic.live, key=lambda name: view.traffic.live[name])
        found = {one.name: one.model for one in await self._endpoints.deployments(endpoint)}
        return found.get(live, "")

    async def judge(self, work: Work) -> Answer:
        """Judge all gates; where one asks people, wait for them."""
        _, deploy = await self._rule(work.activity)
        detail = dict(work.step.detail)
        rules = tuple(gate_of(gate) for gate in deploy.gates)
        facts = _facts(work.activity, detail.get("asked"))
        verdict, _ = gates.judge_all(rules, facts, work.now)
        if isinstance(verdict, Waiting) and "asked" not in detail:
            detail["asked"] = work.now.isoformat()
            facts = _facts(work.activity, detail["asked"])
            verdict, _ = gates.judge_all(rules, facts, work.now)
        detail |= {"evidence": verdict.evidence["gates"], "verdict": verdict.reason}
        if isinstance(verdict, GateRefused):
            return Refused(verdict.reason, detail)
        if isinstance(verdict, Waiting):
            left = (verdict.until - work.now) if verdict.until else timedelta(hours=1)
            after = min(max(left, _SOON), timedelta(hours=1))
            return Again(after, detail, status="waiting-approval", reason=verdict.reason)
        return Done(detail)

    async def deployment(self, work: Work) -> Answer:
        """Have the endpoint and the challenger's deployment there and ready; nothing takes traffic yet."""
        loaded, deploy = await self._rule(work.activity)
        activity, detail = work.activity, dict(work.step.detail)
        _, folder = await self._context.automation(activity)
        endpoint, name = endpoint_name(loaded, deploy), self.deployment_name(loaded, deploy, activity)
        detail |= {"endpoint": endpoint, "deployment": name, "model": model_of(activity)}
        detail.setdefault("since", work.now.isoformat())
        if work.now - datetime.fromisoformat(detail["since"]) > _PATIENCE:
            return Failed(f"deployment {name} was not ready within {_PATIENCE.seconds // 60} minutes", detail)
        if not (_NAME.fullmatch(endpoint) and _NAME.fullmatch(name)):
            return Failed(f"{endpoint}/{name}: names have 3 to 32 letters, digits and hyphens, a letter first", detail)
        view = await self._endpoints.endpoint(endpoint)
        if view is None:
            await self._endpoints.create_endpoint(folder, deploy.endpoint, self._context.tags(activity))
            return Again(_SOON, detail, reason=f"endpoint {endpoint} is being made")
        if view.busy:
            return Again(_SOON, detail, reason=f"endpoint {endpoint} is {view.state}")
        if view.state == "Failed":
            return Failed(f"endpoint {endpoint} is Failed: delete it or mend it, then retry", detail)
        found = {one.name: one for one in await self._endpoints.deployments(endpoint)}
        if name not in found:
            if reason := self._impossible(deploy, view, name, found):
                return Failed(reason, detail)
            model, tags = model_of(activity), self._context.tags(activity)
            await self._endpoints.create_deployment(folder, deploy.deployment, name, model, tags)
            return Again(_SOON, detail, reason=f"deployment {name} is being made")
        return await self._made(endpoint, found[name], detail, work)

    def _impossible(self, deploy: Deploy, view: EndpointView, name: str, found: Mapping[str, Any]) -> str:
        """Say, before anything is created, why the release cannot go through; "" where it can."""
        if len(found) >= MOST_DEPLOYMENTS:
            return (
                f"endpoint {view.name} has {len(found)} deployments, and {MOST_DEPLOYMENTS} are the most: remove some"
            )
        plan = rollout.plan(name, view.traffic, steps_of(deploy), analysis_of(deploy.analysis), deploy.on_failure)
        return "; ".join(rollout.problems(plan, can_mirror=view.compute != "Kubernetes"))

    async def _made(self, endpoint: str, made: DeploymentView, detail: dict[str, Any], work: Work) -> Answer:
        if made.state == "Succeeded":
            return Done({**detail, "instances": made.instances, "instance-type": made.instance_type})
        if made.state == "Failed":
            logs = await self._save_logs(work.activity, endpoint, made.name)
            await self._endpoints.delete_deployment(endpoint, made.name)
            last = " / ".join(line.strip() for line in logs[1].splitlines()[-5:] if line.strip())
            return Failed(
                f"deployment {made.name} failed: {last or 'the service gives no log'}", {**detail, "logs": logs[0]}
            )
        return Again(_SOON, detail, reason=f"deployment {made.name} is {made.state}")

    async def undeploy(self, work: Work) -> Answer:
        """Remove a deployment that was being made, once it can be removed."""
        endpoint, name = work.step.detail.get("endpoint"), work.step.detail.get("deployment")
        if not endpoint or not name:
            return Done(work.step.detail)
        view = await self._endpoints.endpoint(endpoint)
        found = {one.name for one in await self._endpoints.deployments(endpoint)} if view else set()
        if view is None or name not in found:
            return Done(work.step.detail)
        if view.traffic.live.get(name) or view.traffic.mirror.get(name):
            return Failed(f"{name} has traffic ({view.traffic}): it stays", work.step.detail)
        await self._endpoints.delete_deployment(endpoint, name)
        return Again(_SOON, work.step.detail, reason=f"deployment {name} is being removed")

    async def roll(self, work: Work) -> Answer:
        """Look at the rollout and do the next act."""
        asked = work.activity.asked("release")
        wish = "continue" if asked and asked.at.isoformat() > work.step.detail.get("held-at", "9") else ""
        who = asked.who if asked and wish else ""
        rejected = work.activity.asked("reject")
        if rejected:
            wish, who = "rollback", rejected.who
        return await self._roll(work, wish, who)

    async def go_back(self, work: Work) -> Answer:
        """Cancel a rollout: traffic first, then the deployment."""
        cancel = work.activity.asked("cancel")
        answer = await self._roll(work, "rollback", cancel.who if cancel else "")
        return Done(answer.detail) if isinstance(answer, Failed | Superseded) else answer

    async def _roll(self, work: Work, wish: str, who: str) -> Answer:
        loaded, deploy = await self._rule(work.activity)
        detail = dict(work.step.detail)
        endpoint = endpoint_name(loaded, deploy)
        challenger = self.deployment_name(loaded, deploy, work.activity)
        view = await self._endpoints.endpoint(endpoint)
        if view is None:
            return Failed(f"endpoint {endpoint} was deleted", detail)
        if "before" not in detail:
            detail |= {"endpoint": endpoint, "deployment": challenger, "before": _plain(view.traffic), "step": -1}
            detail["history"] = []
        before = _traffic(detail["before"])
        plan = rollout.plan(
            challenger,
            before,
            steps_of(deploy),
            analysis_of(deploy.analysis),
            deploy.on_failure,
            deploy.analysis.inconclusive if deploy.analysis else "hold",
        )
        if "back" in detail:
            return await self._back(work, detail, view)
        if detail.get("ask"):
            return await self._ask(work, detail, view)
        facts = await self._observe(work, detail, view, plan, wish, who)
        act = rollout.decide(plan, facts, work.now)
        return await self._do(work, act, plan, detail, view, deploy)

    async def _observe(
        self, work: Work, detail: Mapping[str, Any], view: EndpointView, plan: rollout.Plan, wish: Any, who: str
    ) -> rollout.Facts:
        settled = datetime.fromisoformat(detail["settled"]) if detail.get("settled") else None
        change = detail.get("change")
        found = {one.name: one for one in await self._endpoints.deployments(view.name)}
        challenger = found.get(plan.challenger)
        failed = "it is gone" if challenger is None else ("Failed" if challenger.state == "Failed" else "")
        waiting = (await self._usages.read(f"automation:{work.activity.automation}")).usage.waiting
        newer = max((name for name in waiting if name > work.activity.id), default="")
        return rollout.Facts(
            step=int(detail["step"]),
            observed=view.traffic,
            change=_change(change) if change else None,
            settled=settled,
            updating=view.busy,
            failed=failed,
            measured=await self._measure(view.name, plan, int(detail["step"]), settled, work.now),
            held=bool(detail.get("held-at")),
            superseded_by=newer,
            asked=wish,
            who=who,
        )

    async def _measure(
        self, endpoint: str, plan: rollout.Plan, step: int, settled: datetime | None, now: datetime
    ) -> Measured | None:
        """Read the metrics of the step so far: whole intervals only, and only those that have settled."""
        if settled is None or step < 0 or not plan.steps[step].length:
            return None
        grain = self._grain
        start = math.ceil(settled.timestamp() / grain) * grain
        last = min(now - plan.analysis.settle, settled + plan.steps[step].length)
        end = int(last.timestamp()) // grain * grain
        if end <= start:
            return None
        zone = now.tzinfo
        return await self._endpoints.measured(
            endpoint, plan.challenger, datetime.fromtimestamp(start, zone), datetime.fromtimestamp(end, zone), grain
        )

    async def _do(
        self,
        work: Work,
        act: rollout.Act,
        plan: rollout.Plan,
        detail: dict[str, Any],
        view: EndpointView,
        deploy: Deploy,
    ) -> Answer:
        now = work.now
        finding = getattr(act, "finding", None)
        if not isinstance(act, rollout.Wait):
            entry = {"at": now.isoformat(), "act": type(act).__name__, "reason": getattr(act, "reason", "")}
            if finding:
                entry["finding"] = {"verdict": finding.verdict, **finding.evidence}
            if not (isinstance(act, rollout.Hold) and detail["history"] and detail["history"][-1]["act"] == "Hold"):
                detail["history"] = [*detail["history"], {**entry, "traffic": str(view.traffic)}][-60:]
        if isinstance(act, rollout.SetTraffic):
            tries = 1 + (detail["change"]["tries"] if detail.get("change") and act.step == detail["step"] else 0)
            change = {"requested": _plain(act.traffic), "confirmed": _plain(view.traffic), "at": now.isoformat()}
            detail |= {
                "step": act.step,
                "change": {**change, "tries": tries},
                "settled": "",
                "ask": True,
                "held-at": "",
            }
            return Again(_NOW, detail, reason=act.reason)
        if isinstance(act, rollout.Confirm):
            return Again(_NOW, {**detail, "settled": now.isoformat()}, reason=act.reason)
        if isinstance(act, rollout.Wait):
            after = max(_SOON, min(act.until - now, self._look(detail)))
            return Again(after, detail, reason=act.reason)
        if isinstance(act, rollout.Hold):
            detail["held-at"] = detail.get("held-at") or now.isoformat()
            return Again(max(_SOON, act.until - now), detail, status="held", reason=f"held: {act.reason}")
        if isinstance(act, rollout.RollBack):
            detail |= {"back": _plain(act.traffic), "back-from": _plain(view.traffic)}
            detail |= {"why": act.reason, "superseded": act.superseded}
            return Again(_NOW, detail, reason=f"going back: {act.reason}")
        if isinstance(act, rollout.Stop):
            return Failed(f"stopped: {act.reason}", {**detail, "evidence": act.evidence})
        previous = [name for name in plan.before.live if name != plan.challenger]
        keep = deploy.keep_previous or _NOW
        await self._retirements.plan(view.name, previous, now + keep, work.activity.id)
        detail |= {"live": plan.challenger, "previous": previous, "previous-until": (now + keep).isoformat()}
        return Done(detail)

    def _look(self, detail: Mapping[str, Any]) -> timedelta:
        """Give how often a step is looked at: metrics that turn bad end it early."""
        return timedelta(seconds=max(5, self._grain / 2)) if detail.get("settled") else timedelta(seconds=3)

    async def _ask(self, work: Work, detail: dict[str, Any], view: EndpointView) -> Answer:
        """Ask for the change that was saved; where a person was faster, the next look sees it."""
        if view.busy:
            return Again(_SOON, detail, reason="the endpoint is updating")
        change = _change(detail["change"])
        await self._endpoints.set_traffic(view.name, change.requested, change.confirmed)
        return Again(_SOON, {**detail, "ask": False}, reason=f"{change.requested} is asked for")

    async def _back(self, work: Work, detail: dict[str, Any], view: EndpointView) -> Answer:
        """Go back: traffic first, then logs, then the deployment."""
        wanted, why = _traffic(detail["back"]), str(detail["why"])
        if view.busy:
            return Again(_SOON, detail, reason=f"going back: {why}")
        if view.traffic != wanted:
            seen = _traffic(detail["back-from"])
            if not await self._endpoints.set_traffic(view.name, wanted, seen):
                return Failed(f"stopped while going back ({why}): somebody set the traffic to {view.traffic}", detail)
            return Again(_SOON, detail, reason=f"going back: {why}")
        name = str(detail["deployment"])
        if "logs" not in detail:
            detail["logs"] = (await self._save_logs(work.activity, view.name, name))[0]
            await self._endpoints.delete_deployment(view.name, name)
        end = Superseded if detail.get("superseded") else Failed
        return end(f"rolled back to {wanted}: {why}", detail)

    async def _save_logs(self, activity: Activity, endpoint: str, deployment: str) -> tuple[str, str]:
        """Keep a deployment's log in the ledger; give the blob and the text."""
        try:
            text = await self._endpoints.logs(endpoint, deployment)
        except PermanentError as error:
            text = f"(no log: {error})"
        name = f"logs/{activity.id}-{activity.attempt}-{deployment}.txt"
        await self._context.store.blobs.put(name, text.encode(), content_type="text/plain")
        return name, text

    async def _rule(self, activity: Activity) -> tuple[Loaded, Deploy]:
        loaded, _ = await self._context.automation(activity)
        if loaded.automation.do.deploy is None:
            raise PermanentError(f"automation {activity.automation} deploys nothing")
        return loaded, loaded.automation.do.deploy

    @staticmethod
    def deployment_name(loaded: Loaded, deploy: Deploy, activity: Activity) -> str:
        """Name the challenger by its activity and attempt: asking twice is one deployment."""
        base = re.sub(r"[^a-zA-Z0-9-]", "-", named(loaded, deploy.deployment))[:16].strip("-") or "model"
        tail = activity.id.rpartition("-")[2]
        return f"{base}-{tail}" + (f"-{activity.attempt}" if activity.attempt > 1 else "")


def model_of(activity: Activity) -> str:
    """Give the model version (name:version) that the event names, or that a person gave as inputs model and version."""
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
    run = str(detail.get("job", "no evaluation"))
    return gates.Facts(
        challenger=_scores(f"{detail.get('challenger', '')} in {run}", challenger),
        champion=_scores(f"{detail['champion']} in {run}", champion) if detail.get("champion") else None,
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
    return Asked(since, requester, votes)


def _plain(traffic: Traffic) -> dict[str, dict[str, int]]:
    return {"live": dict(traffic.live), "mirror": dict(traffic.mirror)}


def _traffic(plain: Mapping[str, Mapping[str, int]]) -> Traffic:
    return Traffic.of(plain["live"], plain["mirror"])


def _change(plain: Mapping[str, Any]) -> Change:
    return Change(
        _traffic(plain["requested"]),
        _traffic(plain["confirmed"]),
        datetime.fromisoformat(plain["at"]),
        int(plain["tries"]),
    )
