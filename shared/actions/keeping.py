"""The deployments that a release supersedes: how long they stay, and what that costs."""

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from shared.actions.retire import Retirements
from shared.azureml.endpoints import Endpoints
from shared.deciding import rollout
from shared.deciding.costs import cost_of
from shared.deciding.wording import length

Price = Callable[[str], tuple[Decimal, str] | None]
"""Gives what an hour of one instance of a type costs, and the currency."""


class Keeping:
    """Keeps what was live before a release for a while, so that going back is quick."""

    def __init__(self, endpoints: Endpoints, retirements: Retirements, price: Price) -> None:
        self._endpoints = endpoints
        self._retirements = retirements
        self._price = price

    async def keep(
        self, endpoint: str, plan: rollout.Plan, keep: timedelta, now: datetime, activity: str
    ) -> dict[str, Any]:
        """Plan the removal of the superseded deployments; give which, until when, and what they cost meanwhile."""
        previous = [name for name in plan.before.live if name != plan.challenger]
        await self._retirements.plan(endpoint, previous, now + keep, activity)
        kept: dict[str, Any] = {"previous": previous, "previous-until": (now + keep).isoformat()}
        if previous and keep:
            found = {one.name: one for one in await self._endpoints.deployments(endpoint)}
            told = [
                self._cost(found[name].instance_type, found[name].instances, keep) for name in previous if name in found
            ]
            kept["previous-cost"] = "; ".join(told)
        return kept

    def _cost(self, kind: str, instances: int, keep: timedelta) -> str:
        what = f"{length(keep)} of {instances} x {kind or 'an unnamed instance type'}"
        price = self._price(kind)
        if price is None:
            return f"{what}: HUB_COMPUTE_PRICES has no price for it"
        return f"{what}: {cost_of(*price, instances, keep)}"
