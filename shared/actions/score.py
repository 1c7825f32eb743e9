"""The steps that score files: one run on exactly the frozen files, its results checked before they count as results."""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from shared.actions.context import Context
from shared.actions.freeze import asset_of
from shared.actions.jobs import Jobs
from shared.automations.language_actions import Results, Score
from shared.azureml.batch import Batch, Invocation
from shared.azureml.protocol import JobInput
from shared.data import Data
from shared.engine.outcomes import Again, Answer, Done, Failed, PermanentError
from shared.engine.run import Work
from shared.ledger.records import Activity, File
from shared.ledger.scorings import Scoring as Scored
from shared.ledger.scorings import Scorings

MANIFEST: Final = "manifest"
"""What the scoring code leaves beside its results: files `manifest*.json` with `files`, each with `path`, `rows_in`,
`rows_out`, `errors` and `nulls`."""
_NAME: Final = re.compile(rf"{MANIFEST}.*\.json")
OURS: Final = "hub-manifest.json"
"""What the hub leaves beside them once they are checked: only where it stands are they results."""
_COUNTS: Final = ("rows_in", "rows_out", "errors", "nulls")
_MOST: Final = 16 * 1024 * 1024
_MODEL: Final = re.compile(
    r"azureml:(?://locations/.*/models/|//registries/.*/models/)?([^:/]+)(?::|/versions/)([^:/@]+)"
)
_NOW: Final = timedelta(0)


class Scoring:
    """Scores the files of an activity."""

    def __init__(self, context: Context, jobs: Jobs, batch: Batch, data: Data) -> None:
        self._context = context
        self._jobs = jobs
        self._batch = batch
        self._data = data
        self._scorings = Scorings(context.store)

    async def score(self, work: Work) -> Answer:
        """Begin the run under a name of the attempt, or look at it."""
        rule = await self._rule(work.activity)
        activity, step = work.activity, work.step
        files = asset_of(activity, "files")
        if files is None:
            return Failed("there are no files to score")
        container, folder = place(rule.output, activity)
        output = f"azureml://datastores/{self._context.settings.datastore(container)}/paths/{folder}"
        step.detail.update({"output": f"{container}/{folder}", "files": f"{files['asset']}:{files['version']}"})
        if rule.job:
            loaded, _ = await self._context.automation(activity)
            name = next(iter(loaded.jobs[rule.job].outputs))
            given = {"data": "${{ files }}", **rule.inputs}
            step.detail["model"] = model_of(await self._jobs.inputs(loaded, activity, rule.job, given, step.name))
            return await self._jobs.follow(work, rule.job, given, {name: output})
        run = self._context.job_name(activity, step)
        if "deployment" not in step.detail:
            # Saved before anything is asked for, so that the attempt is scored by this version however often it is
            # asked for: the endpoint's default may be another by then.
            target = await self._batch.target(str(rule.endpoint), rule.deployment or "")
            return Again(_NOW, {**step.detail, "deployment": target.deployment, "model": target.model})
        if step.detail.get("job") != run:
            await self._batch.invoke(
                Invocation(
                    name=run,
                    endpoint=str(rule.endpoint),
                    deployment=str(step.detail["deployment"]),
                    data=str(files["uri"]),
                    output=output,
                    experiment=activity.automation,
                    tags=self._context.tags(activity),
                )
            )
        view = await self._context.azureml.job(run)
        if view is None:
            return Failed(f"run {run} is not in the workspace: was it deleted?", step.detail)
        return await self._jobs.looked(work, view, int(step.detail.get("looks", 0)))

    async def results(self, work: Work) -> Answer:
        """Check what the run left, and only then say by a manifest of the hub's own that these are results."""
        rule = await self._rule(work.activity)
        activity = work.activity
        scored = activity.step("score")
        container, folder = place(rule.output, activity)
        account = self._context.settings.data_account
        found = [file async for file in self._data.files(account, container, folder)]
        manifests = _manifests(found)
        if not manifests:
            return Failed(
                f"{container}/{folder} holds {len(found)} files and no {MANIFEST}*.json: nothing can be said of them"
            )
        entries: list[Mapping[str, Any]] = []
        for file in manifests:
            text = await self._data.read(account, container, file.path, limit=_MOST)
            beside = file.path.rpartition("/")[0].removeprefix(folder.rstrip("/")).lstrip("/")
            try:
                entries += [_entry(one, beside) for one in json.loads(text)["files"]]
            except (ValueError, LookupError, TypeError, AttributeError) as error:
                why = f"`files` with path, rows_in, rows_out, errors and nulls is expected ({error})"
                return Failed(f"{container}/{file.path} is no manifest: {why}")
        members = await self._context.files(str(_frozen(activity)))
        paths = {file.path.removeprefix(folder) for file in found}
        totals, problems = check(rule.results, entries, members, paths)
        detail = {"output": f"{container}/{folder}", **totals, "problems": problems}
        if problems:
            return Failed(f"these are no results: {'; '.join(problems)}", detail)
        told = scored.detail if scored else {}
        lineage = {
            "activity": activity.id,
            "attempt": activity.attempt,
            "automation": activity.automation,
            "content": activity.content,
            "run": told.get("job"),
            "files": told.get("files"),
            "endpoint": rule.endpoint,
            "deployment": told.get("deployment"),
            "model": told.get("model"),
            **totals,
        }
        content = json.dumps({**lineage, "inputs": ["/".join(file.place) for file in members]}, indent=1).encode()
        await self._data.write(account, container, f"{folder}{OURS}", content)
        if told.get("model"):
            await self._scorings.add(
                Scored(
                    model=str(told["model"]),
                    activity=activity.id,
                    attempt=activity.attempt,
                    automation=activity.automation,
                    at=work.now,
                    output=f"{container}/{folder}",
                    files=totals["files"],
                    rows=totals["rows_out"],
                    run=str(told.get("job") or ""),
                    endpoint=rule.endpoint or "",
                    deployment=str(told.get("deployment") or ""),
                )
            )
        return Done(detail)

    async def _rule(self, activity: Activity) -> Score:
        loaded, _ = await self._context.automation(activity)
        if loaded.automation.do.score is None:
            raise PermanentError(f"automation {activity.automation} scores nothing")
        return loaded.automation.do.score


