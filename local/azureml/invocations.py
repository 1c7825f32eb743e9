"""Invocations of batch endpoints: each a pipeline job with one step that scores the files."""

import hashlib
import json
import shlex
import uuid
from pathlib import Path
from typing import Any, Final

from aiohttp import web

from local.azureml.assets import Assets
from local.azureml.batch import KIND, Batch
from local.azureml.commands import seconds
from local.azureml.inputs import Resolver
from local.azureml.jobs import Jobs
from local.azureml.pipelines import child
from local.azureml.routes import Call, Routes
from local.azureml.runs import Runs
from local.azureml.uris import asset_ref
from local.azureml.wire import ArmError, Json, invalid, listing, reply, text_map
from local.config import Cloud

_SCORING: Final = Path(__file__).with_name("scoring")
_TYPES: Final = {"urifolder": "uri_folder", "urifile": "uri_file", "mltable": "mltable", "literal": "literal"}
_HEADER: Final = "azureml-model-deployment"
_STEP: Final = "batchscoring"
_ENVIRONMENT: Final = "azureml:laptop-serving:1"
"""Runs MLflow models that are deployed without an environment."""


class Invocations:
    """The scoring route of batch endpoints, and the lists of their jobs."""

    def __init__(self, cloud: Cloud, batch: Batch, assets: Assets, jobs: Jobs, runs: Runs, resolver: Resolver) -> None:
        self._cloud, self._batch, self._assets = cloud, batch, assets
        self._jobs, self._runs, self._resolver = jobs, runs, resolver

    def serve(self, scoring: Routes, management: Routes) -> None:
        """Add the routes: below /batch, and below /mferp/managementfrontend/<workspace>."""
        scoring.add("POST", "{endpoint}/jobs", self._invoke)
        scoring.add("GET", "{endpoint}/jobs/{name}", self._get)
        management.add("GET", f"{KIND}/{{endpoint}}/jobs", self._list)
        management.add("GET", f"{KIND}/{{endpoint}}/deployments/{{deployment}}/jobs", self._list)

    async def _invoke(self, call: Call) -> web.Response:
        endpoint = self._batch.endpoint(call.params["endpoint"])
        wanted = call.request.headers.get(_HEADER) or endpoint["properties"]["defaults"]["deploymentName"]
        if not wanted:
            raise ArmError(
                400,
                "BadRequest",
                f"The endpoint '{endpoint['name']}' has no default deployment: name one by the header {_HEADER}.",
            )
        deployment = self._batch.deployment(endpoint["name"], wanted)
        if deployment["properties"]["provisioningState"] != "Succeeded":
            raise ArmError(409, "Conflict", f"The deployment '{wanted}' is not ready.", ("Conflict",))
        given = call.properties()
        name = str(given.get("name") or f"batchjob-{uuid.uuid4()}")
        body = self._pipeline(name, endpoint, deployment, given)
        stored = self._runs.find(name)
        job = self._jobs.changed(stored, body) if stored else self._jobs.create(name, body)
        headers = {
            _HEADER: deployment["name"],
            "Location": f"https://127.0.0.1:{self._cloud.azureml_tls_port}/mferp/managementfrontend{deployment['id']}"
            "?api-version=2020-09-01-dataplanepreview",
        }
        return reply(self._body(job), 201, headers)

    def _pipeline(self, name: str, endpoint: Json, deployment: Json, given: Json) -> Json:
        """Give the pipeline job that scores: one step, its command made from the deployment's settings."""
        settings = deployment["properties"]
        inputs = {key: _input(item) for key, item in (given.get("inputData") or {}).items()}
        data = next((key for key, item in inputs.items() if item["jobInputType"] != "literal"), None)
        if data is None:
            raise invalid("The invocation names no data: 'inputData' has neither a UriFile nor a UriFolder.")
        outputs = given.get("outputData") or {}
        if len(outputs) > 1:
            raise invalid("A model deployment has one output.")
        asked: Json = next(iter(outputs.values()), {})
        folder, file = _output(asked)
        spec = self._component(settings, inputs[data]["jobInputType"], file, given)
        version = str(uuid.UUID(hashlib.sha256(json.dumps(spec, sort_keys=True).encode()).hexdigest()[:32]))
        self._assets.create("components", "azureml_anonymous", version, {"componentSpec": spec, "isAnonymous": True})
        component = f"{self._cloud.workspace_id}/components/azureml_anonymous/versions/{version}"
        model = {"jobInputType": "custom_model", "uri": settings["model"]["assetId"]}
        extra = given.get("properties") or {}
        step: Json = {
            "type": "command",
            "componentId": component,
            "computeId": settings["compute"],
            "inputs": {
                "data": {"value": "${{parent.inputs.data}}"},
                "model": {"value": "${{parent.inputs.model}}"},
            },
            "outputs": {"score": {"value": "${{parent.outputs.score}}"}},
            "environment_variables": settings["environmentVariables"],
        }
        return {
            "jobType": "Pipeline",
            "experimentName": extra.get("experimentName") or endpoint["name"],
            "displayName": name,
            "computeId": settings["compute"],
            "inputs": {"data": inputs[data], "model": model},
            "outputs": {"score": {"jobOutputType": "uri_folder", "uri": folder}},
            "settings": {"continue_on_step_failure": False},
            "jobs": {_STEP: step},
            "properties": {
                **text_map({name: value for name, value in extra.items() if name != "experimentName"}),
                "azureml.runsource": "azureml.PipelineRun",
                "runSource": "Unavailable",
                "runType": "HTTP",
                "azureml.continue_on_step_failure": "False",
                "azureml.continue_on_failed_optional_input": "False",
                "azureml.pipelineComponent": "pipelinerun",
                "azureml.endpointname": endpoint["name"],
            },
            "tags": {
                **(given.get("tags") or {}),
                "outputType": "output_data",
                "inputType": "input_data",
                "azureml.batchrun": "true",
                "azureml.deploymentname": deployment["name"],
                "azureml.jobtype": "azureml.batchjob",
            },
        }

    def _component(self, settings: Json, data: str, file: str, given: Json) -> Json:
        ref = asset_ref(settings["model"]["assetId"], "models")
        assert ref is not None
        model = self._assets.find(ref, "models")["properties"]
        place = self._resolver.place(model["modelUri"], model["modelType"])
        code = settings["codeConfiguration"] or {}
        retry = given.get("retrySettings") or settings["retrySettings"]
        overrides: dict[str, Any] = {key: given.get(key, settings[key]) for key in ("miniBatchSize", "errorThreshold")}
        options = {
            "--model-name": place.path.rstrip("/").rpartition("/")[2],
            "--script": code.get("scoringScript") or str(_SCORING / "mlflow_batch.py"),
            "--output-file": file or given.get("outputFileName") or settings["outputFileName"],
            "--action": "append_row" if settings["outputAction"] == "AppendRow" else "summary_only",
            "--mini-batch-size": overrides["miniBatchSize"],
            "--concurrency": settings["maxConcurrencyPerInstance"] * settings["resources"]["instanceCount"],
            "--error-threshold": overrides["errorThreshold"],
            "--max-retries": retry.get("maxRetries", 3),
            "--timeout": seconds(retry.get("timeout") or "PT30S"),
        }
        words = " ".join(f"{key}={shlex.quote(str(value))}" for key, value in options.items())
        driver = shlex.quote(str(_SCORING / "batch_driver.py"))
        places = "--data ${{inputs.data}} --model ${{inputs.model}} --output ${{outputs.score}}"
        return {
            "name": _STEP,
            "type": "command",
            "command": f"python -P {driver} {places} {words}",
            "environment": settings["environmentId"] or _ENVIRONMENT,
            "code": code.get("codeId"),
            "inputs": {"data": {"type": data}, "model": {"type": model["modelType"]}},
            "outputs": {"score": {"type": "uri_folder"}},
        }

    def _body(self, job: Json) -> Json:
        properties = job["properties"]
        deployment = properties["tags"]["azureml.deploymentname"]
        endpoint = properties["properties"]["azureml.endpointname"]
        services = {
            key: {"jobEndpointType": key, "port": None, "endpoint": service["endpoint"], "properties": None}
            for key, service in properties["services"].items()
        }
        data = properties["inputs"]["data"]
        step = child(job["name"], _STEP)
        spec = self._batch.deployment(endpoint, deployment)["properties"]
        system = {**job["systemData"], "lastModifiedAt": job["systemData"]["createdAt"]}
        return {
            "id": f"{self._cloud.workspace_id}/{KIND}/{endpoint}/deployments/{deployment}/jobs/{job['name']}",
            "name": job["name"],
            "type": "Microsoft.MachineLearningServices/workspaces/batchEndpoints/deployments/jobs",
            "properties": {
                "provisioningState": "Succeeded",
                "inputData": {"UriFolder": {**data, "jobInputType": "UriFolder"}},
                "compute": {
                    "target": properties["computeId"],
                    "instanceCount": None,
                    "isLocal": False,
                    "location": None,
                    "instanceType": None,
                    "properties": None,
                },
                "output": {"datastoreId": None, "path": properties["outputs"]["score"]["uri"]},
                "retrySettings": spec["retrySettings"],
                "status": "Preparing" if properties["status"] in {"NotStarted", "Starting"} else properties["status"],
                "interactionEndpoints": services,
                "tags": properties["tags"],
                "properties": properties["properties"],
                "name": step,
            },
            "systemData": {**system, "lastModifiedBy": job["systemData"]["createdBy"]},
        }

    async def _get(self, call: Call) -> web.Response:
        self._batch.endpoint(call.params["endpoint"])
        return reply(self._body(self._runs.job(call.name)))

    async def _list(self, call: Call) -> web.Response:
        endpoint, deployment = call.params["endpoint"], call.params.get("deployment")
        self._batch.endpoint(endpoint)
        found = []
        for job in self._runs.jobs():
            properties = job["properties"]
            if str(properties["properties"].get("azureml.endpointname")).lower() != endpoint.lower():
                continue
            if deployment in {None, properties["tags"].get("azureml.deploymentname")}:
                found.append(self._body(job))
        return listing(found)


