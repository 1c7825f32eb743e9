"""The step that makes a release's deployment: what is impossible is said first, what fails is removed with its log."""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from shared.actions.context import Context
from shared.actions.judging import model_of
from shared.actions.retire import Retirements
from shared.actions.shadow import is_shadow
from shared.automations.language_deploy import Deploy, analysis_of, steps_of
from shared.automations.loading import Loaded, endpoint_name, instances_of, named
from shared.azureml.endpoints import DeploymentView, Endpoints, EndpointView
from shared.deciding import rollout
from shared.engine.outcomes import Again, Answer, Done, Enough, Failed, PermanentError
from shared.engine.run import Work
from shared.ledger.protocol import AlreadyExistsError
from shared.ledger.records import Activity

SOON: Final = timedelta(seconds=2)
_PATIENCE: Final = timedelta(minutes=45)
"""An endpoint or deployment that is not ready by then has failed; the service itself gives up after some 30 minutes."""
MOST_DEPLOYMENTS: Final = 20
"""Of one managed online endpoint
(https://learn.microsoft.com/azure/machine-learning/how-to-manage-quotas#azure-machine-learning-online-endpoints)."""
_NAME: Final = re.compile(r"[a-zA-Z][a-zA-Z0-9-]{1,30}[a-zA-Z0-9]")
_LINES: Final = 5


