"""Checks from inside what a hub needs: containers, workspace, queues, switches, probe; each says what mends it."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Final, Literal

from azure.core.exceptions import AzureError
from pydantic import BaseModel, ConfigDict

from shared.bootstrap import Hub
from shared.engine.outcomes import PermanentError, TransientError
from shared.ledger.protocol import StoreError

State = Literal["ok", "wrong", "unknown"]
_TIMEOUT: Final = 20.0
_OLD_MESSAGE: Final = timedelta(minutes=5)
_PROBE: Final = timedelta(minutes=20)


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
        ("prices", lambda: _prices(hub)),
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
        return Check(what=f"container {container}", state="wrong", said=said, mend=_SET_ACCOUNT)
    found = await asyncio.gather(*(_container(hub, one, container) for one in accounts))
    return min(found, key=lambda check: ("ok", "unknown", "wrong").index(check.state))


async def _container(hub: Hub, account: str, container: str) -> Check:
    what = f"container {account}/{container}"
    try:
        async for _ in hub.data.files(account, container, ""):
            break
    except PermanentError as error:
        role = f"az role assignment create --role 'Storage Blob Data Contributor' --scope <id of {account}>"
        make = f"az storage container create --auth-mode login --account-name {account} --name {container}"
        absent = "has no container" in str(error)
        return Check(what=what, state="wrong", said=str(error), mend=make if absent else role)
    except TransientError as error:
        return Check(what=what, state="unknown", said=str(error))
    return Check(what=what, state="ok", said="it can be listed")


async def _queues(hub: Hub) -> list[Check]:
    checks: list[Check] = []
    for name in (hub.settings.events_queue, hub.settings.work_queue):
        count, age = await hub.store.queue(name).depth()
        late = age > _OLD_MESSAGE.total_seconds()
        said = f"{count} messages, the oldest visible one {age:.0f} s old"
        mend = "restart the app (az functionapp restart, or make down up), then look at its log" if late else ""
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
    said = f"{len(waiting)} wait, the newest: {waiting[0].reason}"
    return [Check(what="dead letters", state="wrong", said=said, mend=f"./hub replay {waiting[0].id} --yes")]


async def _probe(hub: Hub, now: datetime) -> list[Check]:
    probe = await hub.probes.last()
    if probe.sent is None:
        return [Check(what="probe", state="unknown", said="none was sent yet: the timer sends one every few minutes")]
    if probe.came is None or probe.came < probe.sent - _PROBE or now - probe.came > 2 * _PROBE:
        came = probe.came.isoformat() if probe.came else "never"
        said = f"sent {probe.sent.isoformat()}, last seen {came}: events of storage do not arrive"
        mend = "az eventgrid system-topic event-subscription list -g <group> --system-topic-name <topic>"
        return [Check(what="probe", state="wrong", said=said, mend=mend)]
    return [Check(what="probe", state="ok", said=f"came {probe.came.isoformat()} after {probe.latency or 0:.1f} s")]


async def _workspace(hub: Hub) -> list[Check]:
    settings = hub.settings
    await hub.azureml.job(f"{settings.hub_id}-checkup")
    return [Check(what="workspace", state="ok", said=f"{settings.resource_group}/{settings.workspace} answers")]


async def _prices(hub: Hub) -> list[Check]:
    checks: list[Check] = []
    for name, loaded in hub.rulebook.catalogue.automations.items():
        limits = loaded.automation.limits
        if limits is not None and limits.budget is not None and not hub.settings.prices:
            said = f"{name} has a budget, and no compute has a price: its work is held"
            checks.append(Check(what="prices", state="wrong", said=said, mend=_SET_PRICES))
    return checks or [Check(what="prices", state="ok", said="every budget can be counted")]


_SET_ACCOUNT: Final = (
    "az functionapp config appsettings set -g <group> -n <app> "
    "--settings HUB_ACCOUNT_<NAME>__blobServiceUri=https://<name>.blob.core.windows.net"
)
_SET_PRICES: Final = (
    "az functionapp config appsettings set -g <group> -n <app> "
    '--settings \'HUB_COMPUTE_PRICES={"cpu-cluster": {"amount": 0.2, "currency": "USD"}}\''
)
