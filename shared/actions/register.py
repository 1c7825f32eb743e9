"""The step that registers a model: with its lineage, under a version that the activity names."""

import json
from collections.abc import Awaitable, Callable
from datetime import datetime

from shared.actions.context import Context
from shared.actions.freeze import asset_of
from shared.actions.shadow import TAG, trains
from shared.engine.outcomes import Answer, Done, Enough
from shared.engine.run import Work

Announce = Callable[[str, str, dict[str, str], datetime], Awaitable[None]]
"""Takes a registration in as an event of its own: model, version, tags, now."""


class Registration:
    """Registers the model of a training job."""

    def __init__(self, context: Context, announce: Announce) -> None:
        self._context = context
        self._announce = announce

    async def register(self, work: Work) -> Answer:
        """Make the model version, then take its registration in: the service's own event folds into that."""
        activity = work.activity
        shadow = trains(activity)
        loaded, _ = await self._context.automation(activity)
        train, step = loaded.automation.do.train, activity.step("train")
        if train is None or train.register_as is None or step is None:
            return Done()
        source, job = train.register_as.source, str(step.detail["job"])
        kinds = loaded.jobs[train.job].outputs
        named = source.removeprefix("outputs/").strip("/")
        if named in kinds:
            uri, kind = f"azureml://jobs/{job}/outputs/{named}", kinds[named]
        else:
            uri, kind = f"azureml://jobs/{job}/outputs/artifacts/paths/{source}/", "mlflow_model"
        version = activity.id if activity.attempt == 1 else f"{activity.id}-{activity.attempt}"
        metrics = activity.step("metrics")
        values = metrics.detail.get("metrics", {}) if metrics else {}
        dataset, files = asset_of(activity, "dataset"), asset_of(activity, "files")
        properties = {
            "hub.run": job,
            "hub.environment": str(step.detail.get("environment", "")),
            "hub.code": str(step.detail.get("code", "")),
            "hub.content": activity.content,
            "hub.metrics": json.dumps(values, sort_keys=True)[:1000],
        }
        if dataset:
            properties["hub.dataset"] = f"{dataset['asset']}:{dataset['version']}"
        if files:
            properties["hub.files"] = f"{files['asset']}:{files['version']}"
        tags = self._context.tags(activity) | ({TAG: "true"} if shadow else {})
        model = await self._context.azureml.create_model(
            train.register_as.model, version, uri, kind if kind.endswith("_model") else "custom_model", tags, properties
        )
        await self._announce(model.name, model.version, tags, work.now)
        detail = {"model": model.name, "version": model.version, "uri": uri, "lineage": properties}
        if shadow:
            return Enough("shadow training: registered to be evaluated and judged, and released by none", detail)
        return Done(detail)