def _output(given: Json) -> tuple[str | None, str]:
    """Give the folder and the file of an output, of which a model deployment takes a file's address only.

    The service's own words: https://github.com/MicrosoftDocs/azure-docs/issues/118447. What a scoring script writes
    itself goes to the file's folder.
    """
    if not given:
        return None, ""
    kind = str(given.get("jobOutputType") or "")
    known = _TYPES.get(kind.lower().replace("_", ""), kind)
    if known != "uri_file":
        fault = {
            "PropertyName": "OutputData.Values[0].JobOutputType",
            "ErrorMessage": "Job output type must be 'uri_file'.",
            "AttemptedValue": known,
            "ErrorCode": "PredicateValidator",
        }
        raise invalid(
            "The Job request provided has the following validation errors. Please resolve them and try again.\n"
            f"Errors:\n{json.dumps([fault], indent=2)}"
        )
    folder, slash, file = str(given.get("uri") or "").rpartition("/")
    return f"{folder}{slash}" or None, file


def _input(given: Json) -> Json:
    kind = _TYPES.get(str(given.get("jobInputType") or "").lower())
    if kind is None:
        raise invalid(f"The input type '{given.get('jobInputType')}' is none of UriFile, UriFolder, MLTable, Literal.")
    if kind == "literal":
        return {"jobInputType": "literal", "value": given.get("value")}
    return {"jobInputType": kind, "uri": given.get("uri")}
