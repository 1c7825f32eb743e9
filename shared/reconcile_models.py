"""The reconciler's look at models: versions that no event told of are taken in as if one had."""

import json
import logging
import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import Final

from shared.automations.models import Automation
from shared.azureml.protocol import Registered
from shared.bootstrap import Hub
from shared.events.identity import claim
from shared.events.model import Event
from shared.events.parsing import parse
from shared.ledger.protocol import Row, Upsert, Value
from shared.ledger.records import SCHEMA
from shared.settings import Settings

logger = logging.getLogger(__name__)
_OVERLAP: Final = timedelta(minutes=30)


async def missing_models(hub: Hub, automation: Automation, begin: datetime, end: datetime, now: datetime) -> int:
    """Take in the versions of [begin, end) that no event told of; give how many. Raises as the workspace does.

    `begin` is the automation's horizon; what an earlier look has seen is not looked at again.
    """
    patterns = [trigger.model_registered.model for trigger in automation.on if trigger.model_registered]
    table = hub.store.table("reconciler")
    upto = await table.get("models-upto", automation.name)
    begin = max(begin, datetime.fromisoformat(str(upto.cells["at"])) - _OVERLAP) if upto else begin
    if not patterns or begin >= end:
        return 0
    found = [one for one in await hub.azureml.registered(begin) if begin <= one.created < end]
    chosen = [one for one in found if any(fnmatchcase(one.name, pattern) for pattern in patterns)]
    events = _events(hub.settings, chosen, now)
    missing = [event for event in events if not await hub.journal.has(claim(event))]
    if missing:
        await hub.intake.take(missing, now, "reconciler")
        logger.error("reconciler: no event told of %d models of %s; they are taken in", len(missing), automation.name)
    cells: dict[str, Value] = {"schema": SCHEMA, "at": end.isoformat()}
    await table.apply([Upsert(Row("models-upto", automation.name, cells))])
    return len(missing)


def _events(settings: Settings, versions: Sequence[Registered], now: datetime) -> list[Event]:
    """Give the events as the workspace would have told them."""
    workspace = (
        f"/subscriptions/{settings.subscription}/resourceGroups/{settings.resource_group}"
        f"/providers/Microsoft.MachineLearningServices/workspaces/{settings.workspace}"
    )
    body = [
        {
            "id": str(uuid.uuid5(uuid.NAMESPACE_URL, f"{workspace}/models/{one.name}/versions/{one.version}")),
            "topic": workspace,
            "subject": f"models/{one.name}:{one.version}",
            "eventType": "Microsoft.MachineLearningServices.ModelRegistered",
            "eventTime": one.created.isoformat(),
            "data": {
                "ModelName": one.name,
                "ModelVersion": one.version,
                "ModelTags": dict(one.tags),
                "ModelProperties": dict(one.properties),
            },
            "dataVersion": "",
            "metadataVersion": "1",
        }
        for one in versions
    ]
    return [event for event in parse(json.dumps(body), now) if isinstance(event, Event)] if body else []
