"""The rollout of a release: short looks at the endpoint; every change of traffic is saved before it is asked for."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from shared.actions.deploying import SOON, Deploying, deployment_name
from shared.actions.keeping import Keeping
from shared.actions.measuring import Measuring
from shared.automations.language_deploy import Deploy, plan_of
from shared.automations.loading import Loaded, endpoint_name
from shared.azureml.endpoints import Endpoints, EndpointView
from shared.deciding import rollout
from shared.deciding.traffic import Change, Traffic
from shared.engine.outcomes import Again, Answer, Done, Failed, PermanentError, Superseded, TransientError
from shared.engine.run import Work
from shared.ledger.usage import Usages

_NOW: Final = timedelta(0)
_UNANSWERED: Final = timedelta(seconds=30)
"""A rollout never gives up for want of an answer: it would leave the traffic shared out."""
_HISTORY: Final = 60


class Release:
    """Gives a deployment that is ready its traffic, step by step, and takes it back where it does badly."""

    def __init__(
        self, endpoints: Endpoints, deploying: Deploying, measuring: Measuring, keeping: Keeping, usages: Usages
    ) -> None:
        self._endpoints = endpoints
        self._deploying = deploying
        self._measuring = measuring
        self._keeping = keeping
        self._usages = usages

    async def roll(self, work: Work) -> Answer:
        """Look at the rollout and do the next act."""
        asked = work.activity.asked("release")
        wish = "continue" if asked and asked.at.isoformat() > work.step.detail.get("held-at", "9") else ""
        who = asked.who if asked and wish else ""
        rejected = work.activity.asked("reject")
        if rejected:
            wish, who = "rollback", rejected.who
        return await self._look(work, wish, who)

    async def go_back(self, work: Work) -> Answer:
        """Cancel a rollout: traffic first, then the deployment."""
        cancel = work.activity.asked("cancel")
        answer = await self._look(work, "rollback", cancel.who if cancel else "")
        return Done(answer.detail) if isinstance(answer, Failed | Superseded) else answer

    async def _look(self, work: Work, wish: str, who: str) -> Answer:
        """Look; what passes is looked at again however long it takes, what does not pass brings the traffic back."""
        detail = dict(work.step.detail)
        try:
            return await self._roll(work, wish, who)
        except TransientError as error:
            return Again(max(_UNANSWERED, error.retry_after or _NOW), detail, reason=f"looked at again: {error}")
        except PermanentError as error:
            if "before" not in detail or "back" in detail:
                return Failed(f"{'stopped while going back: ' if 'back' in detail else ''}{error}", detail)
            before = _traffic(detail["before"])
            if not before.live and detail.get("change"):
                return Failed(f"{error}; nothing was live before, so there is nothing to go back to", detail)
            known = detail["change"]["requested"] if detail.get("change") else detail["before"]
            detail |= {"back": detail["before"], "back-from": known, "why": str(error), "superseded": False}
            return Again(_NOW, detail, reason=f"going back: {error}")

    async def _roll(self, work: Work, wish: str, who: str) -> Answer:
        loaded, deploy = await self._deploying.rule(work.activity)
        detail = dict(work.step.detail)
        endpoint = endpoint_name(loaded, deploy)
        challenger = deployment_name(loaded, deploy, work.activity)
        view = await self._endpoints.endpoint(endpoint)
        if view is None:
            return Failed(f"endpoint {endpoint} was deleted", detail)
        if "before" not in detail:
            detail |= {"endpoint": endpoint, "deployment": challenger, "before": _plain(view.traffic), "step": -1}
            detail["history"] = []
        plan = plan_of(deploy, challenger, _traffic(detail["before"]))
        if "back" in detail:
            return await self._back(work, detail, view)
        if detail.get("ask"):
            return await self._ask(detail, view)
        if detail.get("send"):
            return await self._send(loaded, deploy, detail, view)
        facts = await self._observe(work, detail, view, plan, deploy, wish, who)
        act = rollout.decide(plan, facts, work.now)
        if isinstance(act, rollout.Wait) and (
            count := self._measuring.wanted(plan, deploy, detail, facts.measured, work.now)
        ):
            detail["smoke"] = [*detail.get("smoke", []), [work.now.isoformat(), count]]
            return Again(_NOW, detail | {"send": count}, reason=f"{count} requests of the hub's own are sent")
        return await self._do(work, act, plan, detail, view, deploy)

    async def _observe(
        self,
        work: Work,
        detail: dict[str, Any],
        view: EndpointView,
        plan: rollout.Plan,
        deploy: Deploy,
        wish: Any,
        who: str,
    ) -> rollout.Facts:
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
            settled=datetime.fromisoformat(detail["settled"]) if detail.get("settled") else None,
            updating=view.busy,
            failed=failed,
            measured=await self._measuring.read(view, plan, deploy, detail, work.now),
            held=bool(detail.get("held-at")),
            superseded_by=newer,
            asked=wish,
            who=who,
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
        _remember(detail, act, view, now)
        if isinstance(act, rollout.SetTraffic):
            tries = 1 + (detail["change"]["tries"] if detail.get("change") and act.step == detail["step"] else 0)
            change = {"requested": _plain(act.traffic), "confirmed": _plain(view.traffic), "at": now.isoformat()}
            detail |= {"step": act.step, "change": {**change, "tries": tries}, "settled": "", "ask": True}
            return Again(_NOW, detail | {"held-at": "", "smoke": []}, reason=act.reason)
        if isinstance(act, rollout.Confirm):
            return Again(_NOW, {**detail, "settled": now.isoformat()}, reason=act.reason)
        if isinstance(act, rollout.Wait):
            after = max(SOON, min(act.until - now, self._often(detail)))
            return Again(after, detail, reason=act.reason)
        if isinstance(act, rollout.Hold):
            detail["held-at"] = detail.get("held-at") or now.isoformat()
            why = "; ".join(detail.get("unmeasured") or [])
            reason = f"held: {act.reason}{f' ({why})' if why else ''}"
            return Again(max(SOON, act.until - now), detail, status="held", reason=reason)
        if isinstance(act, rollout.RollBack):
            detail |= {"back": _plain(act.traffic), "back-from": _plain(view.traffic)}
            detail |= {"why": act.reason, "superseded": act.superseded}
            return Again(_NOW, detail, reason=f"going back: {act.reason}")
        if isinstance(act, rollout.Stop):
            return Failed(f"stopped: {act.reason}", {**detail, "evidence": act.evidence, "respected": True})
        kept = await self._keeping.keep(view.name, plan, deploy.keep_previous or _NOW, now, work.activity.id)
        return Done({**detail, "live": plan.challenger, **kept})

    def _often(self, detail: Mapping[str, Any]) -> timedelta:
        """Give how often a step is looked at: metrics that turn bad end it early."""
        return timedelta(seconds=max(5, self._measuring.grain / 2)) if detail.get("settled") else timedelta(seconds=3)

    async def _ask(self, detail: dict[str, Any], view: EndpointView) -> Answer:
        """Ask for the change that was saved; where a person was faster, the next look sees it."""
        if view.busy:
            return Again(SOON, detail, reason="the endpoint is updating")
        change = _change(detail["change"])
        await self._endpoints.set_traffic(view.name, change.requested, change.confirmed)
        return Again(SOON, {**detail, "ask": False}, reason=f"{change.requested} is asked for")

    async def _send(self, loaded: Loaded, deploy: Deploy, detail: dict[str, Any], view: EndpointView) -> Answer:
        """Send the requests that were counted; a crash here sends some twice, and they stay marked as the hub's own."""
        count = await self._measuring.send(loaded, deploy, view, str(detail["deployment"]), int(detail["send"]))
        *before, (at, _) = detail["smoke"]
        detail |= {"send": 0, "smoke": [*before, [at, count]]}
        return Again(SOON, detail, reason=f"{count} requests of the hub's own were sent")

    async def _back(self, work: Work, detail: dict[str, Any], view: EndpointView) -> Answer:
        """Go back: traffic first, then logs, then the deployment."""
        wanted, why = _traffic(detail["back"]), str(detail["why"])
        if view.busy:
            return Again(SOON, detail, reason=f"going back: {why}")
        if view.traffic != wanted:
            own = [_traffic(detail["back-from"])]
            if change := detail.get("change"):
                own += [_traffic(change["requested"]), _traffic(change["confirmed"])]
            if view.traffic not in own or not await self._endpoints.set_traffic(view.name, wanted, view.traffic):
                said = f"stopped while going back ({why}): somebody set the traffic to {view.traffic}"
                return Failed(said, {**detail, "respected": True})
            return Again(SOON, detail, reason=f"going back: {why}")
        name = str(detail["deployment"])
        if "logs" not in detail:
            detail["logs"] = (await self._deploying.save_log(work.activity, view.name, name))[0]
            return Again(_NOW, detail, reason=f"going back: {why}")
        await self._endpoints.delete_deployment(view.name, name)
        end = Superseded if detail.get("superseded") else Failed
        return end(f"rolled back to {wanted}: {why}", detail)


def _remember(detail: dict[str, Any], act: rollout.Act, view: EndpointView, now: datetime) -> None:
    """Keep what was done, why, on which finding, and the traffic then; waiting, and holding on, are not told again."""
    history = detail["history"]
    again = isinstance(act, rollout.Hold) and bool(history) and history[-1]["act"] == "Hold"
    if isinstance(act, rollout.Wait) or again:
        return
    entry = {"at": now.isoformat(), "act": type(act).__name__, "reason": getattr(act, "reason", "")}
    if finding := getattr(act, "finding", None):
        entry["finding"] = {"verdict": finding.verdict, **finding.evidence}
    detail["history"] = [*history, {**entry, "traffic": str(view.traffic)}][-_HISTORY:]


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
