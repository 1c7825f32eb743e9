"""Steps that run Azure ML jobs: submit under a name of the attempt, follow, take the metrics."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from shared.actions.context import Context
from shared.actions.freeze import asset_of
from shared.actions.lists import Lists, is_list
from shared.automations.loading import Loaded
from shared.azureml.protocol import JobInput, JobRequest, JobView, lasting
from shared.deciding.retrying import poll_after
from shared.engine.outcomes import Again, Answer, Done, Failed, PermanentError
from shared.engine.run import Work
from shared.expressions import ExpressionError, Template
from shared.ledger.records import Activity
from shared.rulebook import variables
from shared.telemetry import telling

_WHOLE = {"files": "files", "dataset": "dataset"}
_NOW = timedelta(0)


class Jobs:
    """Runs the jobs of an activity."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._lists = Lists(context)

    async def run(self, work: Work) -> Answer:
        """Submit the job of the step, or look at it; the service's reason is the reason where it fails."""
        loaded, _ = await self._context.automation(work.activity)
        return await self.follow(work, *_job(loaded, work.step.name))

    async def follow(
        self, work: Work, file: str, inputs: Mapping[str, Any], outputs: Mapping[str, str] | None = None
    ) -> Answer:
        """Submit a job file with these inputs under the step's name, or look at it."""
        activity, step = work.activity, work.step
        name = self._context.job_name(activity, step)
        looks = int(step.detail.get("looks", 0))
        if step.detail.get("job") != name:
            loaded, folder = await self._context.automation(activity)
            given = await self.inputs(loaded, activity, file, inputs, step.name)
            lists = sorted({one.frozen for one in given.values() if one.frozen})
            if lists and (answer := await self._before(work, name, lists)) is not None:
                return answer
            request = JobRequest(
                name=name,
                folder=folder,
                file=file,
                inputs=given,
                tags=self._context.tags(activity)
                | {telling.TAG: telling.place_of_job(activity, step, name).traceparent},
                properties={**lasting(self._context.tags(activity)), "hub.content": activity.content},
                display_name=f"{activity.automation} {step.name}",
                experiment=activity.automation,
                outputs=outputs or {},
            )
            view = await self._context.azureml.submit(request)
            step.detail.update({"lists": lists} if lists else {})
        elif "looked_after" in step.detail:
            return await self._after(work, dict(step.detail))
        else:
            found = await self._context.azureml.job(name)
            if found is None:
                return Failed(f"job {name} is not in the workspace any more: was it deleted?", step.detail)
            view = found
        answer = await self.looked(work, view, looks)
        if isinstance(answer, Done) and answer.detail.get("lists"):
            return await self._after(work, answer.detail)
        return answer

    async def _before(self, work: Work, name: str, lists: Sequence[str]) -> Answer | None:
        """Look, right before a job is asked for, whether the files of lists are still the same; None where they are.

        A job that is there already was asked for after such a look, and nobody heard of it: it is looked at after it.
        """
        detail = dict(work.step.detail)
        known = detail.get("looked_before") or {}
        start = int(known.get("files", 0)) if known.get("job") == name else 0
        if await self._context.azureml.job(name) is not None:
            return None
        done, count, wrong = await self._lists.changed(work.activity, lists, start)
        if wrong:
            return Failed(f"the {work.step.name} job was not started: {wrong}", detail)
        if done < count:
            return Again(_NOW, {**detail, "looked_before": {"job": name, "files": done}})
        return None

    async def _after(self, work: Work, detail: dict[str, Any]) -> Answer:
        """Look, once a job has completed, whether the files of lists were the same all the while."""
        start = int(detail.get("looked_after", 0))
        done, count, wrong = await self._lists.changed(work.activity, detail["lists"], start)
        detail["looked_after"] = done
        if wrong:
            what = "completed, but what it read may be something else than what is registered"
            return Failed(f"{work.step.name} job {detail['job']} {what}: {wrong}", detail)
        return Done(detail) if done >= count else Again(_NOW, detail)

    async def looked(self, work: Work, view: JobView, looks: int) -> Answer:
        """Give what a job that was looked at means to its step."""
        step, name = work.step, view.name
        detail = {**step.detail, **_detail(view), "looks": looks + 1}
        if view.ended:
            telling.job_ended(work.activity, step, name, view.status, view.created, work.now)
        else:
            return Again(poll_after(looks, self._context.shortest, self._context.longest), detail)
        if view.status == "Completed":
            return Done(detail)
        what = "was cancelled" if view.status == "Canceled" else f"ended as {view.status}"
        why = view.error or await self._context.azureml.failure(name)
        return Failed(f"{step.name} job {name} {what}{f': {why}' if why else ''}", detail)

    async def cancel(self, work: Work) -> Answer:
        """Ask for the end of the step's job, and look until it has ended; one that was not heard of, too."""
        name = str(work.step.detail.get("job", "")) or self._context.job_name(work.activity, work.step)
        view = await self._context.azureml.job(name)
        if view is None or view.ended:
            return Done(work.step.detail)
        if not work.step.detail.get("cancelling"):
            await self._context.azureml.cancel(name)
        return Again(self._context.shortest, {**work.step.detail, "cancelling": True}, reason=f"ending job {name}")

    async def inputs(
        self, loaded: Loaded, activity: Activity, file: str, given: Mapping[str, Any], step: str
    ) -> dict[str, JobInput]:
        """Give the inputs of a job file as they are for this activity; raises PermanentError where one cannot be."""
        declared = loaded.jobs[file].inputs
        if "data" in declared and "data" not in given:
            default = "${{ files }}" if step == "check" or asset_of(activity, "dataset") is None else "${{ dataset }}"
            given = {"data": default, **given}
        members = await self._context.files(activity.files.blob) if activity.files.count else ()
        known = variables(activity, members)
        if (dataset := asset_of(activity, "dataset")) is not None:
            known["dataset"] = dataset
        return {name: self._input(activity, name, value, declared, known) for name, value in given.items()}

    @staticmethod
    def _input(
        activity: Activity, name: str, value: Any, declared: Mapping[str, tuple[str, bool]], known: dict[str, Any]
    ) -> JobInput:
        if isinstance(value, str):
            template = Template(value)
            expressions = template.expressions
            if len(expressions) == 1 and expressions[0] in _WHOLE and value.strip().startswith("${{"):
                asset = asset_of(activity, _WHOLE[expressions[0]])
                if asset is None:
                    raise PermanentError(f"input {name} is {value}, and this activity has no {expressions[0]}")
                return _folder(_WHOLE[expressions[0]], asset)
            try:
                value = template.render(known)
            except ExpressionError as error:
                raise PermanentError(f"input {name}: {error}") from None
        for step in _WHOLE.values():
            asset = asset_of(activity, step)
            if asset and is_list(asset) and value in (asset["uri"], f"azureml:{asset['asset']}:{asset['version']}"):
                return _folder(step, asset)
        kind = declared.get(name, ("literal", False))[0]
        if kind in {"uri_file", "uri_folder", "mltable", "mlflow_model", "custom_model"}:
            return JobInput(kind, str(value))  # type: ignore[arg-type]
        return JobInput("literal", value)

    async def metrics(self, work: Work) -> Answer:
        """Record the metrics of the training run, or of the job, with the activity."""
        step = work.activity.step("train") or work.activity.step("job")
        if step is None:
            return Done()
        run = str(step.detail["job"])
        return Done({"run": run, "metrics": dict(await self._context.azureml.metrics(run))})


def _folder(step: str, asset: Mapping[str, Any]) -> JobInput:
    """Give what a step froze as an input that is a folder of its files."""
    value = f"azureml:{asset['asset']}:{asset['version']}"
    return JobInput("mltable", value, frozen=step) if is_list(asset) else JobInput("uri_folder", value)


def _job(loaded: Loaded, step: str) -> tuple[str, Mapping[str, Any]]:
    automation = loaded.automation
    if step == "check" and automation.check:
        return automation.check.job, automation.check.inputs
    if step == "train" and automation.do.train:
        return automation.do.train.job, automation.do.train.inputs
    if step == "job" and automation.do.job:
        return automation.do.job.job, automation.do.job.inputs
    raise PermanentError(f"automation {automation.name} has no job for step {step}")


def _detail(view: JobView) -> dict[str, Any]:
    return {
        "job": view.name,
        "status": view.status,
        "experiment": view.experiment,
        "environment": view.environment,
        "code": view.code,
        "studio": view.studio_url,
    }
