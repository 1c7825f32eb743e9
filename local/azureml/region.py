"""What a region tells beside the workspace: sizes and quota of machines, and the queries of a Log Analytics workspace.

The log has the table of the requests of online endpoints, as diagnostic settings send it there:
https://learn.microsoft.com/azure/azure-monitor/reference/tables/amlonlineendpointtrafficlog
"""

import asyncio
import re
import uuid
from datetime import datetime
from typing import Final

from aiohttp import web

from local.azureml import kusto
from local.azureml.metrics import Metrics
from local.azureml.online import DEPLOYMENTS
from local.azureml.routes import Call, Routes
from local.azureml.state import State
from local.azureml.wire import PROVIDER, ArmError, Json, invalid, listing, reply
from local.config import SUBSCRIPTION

LOGS: Final = str(uuid.uuid5(uuid.NAMESPACE_URL, "azureml://laptop-logs"))
"""The id of the laptop's Log Analytics workspace."""
_CORES: Final = 100
_SIZE: Final = re.compile(
    r"Standard_(?P<family>[A-Z]+)(?P<cores>[0-9]+)(?P<more>[a-z]*)(?:_(?P<version>v[0-9]))?", re.ASCII
)
_SIZES: Final = (
    "Standard_DS1_v2",
    "Standard_DS2_v2",
    "Standard_DS3_v2",
    "Standard_DS4_v2",
    "Standard_F2s_v2",
    "Standard_F4s_v2",
)
_VIRTUAL: Final = {"Standard_DS1_v2": 1, "Standard_DS2_v2": 2, "Standard_DS3_v2": 4, "Standard_DS4_v2": 8}
_KINDS: Final = {str: "string", int: "long", float: "real", bool: "bool"}


class Region:
    """Quota, by what the deployments of the laptop use of it, and the log."""

    def __init__(self, state: State, metrics: Metrics) -> None:
        self._state, self._metrics = state, metrics
        self.logs = Routes()
        self.logs.add("POST", "{workspace}/query", self._query)

    def serve(self, subscription: Routes, plain: Routes) -> None:
        """Add the routes; `PUT /control/quota` with {"cores": 8} sets the limit of each family, which is 100."""
        subscription.add("GET", "locations/{location}/vmSizes", self._sizes)
        subscription.add("GET", "locations/{location}/usages", self._usages)
        plain.add("PUT", "control/quota", self._set)

    async def _set(self, call: Call) -> web.Response:
        cores = call.body.get("cores")
        if not isinstance(cores, int) or cores < 0:
            raise invalid(f"The cores are {cores!r}: a number is expected.")
        self._state.put("settings", "quota", {"cores": cores})
        return reply({"cores": cores})

    async def _sizes(self, _: Call) -> web.Response:
        return listing([{"name": name, "family": _family(name), "vCPUs": _cores(name), "gpus": 0} for name in _SIZES])

    async def _usages(self, call: Call) -> web.Response:
        limit = (self._state.get("settings", "quota") or {"cores": _CORES})["cores"]
        used: dict[str, int] = {_family(name): 0 for name in _SIZES}
        for stored in self._state.documents(DEPLOYMENTS, None):
            size = str(stored["body"]["properties"].get("instanceType") or "")
            if size in _SIZES:
                used[_family(size)] += _cores(size) * int(stored["body"]["sku"]["capacity"])
        place = f"/subscriptions/{SUBSCRIPTION}/providers/{PROVIDER}/locations/{call.params['location']}/usages"
        return listing([_usage(place, family, count, limit) for family, count in used.items()])

    async def _query(self, call: Call) -> web.Response:
        if call.params["workspace"].lower() != LOGS:
            raise ArmError(404, "WorkspaceNotFoundError", f"There is no workspace {call.params['workspace']} here.")
        query, span = str(call.body.get("query") or ""), str(call.body.get("timespan") or "")
        try:
            start, end = _span(span)
            rows = await asyncio.to_thread(kusto.run, query, {"AmlOnlineEndpointTrafficLog": self._traffic(start, end)})
        except (kusto.QueryError, ValueError) as error:
            inner = {"code": "SyntaxError", "message": str(error)}
            said = "The request had some invalid properties"
            return reply({"error": {"message": said, "code": "BadArgumentError", "innererror": inner}}, 400)
        names = list(rows[0]) if rows else []
        columns = [{"name": name, "type": _KINDS.get(type(rows[0][name]), "dynamic")} for name in names]
        table = {"name": "PrimaryResult", "columns": columns, "rows": [list(row.values()) for row in rows]}
        return reply({"tables": [table]})

    def _traffic(self, start: float, end: float) -> list[Json]:
        return [
            {
                "TimeGenerated": kusto.moment(at),
                "EndpointName": endpoint,
                "DeploymentName": deployment,
                "ResponseCode": status,
                "ModelStatusCode": model,
                "TotalDurationMs": took,
            }
            for endpoint, deployment, status, model, at, took in self._metrics.requests()
            if start <= at < end
        ]


def _span(text: str) -> tuple[float, float]:
    if not text:
        return 0.0, float("inf")
    start, _, end = text.partition("/")
    return datetime.fromisoformat(start).timestamp(), datetime.fromisoformat(end).timestamp()


def _family(size: str) -> str:
    found = _SIZE.fullmatch(size)
    return f"standard{found['family']}{found['more']}{found['version']}Family" if found else ""


def _cores(size: str) -> int:
    found = _SIZE.fullmatch(size)
    return _VIRTUAL.get(size) or (int(found["cores"]) if found else 0)


def _usage(place: str, family: str, used: int, limit: int) -> Json:
    plain = family.removeprefix("standard").removesuffix("Family")
    name = f"Standard {plain} Family Cluster Dedicated vCPUs"
    return {
        "id": f"{place}/{family}",
        "type": f"{PROVIDER}/vmFamily/dedicatedCores/usages",
        "unit": "Count",
        "currentValue": used,
        "limit": limit,
        "name": {"value": name, "localizedValue": name},
    }
