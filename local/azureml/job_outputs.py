"""Where the outputs of jobs lie, as the run history and the data service tell a client that downloads them by name."""

import re
from typing import Final

from aiohttp import web

from local.azureml.routes import Call, Routes
from local.azureml.runs import Runs
from local.azureml.wire import LOCATION, WORKSPACE_GUID, Json, reply
from local.azureml.workspace import BLOB_STORE

_DATA: Final = frozenset({"uri_file", "uri_folder", "mltable"})
"""Models are left out: azure-ai-ml 1.35.2 stumbles over the answer about them; it knows their default folder anyway."""
_PREFIX: Final = f"azureml://locations/{LOCATION}/workspaces/{WORKSPACE_GUID}/data/"
_ID: Final = re.compile(rf"{re.escape(_PREFIX)}azureml_(?P<job>.+?)_output_data_(?P<output>\w+)/versions/1")


class JobOutputs:
    """The route `/data/v1.0/<workspace>/dataversion/batchGetResolvedUris`, and the ids that it resolves."""

    def __init__(self, runs: Runs) -> None:
        self._runs = runs

    def serve(self, data: Routes) -> None:
        """Add the route."""
        data.add("POST", "dataversion/batchGetResolvedUris", self._resolved)

    def of(self, job: Json) -> Json:
        """Give the outputs of a job as its run has them: by name, an id and a type."""
        return {
            name: {"assetId": f"{_PREFIX}azureml_{job['name']}_output_data_{name}/versions/1", "type": kind}
            for name, given in (job["properties"].get("outputs") or {}).items()
            if (kind := given["jobOutputType"]) in _DATA and _uri(job["name"], name, given)
        }

    async def _resolved(self, call: Call) -> web.Response:
        found: Json = {}
        for identity in call.body.get("values") or ():
            match = _ID.fullmatch(str(identity))
            document = self._runs.find(match["job"]) if match else None
            if match is None or document is None:
                continue
            given = (document["job"]["properties"].get("outputs") or {}).get(match["output"])
            if given:
                uri = _uri(match["job"], match["output"], given)
                found[identity] = {"uri": uri, "type": given["jobOutputType"]}
        return reply({"values": found})


def _uri(job: str, name: str, given: Json) -> str:
    """Give the address in a datastore; "" where the output goes past them."""
    text = str(
        given.get("uri") or "azureml://datastores/${{default_datastore}}/paths/azureml/${{name}}/${{output_name}}/"
    )
    if "datastores/" not in text:
        return ""
    for key, value in (("name", job), ("output_name", name), ("default_datastore", BLOB_STORE)):
        text = text.replace(f"${{{{{key}}}}}", value)
    return text
