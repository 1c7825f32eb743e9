"""Checks from inside what a hub needs: storage, workspace, queues, settings, probe; each says what mends it."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final, Literal

from azure.core.exceptions import AzureError
from pydantic import BaseModel, ConfigDict

from shared.actions.lists import copies_because
from shared.automations.models import Action
from shared.bootstrap import Hub
from shared.engine.outcomes import PermanentError, TransientError
from shared.ledger.protocol import StoreError
from shared.mending import Mending

State = Literal["ok", "wrong", "unknown"]
_TIMEOUT: Final = 20.0
_OLD_MESSAGE: Final = timedelta(minutes=5)
_PROBE: Final = timedelta(minutes=20)
_SOON: Final = timedelta(minutes=2)


class Check(BaseModel):
    """One thing that was looked at, and the command that mends it where it is wrong."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    what: str
    state: State
    said: str
    mend: str = ""


class Checkup(BaseModel):
    """All that was looked at."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    time: datetime
    checks: list[Check]


async def checkup(hub: Hub, now: datetime) -> Checkup:
    """Look at everything, at once; what takes too long is unknown."""
    looks: list[tuple[str, Callable[[], Awaitable[list[Check]]]]] = [
        ("automations", lambda: _automations(hub)),
        ("containers", lambda: _containers(hub)),
        ("queues", lambda: _queues(hub)),
        ("switches", lambda: _switches(hub)),
        ("dead letters", lambda: _dead_letters(hub)),
        ("probe", lambda: _probe(hub, now)),
        ("workspace", lambda: _workspace(hub)),
        ("datastores", lambda: _datastores(hub)),
        ("prices", lambda: _prices(hub)),
        ("channels", lambda: _channels(hub)),
    ]
    found = await asyncio.gather(*(_guarded(name, look) for name, look in looks))
    return Checkup(time=now, checks=[check for checks in found for check in checks])


async def _guarded(name: str, look: Callable[[], Awaitable[list[Check]]]) -> list[Check]:
    try:
        async with asyncio.timeout(_TIMEOUT):
            return await look()
    except TimeoutError:
        return [Check(what=name, state="unknown", said=f"no answer in {_TIMEOUT:.0f} s")]
    except (TransientError, PermanentError, StoreError) as error:
        return [Check(what=name, state="wrong", said=str(error))]
    except (OSError, AzureError) as error:
        return [Check(what=name, state="wrong", said=f"no answer: {type(error).__name__}; the log has more")]


async def _automations(hub: Hub) -> list[Check]:
    catalogue = hub.rulebook.catalogue
    if catalogue.invalid:
        first = str(next(iter(catalogue.invalid.values()))[0])
        said = f"{len(catalogue.invalid)} invalid: {first}"
        return [Check(what="automations", state="wrong", said=said, mend="./hub validate")]
    return [Check(what="automations", state="ok", said=f"{len(catalogue.automations)} valid")]


async def _containers(hub: Hub) -> list[Check]:
    wanted = {
        (trigger.blob_created.account or "", trigger.blob_created.container)
        for loaded in hub.rulebook.catalogue.automations.values()
        for trigger in loaded.automation.on
        if trigger.blob_created
    }
    if hub.settings.data_account:
        wanted.add((hub.settings.data_account, hub.settings.data_container))
    return list(await asyncio.gather(*(_anywhere(hub, *place) for place in sorted(wanted))))


async def _anywhere(hub: Hub, account: str, container: str) -> Check:
    """Look in one account or, where a trigger names none, in all: it is enough that one has the container."""
    accounts = [account] if account else sorted(hub.settings.accounts)
    if not accounts:
        said = "the hub has no data account"
        address = "https://<name>.blob.core.windows.net"
        mend = Mending(hub.settings).setting("HUB_ACCOUNT_<NAME>__blobServiceUri", address)
        return Check(what=f"container {container}", state="wrong", said=said, mend=mend)
    found = await asyncio.gather(*(_container(hub, one, container) for one in accounts))
    return min(found, key=lambda check: ("ok", "unknown", "wrong").index(check.state))


async def _container(hub: Hub, account: str, container: str) -> Check:
    what = f"container {account}/{container}"
    try:
        async for _ in hub.data.files(account, container, ""):
            break
    except PermanentError as error:
        mending = Mending(hub.settings)
        absent = "has no container" in str(error)
        mend = mending.container(account, container) if absent else mending.account_role(account)
        return Check(what=what, state="wrong", said=str(error), mend=mend)
    except TransientError as error:
        return Check(what=what, state="unknown", said=str(error))
    return Check(what=what, state="ok", said="it can be listed")


async def _queues(hub: Hub) -> list[Check]:
    checks: list[Check] = []
    for name in (hub.settings.events_queue, hub.settings.work_queue):
        count, age = await hub.store.queue(name).depth()
        late = age > _OLD_MESSAGE.total_seconds()
        said = f"{count} messages, the oldest visible one {age:.0f} s old"
        mend = Mending(hub.settings).restart() if late else ""
        checks.append(Check(what=f"queue {name}", state="wrong" if late else "ok", said=said, mend=mend))
    return checks


async def _switches(hub: Hub) -> list[Check]:
    checks = [
        Check(
            what=f"pause of {name.removeprefix('automation:')}",
            state="wrong",
            said=f"by {pause.who} since {pause.at.isoformat()}: {pause.reason or 'no reason given'}",
            mend=f"./hub resume {name.removeprefix('automation:')}" if name != "hub" else "./hub resume",
        )
        for name, pause in (await hub.switches.all()).items()
    ]
    since, _ = await hub.admission.storm()
    if since is not None:
        said = f"it holds what would begin since {since.isoformat()}"
        checks.append(Check(what="storm breaker", state="wrong", said=said, mend="./hub resume"))
    return checks or [Check(what="switches", state="ok", said="nothing is paused, and there is no storm")]


async def _dead_letters(hub: Hub) -> list[Check]:
    waiting = [letter for letter in await hub.letters.newest(limit=100) if letter.replayed is None]
    if not waiting:
        return [Check(what="dead letters", state="ok", said="none waits")]
    checks: list[Check] = []
    for kind in sorted({letter.kind for letter in waiting}):
        alike = [letter for letter in waiting if letter.kind == kind]
        said = f"{len(alike)} of {kind}, the newest: {alike[0].reason}"
        # A message to people is sent again by itself once its channel is there; the check of channels mends that.
        checks.append(Check(what="dead letters", state="wrong", said=said, mend=f"./hub replay {alike[0].id} --yes"))
    return checks


async def _probe(hub: Hub, now: datetime) -> list[Check]:
    probe = await hub.probes.last()
    if probe.sent is None:
        return [Check(what="probe", state="unknown", said="none was sent yet: the timer sends one every few minutes")]
    if probe.came is None and now - probe.sent < _SOON:
        return [Check(what="probe", state="unknown", said=f"sent {probe.sent.isoformat()}, it is under way")]
    if probe.came is None or probe.came < probe.sent - _PROBE or now - probe.came > 2 * _PROBE:
        came = probe.came.isoformat() if probe.came else "never"
        said = f"sent {probe.sent.isoformat()}, last seen {came}: events of storage do not arrive"
        return [Check(what="probe", state="wrong", said=said, mend=Mending(hub.settings).probe())]
    return [Check(what="probe", state="ok", said=f"came {probe.came.isoformat()} after {probe.latency or 0:.1f} s")]


async def _workspace(hub: Hub) -> list[Check]:
    settings = hub.settings
    try:
        await hub.azureml.job(f"{settings.hub_id}-checkup")
    except PermanentError as error:
        return [Check(what="workspace", state="wrong", said=str(error), mend=Mending(settings).workspace_role())]
    return [Check(what="workspace", state="ok", said=f"{settings.resource_group}/{settings.workspace} answers")]


async def _datastores(hub: Hub) -> list[Check]:
    """Look whether jobs can read what the hub freezes for them, and write where batch runs leave their results."""
    settings, automations = hub.settings, hub.rulebook.catalogue.automations.values()
    places: dict[tuple[str, str], str] = {}
    for loaded in automations if settings.accounts else ():
        jobs = loaded.automation.do
        if (jobs.train or jobs.score or jobs.job or loaded.automation.check) and not copies_because(loaded, ()):
            reason = f"more than HUB_FREEZE_COPY_MOST ({settings.freeze_copy_most:,} bytes) of it cannot be frozen"
            for blob in (trigger.blob_created for trigger in loaded.automation.on if trigger.blob_created):
                places[blob.account or "", blob.container] = reason
    if settings.data_account:
        places[settings.data_account, settings.data_container] = "jobs cannot read what is frozen"
        for loaded in automations:
            if loaded.automation.do.score:
                container = loaded.automation.do.score.output.partition("/")[0]
                places[settings.data_account, container] = "batch runs have no place for their results"
    missing = [place for place in places if place[0] and not settings.datastore_of(*place)]
    table = {**settings.datastores, **{"/".join(place): settings.datastore_for(*place) for place in missing}}
    return list(await asyncio.gather(*(_standing(hub, *place, why, table) for place, why in sorted(places.items()))))


async def _standing(hub: Hub, account: str, container: str, why: str, table: Mapping[str, str]) -> Check:
    """Look at the datastore of a container; where a trigger names no account, it is enough that one's is right.

    `table` is what HUB_DATASTORES should be: with all that are missing, so that mending one does not undo another.
    """
    accounts = [account] if account else sorted(hub.settings.accounts, key=lambda one: one != hub.settings.data_account)
    found = await asyncio.gather(*(_datastore(hub, one, container, why, table) for one in accounts))
    return min(found, key=lambda check: check.state != "ok")


async def _datastore(hub: Hub, account: str, container: str, why: str, table: Mapping[str, str]) -> Check:
    settings, place = hub.settings, f"{account}/{container}"
    name = settings.datastore_of(account, container)
    if not name:
        wanted = settings.datastore_for(account, container)
        mend = f"{Mending(settings).datastore(wanted, container, account)} && "
        mend += Mending(settings).setting("HUB_DATASTORES", json.dumps({**table, place: wanted}))
        return Check(what=f"datastore of {place}", state="wrong", said=f"HUB_DATASTORES has none: {why}", mend=mend)
    found, what = await hub.azureml.datastore(name), f"datastore {name}"
    if found is not None and found[0] in {"", account} and found[1] in {"", container}:
        return Check(what=what, state="ok", said=f"it stands for container {place}")
    seen = (
        "the workspace has no such datastore"
        if found is None
        else f"it stands for {'/'.join(filter(None, found))}, not {place}"
    )
    mend = Mending(settings).datastore(name, container, account)
    return Check(what=what, state="wrong", said=f"{seen}: {why}", mend=mend)


async def _channels(hub: Hub) -> list[Check]:
    """Look whether the settings have every channel that an automation names."""
    wanted: dict[str, str] = {}
    for name, loaded in hub.rulebook.catalogue.automations.items():
        automation = loaded.automation
        for channel in (*(automation.notify.to if automation.notify else ()), *_told(automation.do)):
            wanted.setdefault(channel, name)
    checks: list[Check] = []
    for channel, automation_name in sorted(wanted.items()):
        known = hub.settings.channels.get(channel)
        problem = "HUB_CHANNELS has no such channel" if known is None else known.problem
        if problem:
            setting = f"HUB_{channel.upper().replace('-', '_')}_URL"
            value = json.dumps({channel: {"kind": "teams", "url-setting": setting}})
            mend = Mending(hub.settings).setting("HUB_CHANNELS", value) + f"   # and {setting}, its webhook's address"
            said = f"{automation_name} tells it: {problem}"
            checks.append(Check(what=f"channel {channel}", state="wrong", said=said, mend=mend))
    return checks or [Check(what="channels", state="ok", said=f"{len(wanted)} are named, and all are there")]


def _told(action: Action) -> Sequence[str]:
    return action.notify.to if action.notify else ()


async def _prices(hub: Hub) -> list[Check]:
    checks: list[Check] = []
    for name, loaded in hub.rulebook.catalogue.automations.items():
        limits = loaded.automation.limits
        if limits is not None and limits.budget is not None and not hub.settings.prices:
            said = f"{name} has a budget, and no compute has a price: its work is held"
            mend = Mending(hub.settings).setting("HUB_COMPUTE_PRICES", '{"*": {"amount": 0.2, "currency": "USD"}}')
            checks.append(Check(what="prices", state="wrong", said=said, mend=mend))
    return checks or [Check(what="prices", state="ok", said="every budget can be counted")]
