"""Endpoints: what serves which model, and the way back for an operator."""

from datetime import timedelta
from typing import Any, Final

from azure.core.exceptions import AzureError

from shared.api.models import DeploymentShown, EndpointShown, Page, RolledBack
from shared.api.problems import ProblemError
from shared.api.reading import each, unfinished
from shared.api.requests import ActRequest
from shared.api.routes import Call
from shared.automations.loading import endpoint_name
from shared.azureml.endpoints import EndpointView
from shared.deciding.traffic import Traffic
from shared.engine.acts import NotPossibleError
from shared.engine.outcomes import PermanentError, TransientError
from shared.ledger.records import Act, Activity

_KEPT: Final = timedelta(hours=24)
"""How long a deployment that was rolled back stays for a look, before it is removed."""
_UNANSWERED: Final = (TransientError, OSError, AzureError)
"""What it is when Azure ML, or the identity that asks it, gives no answer."""
_BACK: Final = timedelta(days=60)


async def endpoints(call: Call) -> Page[EndpointShown]:
    """List the endpoints that automations deploy to."""
    releases: dict[str, list[str]] = {}
    for loaded in call.hub.rulebook.catalogue.automations.values():
        if loaded.automation.do.deploy:
            name = endpoint_name(loaded, loaded.automation.do.deploy)
            releases.setdefault(name, []).append(loaded.automation.name)
    under_way = {_endpoint_of(one): one.id for one in await unfinished(call.hub) if _endpoint_of(one)}

    async def look(name: str) -> EndpointShown:
        known: dict[str, Any] = {"name": name, "automations": releases[name], "release": under_way.get(name)}
        try:
            view = await call.hub.endpoints.endpoint(name)
            found = await call.hub.endpoints.deployments(name) if view else ()
        except (*_UNANSWERED, PermanentError) as error:
            return EndpointShown(**known, state="unknown", reason=_said(error))
        if view is None:
            return EndpointShown(**known, state="absent", reason="nothing was released to it yet")
        return EndpointShown(
            **known,
            state=view.state,
            scoring_uri=view.scoring_uri,
            deployments=[
                DeploymentShown(
                    name=one.name,
                    state=one.state,
                    model=one.model,
                    traffic=view.traffic.live.get(one.name, 0),
                    mirror=view.traffic.mirror.get(one.name, 0),
                    error=one.error,
                )
                for one in found
            ],
        )

    return Page[EndpointShown](items=await each(sorted(releases), look))


def _said(error: Exception) -> str:
    """Give what the hub itself says of an error; of others only their kind, which holds no address and no secret."""
    return str(error) if isinstance(error, TransientError | PermanentError) else type(error).__name__


async def rollback(call: Call) -> RolledBack:
    """Go back: end the release that is under way, or give the traffic to what was live before the last one."""
    name, reason = call.values["name"], call.sent(ActRequest).reason
    for activity in await unfinished(call.hub):
        if _endpoint_of(activity) == name:
            return await _end(call, activity, name, reason)
    last = await _last(call, name)
    if last is None:
        raise ProblemError(404, "Not found", f"nothing was released to an endpoint {name!r}")
    try:
        view = await call.hub.endpoints.endpoint(name)
        if view is None:
            raise ProblemError(404, "Not found", f"endpoint {name!r} is not there any more")
        return await _go_back(call, view, last, reason)
    except _UNANSWERED as error:
        raise ProblemError(503, "Azure ML does not answer", _said(error), headers={"Retry-After": "10"}) from None
    except PermanentError as error:
        raise ProblemError(409, "Not possible now", str(error)) from None


async def _end(call: Call, activity: Activity, name: str, reason: str) -> RolledBack:
    caller = call.caller
    roles = tuple(sorted(caller.roles))
    act = Act(kind="cancel", who=caller.name, at=call.now, reason=reason, person=caller.person, roles=roles)
    try:
        await call.hub.acts.ask(activity.id, act)
    except NotPossibleError as error:
        raise ProblemError(409, "Not possible now", str(error)) from None
    return RolledBack(endpoint=name, release=activity.id, how="the release under way goes back", traffic={})


async def _last(call: Call, name: str) -> Activity | None:
    """Give the newest release to the endpoint that ended well."""
    async for activity in call.hub.activities.newest(call.now, until=call.now - _BACK):
        if activity.status == "succeeded" and _endpoint_of(activity) == name:
            return activity
    return None


async def _go_back(call: Call, view: EndpointView, last: Activity, reason: str) -> RolledBack:
    detail = _rollout(last)
    before = Traffic.of(detail["before"]["live"], detail["before"]["mirror"])
    released = str(detail["deployment"])
    if not before.live:
        raise ProblemError(409, "Nothing to go back to", f"{last.id} was the first release to {view.name}")
    if set(view.traffic.live) != {released}:
        said = f"the traffic of {view.name} is {view.traffic}, not what release {last.id} left: change it by hand"
        raise ProblemError(409, "Somebody changed it", said)
    there = {one.name for one in await call.hub.endpoints.deployments(view.name)}
    if gone := sorted(set(before.live) - there):
        raise ProblemError(409, "Nothing to go back to", f"deployment {', '.join(gone)} was removed: release it anew")
    for name in before.live:
        await call.hub.retirements.keep(view.name, name)
    if not await call.hub.endpoints.set_traffic(view.name, before, view.traffic):
        raise ProblemError(409, "Somebody changed it", f"the traffic of {view.name} changed meanwhile: look again")
    await call.hub.retirements.plan(view.name, [released], call.now + _KEPT, last.id)
    await call.record("rollback", f"endpoint/{view.name}", reason, release=last.id, traffic=dict(before.live))
    how = f"{released} gave its traffic back; it is removed in {_KEPT.total_seconds() / 3600:.0f} h"
    return RolledBack(endpoint=view.name, release=last.id, how=how, traffic=dict(before.live))


def _rollout(activity: Activity) -> dict[str, Any]:
    step = activity.step("rollout")
    return step.detail if step else {}


def _endpoint_of(activity: Activity) -> str:
    for name in ("rollout", "deployment"):
        step = activity.step(name)
        if step is not None and step.detail.get("endpoint"):
            return str(step.detail["endpoint"])
    return ""
