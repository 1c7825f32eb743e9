"""The reconciler: finds files and models that are there and that no event told of, and takes them in as if one had.

It begins at an automation's first deployment, so that years of old files start nothing (those come in by backfill), and
looks back at most as far as its horizon. A listing is what every storage has; the change feed, which Azure has and the
laptop has not, would be cheaper for containers with very many blobs.
"""

import asyncio
import logging
from datetime import datetime, timedelta
from typing import Final

from shared.automations.models import Automation
from shared.backfill import NoFilesError, TooManyFilesError, older_files
from shared.bootstrap import Hub
from shared.engine.outcomes import PermanentError, TransientError
from shared.events.identity import claim
from shared.ledger.protocol import AlreadyExistsError, Insert, Row, Upsert, Value
from shared.ledger.records import SCHEMA
from shared.reconcile_models import missing_models

logger = logging.getLogger(__name__)

HORIZON: Final = timedelta(days=7)
"""How far it looks back; claims are kept longer than this."""
GRACE: Final = timedelta(minutes=5)
"""Events are given so long to come by themselves."""
_OVERLAP: Final = timedelta(minutes=30)
_AT_ONCE: Final = 32
_BATCH: Final = 500


async def reconcile(hub: Hub, now: datetime) -> int:
    """Look once at the files and models of every automation; give how many were taken in that no event told of."""
    count = 0
    for loaded in list(hub.rulebook.catalogue.automations.values()):
        if any(trigger.blob_created for trigger in loaded.automation.on):
            try:
                count += await _automation(hub, loaded.automation, now)
            except (NoFilesError, TooManyFilesError, PermanentError, TransientError) as error:
                logger.warning("reconciler: files of %s cannot be looked at: %s", loaded.automation.name, error)
        if any(trigger.model_registered for trigger in loaded.automation.on):
            try:
                begin = max(await _moment(hub, "deployed", loaded.automation.name, now), now - HORIZON)
                count += await missing_models(hub, loaded.automation, begin, now - GRACE, now)
            except (PermanentError, TransientError) as error:
                logger.warning("reconciler: models of %s cannot be looked at: %s", loaded.automation.name, error)
    return count


async def _automation(hub: Hub, automation: Automation, now: datetime) -> int:
    table = hub.store.table("reconciler")
    deployed = await _moment(hub, "deployed", automation.name, now)
    upto = await table.get("upto", automation.name)
    last = datetime.fromisoformat(str(upto.cells["at"])) - _OVERLAP if upto else deployed
    begin, end = max(deployed, now - HORIZON, last), now - GRACE
    if begin >= end:
        return 0
    events = await older_files(hub, automation, begin, end, now)
    gate = asyncio.Semaphore(_AT_ONCE)

    async def known(name: str) -> bool:
        async with gate:
            return await hub.journal.has(name)

    seen = await asyncio.gather(*(known(claim(event)) for event in events))
    missing = [event for event, is_known in zip(events, seen, strict=True) if not is_known]
    for start in range(0, len(missing), _BATCH):
        await hub.intake.take(missing[start : start + _BATCH], now, "reconciler")
    if missing:
        logger.error(
            "reconciler: no event told of %d files of %s; they are taken in now", len(missing), automation.name
        )
    cells: dict[str, Value] = {"schema": SCHEMA, "at": end.isoformat()}
    await table.apply([Upsert(Row("upto", automation.name, cells))])
    return len(missing)


async def _moment(hub: Hub, partition: str, name: str, now: datetime) -> datetime:
    """Give when this was first asked for."""
    table = hub.store.table("reconciler")
    row = await table.get(partition, name)
    if row is None:
        try:
            await table.apply([Insert(Row(partition, name, {"schema": SCHEMA, "at": now.isoformat()}))])
        except AlreadyExistsError:
            row = await table.get(partition, name)
    return datetime.fromisoformat(str(row.cells["at"])) if row else now
