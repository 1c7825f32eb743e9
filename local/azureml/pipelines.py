"""Pipeline jobs: steps in the order of what they need, each a command job of its own."""

import asyncio
import re
import uuid
from typing import Any, Final

from local.azureml.assets import Assets
from local.azureml.inputs import Resolver
from local.azureml.jobs import SHAPES, Jobs, job_input, job_output
from local.azureml.parents import LOOK, ParentRunner
from local.azureml.runs import ENDED, Runs
from local.azureml.uris import asset_ref
from local.azureml.wire import ArmError, Json, invalid
from local.azureml.workspace import BLOB_STORE

_PARENT_INPUT: Final = re.compile(r"\$\{\{\s*parent\.inputs\.([A-Za-z0-9_.]+)\s*\}\}")
_STEP_OUTPUT: Final = re.compile(r"\$\{\{\s*parent\.jobs\.([A-Za-z0-9_]+)\.outputs\.([A-Za-z0-9_]+)\s*\}\}")
_PARENT_OUTPUT: Final = re.compile(r"\$\{\{\s*parent\.outputs\.([A-Za-z0-9_]+)\s*\}\}")
_LITERALS: Final = frozenset({"string", "number", "integer", "boolean", "literal", "enum", "float"})
_OVERRIDES: Final = {"environment_variables": "environmentVariables", "limits": "limits", "resources": "resources"}


def _shape(given: Json) -> Json:
    return {
        "settings": given.get("settings") or {},
        "inputs": {name: job_input(item) for name, item in (given.get("inputs") or {}).items() if item is not None},
        "outputs": {name: job_output(item) for name, item in (given.get("outputs") or {}).items()},
        "jobs": given.get("jobs") or {},
        "sourceJobId": given.get("sourceJobId"),
    }


SHAPES["pipeline"] = _shape


