"""Sweep jobs: trials of one command over a search space, a few at once, judged by a metric that they log."""

import asyncio
import time
from typing import Final

from local.azureml.commands import seconds
from local.azureml.jobs import SHAPES, Jobs, job_input, job_output
from local.azureml.node import Node
from local.azureml.parents import LOOK, ParentRunner
from local.azureml.runs import ENDED, Runs
from local.azureml.sampling import Values, check_space, samples
from local.azureml.stopping import Policy, policy
from local.azureml.tracking import Tracking
from local.azureml.wire import ArmError, Json, invalid

_MOST: Final = 1000
_JUDGE: Final = 2.0
"""Seconds between looks at the metrics of running trials, where a policy may end them early."""


def _shape(given: Json) -> Json:
    keys = ("searchSpace", "samplingAlgorithm", "limits", "earlyTermination", "objective", "trial", "queueSettings")
    return {
        **{key: given.get(key) for key in keys},
        "inputs": {name: job_input(item) for name, item in (given.get("inputs") or {}).items() if item is not None},
        "outputs": {name: job_output(item) for name, item in (given.get("outputs") or {}).items()},
    }


SHAPES["sweep"] = _shape


class SweepRunner(ParentRunner):
    """Carries sweep jobs out; trials are named `<sweep>_<number>`, as in the service."""

    def __init__(self, runs: Runs, jobs: Jobs, node: Node, tracking: Tracking) -> None:
        super().__init__(runs, jobs)
        self._node, self._tracking = node, tracking

    def check(self, properties: Json) -> None:
        """Raise ArmError where the sweep cannot run here."""
        if not properties["searchSpace"] or not properties["trial"]:
            raise invalid("A sweep has a search space and a trial.")
        objective = properties["objective"] or {}
        if not objective.get("primaryMetric") or str(objective.get("goal")).lower() not in {"minimize", "maximize"}:
            raise invalid("A sweep has an objective: a primary metric, and the goal minimize or maximize.")
        check_space(properties["searchSpace"], properties["samplingAlgorithm"] or {})
        policy(properties["earlyTermination"], maximize=_maximize(properties))
        total = int((properties["limits"] or {}).get("maxTotalTrials") or 0)
        if not 1 <= total <= _MOST:
            raise invalid(f"The limit max_total_trials is {total}: 1 to {_MOST} are expected.")
        first = samples(properties["searchSpace"], properties["samplingAlgorithm"] or {}, 1)[0]
        trial = SHAPES["command"](_trial(properties, first))
        self._node.check(trial)

    async def through(self, name: str) -> str:
        """Run the trials; gives Completed where at least one completed."""
        properties = self.runs.job(name)["properties"]
        limits = properties["limits"]
        points = samples(
            properties["searchSpace"], properties["samplingAlgorithm"] or {}, int(limits["maxTotalTrials"])
        )
        at_once = int(limits.get("maxConcurrentTrials") or len(points))
        end = time.monotonic() + seconds(limits["timeout"]) if limits.get("timeout") else float("inf")
        judge = policy(properties["earlyTermination"], maximize=_maximize(properties))
        judged = 0.0
        while not self.cancelled(name) and time.monotonic() < end:
            statuses = {number: self._status(name, number) for number in range(len(points))}
            running = [number for number, status in statuses.items() if status and status not in ENDED]
            waiting = [number for number, status in statuses.items() if not status]
            if not running and not waiting:
                break
            for number in waiting[: max(0, at_once - len(running))]:
                self._begin(name, number, properties, points[number])
            if judge is not None and time.monotonic() - judged > _JUDGE:
                await self._judge(name, running, list(statuses), judge, properties)
                judged = time.monotonic()
            await asyncio.sleep(LOOK)
        made = [f"{name}_{number}" for number in range(len(points)) if self._status(name, number)]
        for trial in made:
            self.end(trial)
        await self.children_ended(made)
        return await self._conclude(name, made, properties)

    def _status(self, name: str, number: int) -> str:
        found = self.runs.find(f"{name}_{number}")
        return str(found["job"]["properties"]["status"]) if found else ""

    def _begin(self, name: str, number: int, properties: Json, point: Values) -> None:
        body = {
            **_trial(properties, point),
            "jobType": "Command",
            "computeId": properties["computeId"],
            "experimentName": properties["experimentName"],
            "displayName": f"{properties['displayName']}_{number}",
            "tags": {f"hyperparam_{key}": value for key, value in point.items()},
        }
        self.jobs.create(f"{name}_{number}", body, parent=name)

    async def _judge(self, name: str, running: list[int], known: list[int], judge: Policy, properties: Json) -> None:
        """End running trials that the policy gives up."""
        metric = properties["objective"]["primaryMetric"]
        made = [number for number in known if self._status(name, number)]
        logged = {number: await self._tracking.logged(f"{name}_{number}", metric) for number in made}
        for number in judge.given_up(logged, running):
            self.end(f"{name}_{number}")

    async def _conclude(self, name: str, made: list[str], properties: Json) -> str:
        """Note the best trial; a sweep without any fails."""
        metric = properties["objective"]["primaryMetric"]
        values: dict[str, float] = {}
        for trial in made:
            logged = await self._tracking.logged(trial, metric)
            if logged and self.runs.status(trial) == "Completed":
                values[trial] = logged[-1]
        if not any(self.runs.status(trial) == "Completed" for trial in made):
            if self.cancelled(name):
                return "Canceled"
            raise ArmError(400, "UserError", f"None of the {len(made)} trials completed. See the jobs of the trials.")
        if values:
            best = (max if _maximize(properties) else min)(values, key=lambda trial: values[trial])
            more = {"best_child_run_id": best, "score": str(values[best]), "best_metric_status": "Succeeded"}
        else:
            more = {"best_metric_status": f"No trial logged the metric '{metric}'"}
        self.runs.update(name, {"properties": {**self.runs.job(name)["properties"]["properties"], **more}})
        return "Completed"


def _maximize(properties: Json) -> bool:
    return str((properties["objective"] or {}).get("goal")).lower() == "maximize"


def _trial(properties: Json, point: Values) -> Json:
    """Give what of a trial's command job follows from the sweep and its values."""
    trial, limits = properties["trial"], properties["limits"] or {}
    values = {key: {"jobInputType": "literal", "value": str(value)} for key, value in point.items()}
    return {
        "jobType": "Command",
        "command": trial.get("command"),
        "codeId": trial.get("codeId"),
        "environmentId": trial.get("environmentId"),
        "environmentVariables": trial.get("environmentVariables") or {},
        "resources": trial.get("resources") or {},
        "distribution": trial.get("distribution"),
        "inputs": {**properties["inputs"], **values},
        "outputs": properties["outputs"],
        "limits": {"timeout": limits["trialTimeout"]} if limits.get("trialTimeout") else None,
    }