def place(output: str, activity: Activity) -> tuple[str, str]:
    """Give container and folder of an attempt's results: attempts never share one."""
    container, _, rest = output.partition("/")
    return container, f"{rest}{'/' if rest else ''}{activity.id}/{activity.attempt}/"


def model_of(inputs: Mapping[str, JobInput]) -> str:
    """Give the model version (`name:version`) that a job is given, "" where it is none, or not one."""
    found = {
        f"{match[1]}:{match[2]}"
        for given in inputs.values()
        if given.kind.endswith("_model") and (match := _MODEL.fullmatch(str(given.value)))
    }
    return found.pop() if len(found) == 1 else ""


def _entry(told: Mapping[str, Any], beside: str) -> dict[str, Any]:
    """Read an entry of a manifest that lies in a folder of the results. Raises where it has no path, or no counts."""
    counts = {name: int(told.get(name) or 0) for name in _COUNTS}
    if min(counts.values()) < 0:
        raise ValueError(f"{told['path']} has a count below 0")
    return {"path": f"{beside}/{told['path']}" if beside else str(told["path"]), **counts}


def check(
    rule: Results, entries: Sequence[Mapping[str, Any]], members: Sequence[File], paths: set[str]
) -> tuple[dict[str, int], list[str]]:
    """Check what the manifests say against the files that went in and came out; give sums and problems."""
    totals = {name: sum(int(entry[name]) for entry in entries) for name in _COUNTS}
    problems = []
    if len(entries) != len(members):
        problems.append(f"{len(members)} files went in and the manifests tell of {len(entries)}")
    named = {str(entry["path"]) for entry in entries}
    if len(named) != len(entries):
        problems.append(f"{len(entries)} entries of the manifests name {len(named)} files: one is told of twice")
    absent = sorted(named - paths)
    if absent:
        problems.append(f"{len(absent)} files of the manifests are not there, such as {absent[0]}")
    if rule.same_rows and totals["rows_in"] != totals["rows_out"]:
        problems.append(f"{totals['rows_in']} rows went in and {totals['rows_out']} came out")
    rows = max(1, totals["rows_in"])
    for name, most in (("errors", rule.max_errors), ("nulls", rule.max_nulls)):
        if totals[name] / rows > most:
            problems.append(f"{totals[name]} of {rows} rows have {name}, over {most:.1%}")
    return {**totals, "files": len(entries)}, problems


def _manifests(found: Sequence[File]) -> list[File]:
    """Give the manifests: those that lie highest, as the service may put results into a folder of its own."""
    named = [file for file in found if _NAME.fullmatch(file.path.rpartition("/")[2])]
    highest = min((file.path.count("/") for file in named), default=0)
    return [file for file in named if file.path.count("/") == highest]


def _frozen(activity: Activity) -> str:
    step = activity.step("files")
    return str(step.detail.get("frozen", "")) if step else ""