class PipelineRunner(ParentRunner):
    """Carries pipeline jobs out.

    A step runs when all steps whose outputs it reads have completed. One that fails ends the pipeline at once where
    `continue_on_step_failure` is false; else the steps that do not need it still run. Bindings:
    https://learn.microsoft.com/azure/machine-learning/reference-yaml-job-pipeline
    """

    def __init__(self, runs: Runs, jobs: Jobs, assets: Assets, resolver: Resolver) -> None:
        super().__init__(runs, jobs)
        self._assets, self._resolver = assets, resolver

    def check(self, properties: Json) -> None:
        """Raise ArmError where a step is of a kind, or names something, that is not here."""
        steps = properties["jobs"]
        if not steps:
            raise invalid("The pipeline has no jobs.")
        for step, given in steps.items():
            spec = self._spec(step, given)
            for name, text in _texts(given):
                for source, output in _STEP_OUTPUT.findall(text):
                    if source not in steps:
                        raise invalid(f"Input '{name}' of step '{step}' reads output '{output}' of no step '{source}'.")
                for source in _PARENT_INPUT.findall(text):
                    if source not in properties["inputs"] and not spec["inputs"].get(name, {}).get("optional"):
                        raise invalid(f"Input '{name}' of step '{step}' reads the pipeline's input '{source}': none.")
        _ordered(steps)

    def _spec(self, step: str, given: Json) -> Json:
        """Give the component of a step; raises ArmError for kinds that are not run here."""
        kind = str(given.get("type") or "command")
        if kind != "command":
            raise invalid(f"Step '{step}' is of type '{kind}': pipelines of a laptop have command steps only.")
        ref = asset_ref(str(given.get("componentId") or ""), "components")
        if ref is None:
            raise invalid(f"Step '{step}' names no component.")
        spec: Json = self._assets.find(ref, "components")["properties"]["componentSpec"]
        if spec.get("type", "command") not in {"command", "CommandComponent"}:
            raise invalid(f"The component of step '{step}' is of type '{spec['type']}': only command is run here.")
        return {**spec, "inputs": spec.get("inputs") or {}, "outputs": spec.get("outputs") or {}}

    async def through(self, name: str) -> str:
        """Run the steps; gives Completed or Failed."""
        properties = self.runs.job(name)["properties"]
        steps, stop_early = properties["jobs"], properties["settings"].get("continue_on_step_failure") is False
        needs = {step: {source for _, text in _texts(given) for source, _ in _STEP_OUTPUT.findall(text)}
                 for step, given in steps.items()}  # fmt: skip
        while True:
            statuses = {step: self._status(name, step) for step in steps}
            failed = [step for step, status in statuses.items() if status in {"Failed", "Canceled"}]
            if self.cancelled(name) or (failed and stop_early):
                self.cancel(name)
                await self.children_ended([child(name, step) for step, status in statuses.items() if status])
                break
            for step, status in statuses.items():
                if not status and all(statuses[source] == "Completed" for source in needs[step]):
                    statuses[step] = self._begin(name, step, properties)
            if all(status in ENDED or not status for status in statuses.values()):
                # What has no status waits for a step that failed, and never runs.
                break
            await asyncio.sleep(LOOK)
        statuses = {step: self._status(name, step) for step in steps}
        failed = [step for step, status in statuses.items() if status != "Completed"]
        if failed and not self.cancelled(name):
            raise ArmError(400, "UserError", f"Steps did not complete: {', '.join(failed)}. See the jobs of the steps.")
        return "Completed"

    def _status(self, name: str, step: str) -> str:
        found = self.runs.find(child(name, step))
        return str(found["job"]["properties"]["status"]) if found else ""

    def _begin(self, name: str, step: str, pipeline: Json) -> str:
        """Make the job of a step; gives its status, or Failed where it is refused."""
        given = pipeline["jobs"][step]
        spec = self._spec(step, given)
        body: Json = {
            "jobType": "Command",
            "command": spec["command"],
            "environmentId": given.get("environmentId") or given.get("environment") or spec.get("environment"),
            "codeId": spec.get("code"),
            "computeId": given.get("computeId") or pipeline["settings"].get("default_compute") or pipeline["computeId"],
            "experimentName": pipeline["experimentName"],
            "displayName": given.get("display_name") or step,
            "tags": given.get("tags") or {},
            "properties": {"azureml.runsource": "azureml.StepRun", "azureml.pipelinerunid": name, "azureml.step": step},
            "inputs": self._inputs(name, step, given, spec, pipeline),
            "outputs": self._outputs(name, given, spec, pipeline),
            "environmentVariables": spec.get("environment_variables") or {},
        }
        for key, target in _OVERRIDES.items():
            if given.get(key):
                body[target] = _camel(given[key]) if key != "environment_variables" else given[key]
        self.jobs.create(child(name, step), body, parent=name, run_type="azureml.StepRun")
        return "NotStarted"

    def _inputs(self, name: str, step: str, given: Json, spec: Json, pipeline: Json) -> Json:
        inputs: Json = {}
        for key, declared in spec["inputs"].items():
            item = (given.get("inputs") or {}).get(key)
            kind = str(declared.get("type", "string")).lower()
            if item is None:
                if declared.get("default") is not None:
                    inputs[key] = {"jobInputType": "literal", "value": str(declared["default"])}
                elif not declared.get("optional"):
                    raise invalid(f"Step '{step}' has no value for its input '{key}'.")
                continue
            found = self._bound(name, item, kind, pipeline)
            if found is not None:
                inputs[key] = found
        return inputs

    @staticmethod
    def _bound(name: str, item: Json, kind: str, pipeline: Json) -> Json | None:
        """Give an input of a step: what it binds to, or what it says itself; None for an optional one without value."""
        text = str(item.get("value", "")) if "value" in item else ""
        source = _STEP_OUTPUT.fullmatch(text)
        if source:
            uri = f"azureml://jobs/{child(name, source[1])}/outputs/{source[2]}"
            return {"jobInputType": kind, "uri": uri, "mode": item.get("mode")}
        whole = _PARENT_INPUT.fullmatch(text)
        if whole:
            found = pipeline["inputs"].get(whole[1])
            if found is None:
                return None
            return {**found, "mode": item.get("mode") or found.get("mode")} if "uri" in found else dict(found)
        if item.get("uri"):
            return {"jobInputType": kind, "uri": item["uri"], "mode": item.get("mode")}
        filled = _PARENT_INPUT.sub(lambda match: str(pipeline["inputs"][match[1]].get("value", "")), text)
        if kind not in _LITERALS:
            return {"jobInputType": kind, "uri": filled, "mode": item.get("mode")}
        return {"jobInputType": "literal", "value": filled}

    def _outputs(self, name: str, given: Json, spec: Json, pipeline: Json) -> Json:
        outputs: Json = {}
        for key, declared in spec["outputs"].items():
            item = (given.get("outputs") or {}).get(key) or {}
            bound = _PARENT_OUTPUT.fullmatch(str(item.get("value", "")))
            whole = pipeline["outputs"].get(bound[1], {}) if bound else {}
            output: Json = {
                "jobOutputType": str(declared.get("type") or "uri_folder").lower(),
                "uri": item.get("uri") or whole.get("uri"),
                "mode": item.get("mode") or whole.get("mode"),
                "assetName": item.get("assetName") or whole.get("assetName"),
                "assetVersion": item.get("assetVersion") or whole.get("assetVersion"),
            }
            if bound and not output["uri"]:
                output["uri"] = f"azureml://datastores/{BLOB_STORE}/paths/azureml/{name}/{bound[1]}"
            outputs[key] = output
        return outputs


def child(name: str, step: str) -> str:
    """Give the name of the job of a step."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"azureml://jobs/{name}/steps/{step}"))


def _texts(given: Json) -> list[tuple[str, str]]:
    return [
        (name, str(item.get("value") or ""))
        for name, item in (given.get("inputs") or {}).items()
        if isinstance(item, dict)
    ]


def _ordered(steps: Json) -> None:
    """Raise ArmError where steps wait for each other."""
    left = {step: {source for _, text in _texts(given) for source, _ in _STEP_OUTPUT.findall(text)}
            for step, given in steps.items()}  # fmt: skip
    while left:
        free = [step for step, needs in left.items() if not needs & left.keys()]
        if not free:
            raise invalid(f"The steps {', '.join(sorted(left))} wait for each other.")
        for step in free:
            del left[step]


def _camel(given: Any) -> Any:
    """Give limits or resources of a step with the keys that jobs have: pipelines write them with underscores."""
    if not isinstance(given, dict):
        return given
    words = {key: key.split("_") for key in given}
    camel = {key: parts[0] + "".join(part.capitalize() for part in parts[1:]) for key, parts in words.items()}
    return {camel[key]: f"PT{value}S" if key == "timeout" and isinstance(value, int) else value
            for key, value in given.items()}  # fmt: skip
