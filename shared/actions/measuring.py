"""What a rollout is judged by: metrics of the service and of the team, and requests that make up the minimum."""

import json
import math
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from shared.automations.language_deploy import CustomMetric, Deploy
from shared.automations.loading import Loaded
from shared.azureml.endpoints import Endpoints, EndpointView
from shared.azureml.queries import Queries
from shared.deciding import rollout, smoke
from shared.deciding.analysis import Measured
from shared.engine.outcomes import PermanentError, TransientError
from shared.expressions import Expression, ExpressionError

_LONG_ENOUGH: Final = 20.0
"""Seconds of sending at one look."""
_REASONS: Final = 5


class Measuring:
    """Reads and sends. `grain`: seconds of an interval of the service's metrics."""

    def __init__(self, endpoints: Endpoints, queries: Queries, grain: int = 60) -> None:
        self._endpoints = endpoints
        self._queries = queries
        self.grain = grain

    async def read(
        self, view: EndpointView, plan: rollout.Plan, deploy: Deploy, detail: dict[str, Any], now: datetime
    ) -> Measured | None:
        """Read the metrics of the step so far: whole intervals only, and only those that have settled.

        A step that lacks requests when its time is over goes on being measured: those that come later count, too.
        None where there are none; why metrics could not be read is kept in the detail, and they are looked for again.
        """
        step, settled = int(detail["step"]), detail.get("settled")
        if not settled or step < 0 or not plan.steps[step].length:
            return None
        began = datetime.fromisoformat(settled)
        start = math.ceil(began.timestamp() / self.grain) * self.grain
        last = now - plan.analysis.settle
        end = int(last.timestamp()) // self.grain * self.grain
        if end <= start:
            return None
        window = datetime.fromtimestamp(start, UTC), datetime.fromtimestamp(end, UTC)
        try:
            found = await self._endpoints.measured(view.name, plan.challenger, *window, self.grain)
        except (PermanentError, TransientError) as error:
            detail["unmeasured"] = [str(error)]
            return None
        custom, reasons = await self._custom(deploy, view.name, plan.challenger, window)
        detail["unmeasured"] = reasons
        own = sum(
            count for at, count in detail.get("smoke", []) if start <= datetime.fromisoformat(at).timestamp() < end
        )
        return Measured(
            found.start,
            found.end,
            found.read,
            found.requests,
            found.error_rate,
            found.latency,
            custom,
            min(own, found.requests),
            found.source,
        )

    async def _custom(
        self, deploy: Deploy, endpoint: str, deployment: str, window: tuple[datetime, datetime]
    ) -> tuple[dict[str, float], list[str]]:
        """Give the values of the team's own metrics, and why others have none."""
        values: dict[str, float] = {}
        reasons: list[str] = []
        for name, metric in (deploy.analysis.custom if deploy.analysis else {}).items():
            try:
                values[name] = value_of(metric, await self._rows(metric, endpoint, deployment, window))
            except (PermanentError, TransientError, ExpressionError) as error:
                reasons.append(f"{name}: {error}")
        return values, reasons[:_REASONS]

    async def _rows(
        self, metric: CustomMetric, endpoint: str, deployment: str, window: tuple[datetime, datetime]
    ) -> list[dict[str, Any]]:
        places = {"start": _moment(window[0]), "end": _moment(window[1])}
        places |= {"endpoint": endpoint, "deployment": deployment}
        query = metric.query
        for name, value in places.items():
            query = query.replace(f"{{{name}}}", value)
        return await self._queries.rows(query, *window)

    def wanted(
        self, plan: rollout.Plan, deploy: Deploy, detail: Mapping[str, Any], measured: Measured | None, now: datetime
    ) -> int:
        """Give how many requests of the hub's own are to be sent now."""
        step, settled = int(detail["step"]), detail.get("settled")
        if not (deploy.analysis and deploy.analysis.smoke and settled and step >= 0):
            return 0
        sent = sum(count for _, count in detail.get("smoke", []))
        return smoke.due(plan.analysis, plan.steps[step], datetime.fromisoformat(settled), measured, sent, now)

    async def send(self, loaded: Loaded, deploy: Deploy, view: EndpointView, challenger: str, count: int) -> int:
        """Send requests to the challenger, as many as a look has time for; give how many.

        One after the other: a deployment refuses what is more than it can take at once, and the hub would be the cause.
        What became of them is in the service's metrics.
        """
        bodies, began = bodies_of(loaded, deploy), time.monotonic()
        for number in range(count):
            if time.monotonic() - began > _LONG_ENOUGH:
                return number
            await self._endpoints.call(view, challenger, bodies[number % len(bodies)])
        return count


def bodies_of(loaded: Loaded, deploy: Deploy) -> list[bytes]:
    """Give the requests of the smoke file; raises PermanentError where it has none, or a line is no JSON."""
    path = deploy.analysis.smoke if deploy.analysis else None
    lines = [line.strip() for line in loaded.files[path].splitlines() if line.strip()] if path else []
    for number, line in enumerate(lines, 1):
        try:
            json.loads(line)
        except ValueError:
            raise PermanentError(f"{path}: request {number} is no JSON; one request a line is expected") from None
    if not lines:
        raise PermanentError(f"{path or 'analysis.smoke'} has no request: one a line is expected, as JSON")
    return lines


def value_of(metric: CustomMetric, rows: list[dict[str, Any]]) -> float:
    """Give the metric's value from the rows of its query; raises ExpressionError where they give no number."""
    value = Expression.compile(metric.value, {"rows"}).evaluate({"rows": rows})
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ExpressionError(f"`{metric.value}` gives {value!r}; a number is expected")
    return float(value)


def _moment(time: datetime) -> str:
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
