"""What operators do: start, cancel, retry, acknowledge, release, approve, reject, pause, resume, close."""

import re
from datetime import timedelta
from typing import Literal

from shared.api.models import ACTIVITY, ActivityView, Closing, Paused, Resumed, Started
from shared.api.problems import ProblemError
from shared.api.reading import unfinished
from shared.api.requests import ActRequest, PauseRequest, RunRequest
from shared.api.routes import Call, Handler, Reply, shown_etag
from shared.api.views import activity_view, pause_view
from shared.engine.acts import NotPossibleError
from shared.ledger.protocol import ChangedError
from shared.ledger.records import Act
from shared.ledger.switches import HUB, Pause, automation_switch

Kind = Literal["cancel", "release", "approve", "reject", "retry", "acknowledge"]


async def run(call: Call) -> Started:
    """Start an automation by hand."""
    name, now = call.values["name"], call.now
    inputs = call.sent(RunRequest).inputs
    key = call.idempotency_key
    _releases_something(call, name)
    asked = f"{call.caller.name}\0{key}" if key else f"{now.isoformat()}\0{call.caller.name}"
    try:
        identifier, new = await call.hub.rulebook.open_by_hand(name, inputs, call.caller.name, asked, now)
    except KeyError:
        raise ProblemError(404, "Not found", f"there is no valid automation {name!r}") from None
    except ValueError as error:
        raise ProblemError(422, "Inputs do not fit", str(error)) from None
    if new:
        await call.record("run", f"activity/{identifier}", automation=name, inputs=inputs)
    else:
        known, _ = await call.hub.activities.load(identifier)
        if any(known.inputs.get(name) != value for name, value in inputs.items()):
            raise ProblemError(
                422, "Key was used", f"this Idempotency-Key started {identifier} with other inputs: take a new key"
            )
    return Started(id=identifier, new=new)


def _releases_something(call: Call, name: str) -> None:
    """Refuse a release by hand that could name no model: nobody is to approve what cannot be."""
    loaded = call.hub.rulebook.catalogue.automations.get(name)
    if loaded is None or loaded.automation.do.deploy is None:
        return
    if absent := sorted({"model", "version"} - loaded.automation.inputs.keys()):
        detail = f"{name} releases a model version: to start it by hand it has to declare the inputs {absent}"
        raise ProblemError(422, "Inputs do not fit", detail)


def act(kind: Kind) -> Handler:
    """Give the handler of an act on an activity."""

    async def ask(call: Call) -> Reply:
        return await _ask(call, kind, call.values["id"])

    return ask


async def _ask(call: Call, kind: Kind, identifier: str) -> Reply:
    asked = Act(
        kind=kind,
        who=call.caller.name,
        at=call.now,
        reason=call.sent(ActRequest).reason,
        person=call.caller.person,
        roles=tuple(sorted(call.caller.roles)),
    )
    seen = call.if_match
    try:
        activity = await call.hub.acts.ask(identifier, asked, seen)
    except NotPossibleError as error:
        raise ProblemError(409, "Not possible now", str(error)) from None
    except ChangedError as error:
        if not seen:
            raise
        raise ProblemError(412, "Changed", f"{error}: read it again, then ask again") from None
    _, etag = await call.hub.activities.load(identifier)
    return Reply(activity_view(activity), headers={"ETag": shown_etag(etag)})


async def release(call: Call) -> ActivityView | Reply:
    """Let go of a hold: an activity goes on, a collection closes with what it has."""
    name = call.values["id"]
    if re.fullmatch(ACTIVITY, name):
        return await _ask(call, "release", name)
    await _close(call, name, "released")
    return Reply(Closing(id=name))


async def close(call: Call) -> Closing:
    """Close a collection now."""
    await _close(call, call.values["id"], "closed")
    return Closing(id=call.values["id"])


async def _close(call: Call, name: str, how: str) -> None:
    if not await call.hub.gatherer.ask(name, f"{how} by {call.caller.name}"):
        raise ProblemError(404, "Not found", f"no collection {name!r} is open")
    await call.record("close", f"collection/{name}", how)


async def pause(call: Call) -> Paused:
    """Pause the hub, or one automation."""
    name = _switch(call)
    made = Pause(name, call.caller.name, call.sent(PauseRequest).reason, call.now)
    await call.hub.switches.pause(made)
    await call.record("pause", name, made.reason)
    return pause_view(made)


async def resume(call: Call) -> Resumed:
    """End a pause, of the hub a storm too, and have what it held looked at."""
    switch = _switch(call)
    resumed = await call.hub.switches.resume(switch)
    if switch == HUB:
        resumed = await call.hub.admission.reset_storm() or resumed
    await call.record("resume", switch, resumed=resumed)
    for held in await unfinished(call.hub):
        if held.status == "held" and switch in {HUB, automation_switch(held.automation)}:
            await call.hub.activities.wake(held.id, timedelta(0))
    return Resumed(name=call.values.get("name", HUB), resumed=resumed)


def _switch(call: Call) -> str:
    name = call.values.get("name")
    if name is None:
        return HUB
    if name not in call.hub.rulebook.catalogue.automations:
        raise ProblemError(404, "Not found", f"there is no valid automation {name!r}")
    return automation_switch(name)