class Deploying:
    """Has the endpoint and the deployment of a release there and ready; nothing takes traffic yet."""

    def __init__(self, context: Context, endpoints: Endpoints, retirements: Retirements) -> None:
        self._context = context
        self._endpoints = endpoints
        self._retirements = retirements

    async def make(self, work: Work) -> Answer:
        """Look before anything is made; make the endpoint, then the deployment; wait until it is ready."""
        activity, detail = work.activity, dict(work.step.detail)
        loaded, deploy = await self.rule(activity)
        _, folder = await self._context.automation(activity)
        endpoint, name = endpoint_name(loaded, deploy), deployment_name(loaded, deploy, activity)
        detail |= {"endpoint": endpoint, "deployment": name, "model": model_of(activity, deploy)}
        if await is_shadow(self._context, activity, detail["model"]):
            return Enough("shadow training: it is not released", dict(work.step.detail))
        detail.setdefault("since", work.now.isoformat())
        late = work.now - datetime.fromisoformat(detail["since"]) > _PATIENCE
        if not (_NAME.fullmatch(endpoint) and _NAME.fullmatch(name)):
            return Failed(f"{endpoint}/{name}: names have 3 to 32 letters, digits and hyphens, a letter first", detail)
        view = await self._endpoints.endpoint(endpoint)
        found = {one.name: one for one in await self._endpoints.deployments(endpoint)} if view else {}
        if name in found:
            return await self._made(work, found[name], detail, late=late)
        if late:
            return Failed(f"endpoint {endpoint} was not ready within {_PATIENCE.seconds // 60} minutes", detail)
        if reason := await self._impossible(loaded, deploy, view, name, found):
            return Failed(reason, detail)
        if view is None:
            await self._endpoints.create_endpoint(folder, deploy.endpoint, self._context.tags(activity))
            return Again(SOON, detail, reason=f"endpoint {endpoint} is being made")
        if view.busy:
            return Again(SOON, detail, reason=f"endpoint {endpoint} is {view.state}")
        if view.state == "Failed":
            return Failed(f"endpoint {endpoint} is Failed: delete it or mend it, then retry", detail)
        detail["operation"] = await self._endpoints.create_deployment(
            folder, deploy.deployment, name, detail["model"], self._context.tags(activity)
        )
        return Again(SOON, detail, reason=f"deployment {name} is being made")

    async def _made(self, work: Work, made: DeploymentView, detail: dict[str, Any], *, late: bool) -> Answer:
        if made.state == "Succeeded":
            return Done({**detail, "instances": made.instances, "instance-type": made.instance_type})
        if made.state == "Failed" or late:
            why = f"it was not ready within {_PATIENCE.seconds // 60} minutes" if made.state != "Failed" else ""
            return await self._failed(work, made, why, detail)
        return Again(SOON, detail, reason=f"deployment {made.name} is {made.state}")

    async def _impossible(
        self, loaded: Loaded, deploy: Deploy, view: EndpointView | None, name: str, found: Mapping[str, Any]
    ) -> str:
        """Say, before anything is created, why the release cannot go through; "" where it can."""
        if view is not None and view.busy:
            return ""
        if len(found) >= MOST_DEPLOYMENTS:
            return (
                f"endpoint {endpoint_name(loaded, deploy)} has {len(found)} deployments, and {MOST_DEPLOYMENTS} are "
                "the most: remove some"
            )
        if view is not None:
            plan = rollout.plan(name, view.traffic, steps_of(deploy), analysis_of(deploy.analysis), deploy.on_failure)
            if found_problems := rollout.problems(plan, can_mirror=view.compute != "Kubernetes"):
                return "; ".join(found_problems)
        kind, count = instances_of(loaded, deploy)
        return await self._endpoints.shortage(kind, count) if kind else ""

    async def _failed(self, work: Work, made: DeploymentView, why: str, detail: dict[str, Any]) -> Answer:
        """Save the log, and fail with the service's reason and the log's end; at its end the deployment is removed."""
        endpoint = str(detail["endpoint"])
        said = why or made.error or await self._endpoints.failure(str(detail.get("operation") or ""))
        blob, text = await self.save_log(work.activity, endpoint, made.name)
        last = " / ".join(line.strip() for line in text.splitlines()[-_LINES:] if line.strip())
        reasons = " | ".join(part for part in (said, last) if part) or "the service gives neither reason nor log"
        return Failed(f"deployment {made.name} failed: {reasons}", {**detail, "logs": blob})

    async def undo(self, work: Work) -> Answer:
        """Remove a deployment that was being made, once it can be removed."""
        endpoint, name = await self._names(work.activity)
        view = await self._endpoints.endpoint(endpoint)
        found = {one.name for one in await self._endpoints.deployments(endpoint)} if view else set()
        if view is None or name not in found:
            return Done(work.step.detail)
        if view.traffic.live.get(name) or view.traffic.mirror.get(name):
            return Failed(f"{name} has traffic ({view.traffic}): it stays", work.step.detail)
        await self._endpoints.delete_deployment(endpoint, name)
        return Again(SOON, work.step.detail, reason=f"deployment {name} is being removed")

    async def leave(self, activity: Activity, now: datetime) -> None:
        """Remove the deployment of a release that ended otherwise than well, now or by the sweep, if it has no traffic.

        Where a person's change of the traffic stopped the rollout, everything stays as it is.
        """
        step, rolled = activity.step("deployment"), activity.step("rollout")
        begun = step is not None and step.state != "pending"
        if not begun or activity.status == "succeeded" or (rolled and rolled.detail.get("respected")):
            return
        endpoint, name = await self._names(activity)
        await self._retirements.plan(endpoint, [name], now, activity.id)
        await self._retirements.run(now)

    async def _names(self, activity: Activity) -> tuple[str, str]:
        """Give endpoint and deployment, whether or not an answer about them was ever heard."""
        loaded, deploy = await self.rule(activity)
        return endpoint_name(loaded, deploy), deployment_name(loaded, deploy, activity)

    async def save_log(self, activity: Activity, endpoint: str, deployment: str) -> tuple[str, str]:
        """Keep a deployment's log in the ledger, the first that was read; give the blob and the text."""
        try:
            text = await self._endpoints.logs(endpoint, deployment)
        except PermanentError as error:
            text = f"(no log: {error})"
        name = f"logs/{activity.id}-{activity.attempt}-{deployment}.txt"
        blobs = self._context.store.blobs
        try:
            await blobs.put(name, text.encode(), absent=True, content_type="text/plain")
        except AlreadyExistsError:
            text = (await blobs.get(name)).decode()
        return name, text

    async def rule(self, activity: Activity) -> tuple[Loaded, Deploy]:
        """Give the automation that a release began with, and what it deploys."""
        loaded, _ = await self._context.automation(activity)
        if loaded.automation.do.deploy is None:
            raise PermanentError(f"automation {activity.automation} deploys nothing")
        return loaded, loaded.automation.do.deploy


def deployment_name(loaded: Loaded, deploy: Deploy, activity: Activity) -> str:
    """Name the challenger by its activity and attempt: asking twice is one deployment."""
    base = re.sub(r"[^a-zA-Z0-9-]", "-", named(loaded, deploy.deployment))[:16].strip("-") or "model"
    tail = activity.id.rpartition("-")[2]
    return f"{base}-{tail}" + (f"-{activity.attempt}" if activity.attempt > 1 else "")
