"""Deployments that have served their time: planned when a release is done, removed by the sweep once they are idle."""

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from shared.azureml.endpoints import Endpoints
from shared.engine.outcomes import PermanentError, TransientError
from shared.ledger.protocol import Delete, NotFoundError, Row, Store, Upsert, Value
from shared.ledger.records import SCHEMA

logger = logging.getLogger(__name__)

_PARTITION: Final = "retire"
_LATER: Final = timedelta(minutes=10)


class Retirements:
    """What is to be removed, and when."""

    def __init__(self, store: Store, endpoints: Endpoints) -> None:
        self._table = store.table("retirements")
        self._endpoints = endpoints

    async def plan(self, endpoint: str, deployments: Sequence[str], due: datetime, activity: str) -> None:
        """Have deployments removed at `due`, if they take no traffic then."""
        for name in deployments:
            cells: dict[str, Value] = {"schema": SCHEMA, "due": due.isoformat(), "activity": activity}
            await self._table.apply([Upsert(Row(_PARTITION, f"{endpoint}|{name}", cells))])

    async def keep(self, endpoint: str, deployment: str) -> None:
        """Drop a plan: the deployment is wanted again."""
        try:
            await self._table.apply([Delete(_PARTITION, f"{endpoint}|{deployment}")])
        except NotFoundError:
            return

    async def planned(self) -> list[tuple[str, str, datetime, str]]:
        """Give (endpoint, deployment, due, activity) of all that are planned."""
        rows = await self._table.scan(_PARTITION)
        return [
            (*_names(row.key), datetime.fromisoformat(str(row.cells["due"])), str(row.cells["activity"]))
            for row in rows
        ]

    async def run(self, now: datetime) -> int:
        """Remove what is due and idle; give how many that were."""
        count = 0
        for endpoint, name, due, activity in await self.planned():
            if due > now:
                continue
            try:
                count += await self._retire(endpoint, name, activity, now)
            except (TransientError, PermanentError) as error:
                logger.warning("deployment %s/%s cannot be removed now: %s", endpoint, name, error)
        return count

    async def _retire(self, endpoint: str, name: str, activity: str, now: datetime) -> int:
        view = await self._endpoints.endpoint(endpoint)
        if view is not None and (view.traffic.live.get(name) or view.traffic.mirror.get(name)):
            await self.plan(endpoint, [name], now + _LATER, activity)
            return 0
        if view is not None:
            await self._endpoints.delete_deployment(endpoint, name)
        await self.keep(endpoint, name)
        logger.info("deployment %s/%s is removed: its time as the previous one is over", endpoint, name)
        return 1


def _names(key: str) -> tuple[str, str]:
    endpoint, _, name = key.partition("|")
    return endpoint, name
