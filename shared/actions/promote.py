"""The step that promotes a model: the same files and the same lineage, in a registry or another workspace."""

from datetime import datetime, timedelta
from typing import Any, Final

from shared.actions.context import Context
from shared.actions.judging import model_of
from shared.actions.shadow import is_shadow
from shared.automations.language_actions import Promote
from shared.azureml.protocol import HUB_TAG, ModelView
from shared.azureml.targets import STORE, Target, Targets
from shared.data import Data
from shared.engine.outcomes import Again, Answer, Done, Enough, Failed, PermanentError
from shared.engine.run import Work
from shared.expressions import ExpressionError, Template
from shared.ledger.records import Activity, File
from shared.rulebook import variables

_NOW: Final = timedelta(0)
_SOON: Final = timedelta(seconds=10)
_ANEW: Final = timedelta(minutes=10)
"""A copy that is not there after so long is asked for again: the request may never have left."""
_PATIENCE: Final = timedelta(hours=1)
_AT_ONCE: Final = 32
"""Files that one look copies."""
FROM: Final = "hub.promoted-from"
"""Property of a promoted version: the ARM id of the version that it is a copy of."""


class Promotion:
    """Promotes the model version that an event or a person names."""

    def __init__(self, context: Context, targets: Targets, data: Data) -> None:
        self._context = context
        self._targets = targets
        self._data = data

    async def promote(self, work: Work) -> Answer:
        """Look whether it is there; if not, have it copied, and look again."""
        loaded, _ = await self._context.automation(work.activity)
        rule = loaded.automation.do.promote
        if rule is None:
            raise PermanentError(f"automation {work.activity.automation} promotes nothing")
        detail, target = dict(work.step.detail), self._target(rule)
        if "model" not in detail:
            model = model_of(work.activity, rule)
            if await is_shadow(self._context, work.activity, model):
                return Enough("shadow training: it is not promoted", detail)
            return Again(_NOW, {**detail, "model": model, "to": str(target)})
        name, version = detail["model"].split(":")
        source = await self._targets.source(name, version)
        there = await self._targets.find(target, name, version)
        if there is not None:
            return self._seen(work.activity, detail, source, there)
        if "asked" not in detail:
            return Again(
                _NOW, {**detail, "asked": work.now.isoformat()}, reason=f"{name}:{version} is copied to {target}"
            )
        if work.now - datetime.fromisoformat(detail["asked"]) > _PATIENCE:
            return Failed(f"{name}:{version} did not come to {target} within {_PATIENCE.seconds // 60} minutes", detail)
        if target.registry:
            if "shared" not in detail or work.now - datetime.fromisoformat(detail["shared"]) > _ANEW:
                done = await self._share(target, source, again="shared" in detail)
                detail["shared"] = work.now.isoformat()
                if done:
                    return Again(_NOW, detail, reason=f"{target} has copied {name}:{version}")
            return Again(_SOON, detail, reason=f"{target} is copying {name}:{version}")
        return await self._copy(work, rule, target, source, detail)

    async def _share(self, target: Target, source: ModelView, *, again: bool) -> bool:
        """Ask for the copy; what is there by an earlier request cannot be asked for again, and is no error."""
        try:
            return await self._targets.share(target, source.name, source.version)
        except PermanentError:
            there = await self._targets.find(target, source.name, source.version)
            if there is None or not (again or self._same(source, there)):
                raise
            return True

    def _target(self, rule: Promote) -> Target:
        if rule.to.registry:
            return Target(registry=rule.to.registry)
        subscription = rule.to.subscription or self._context.settings.subscription
        return Target("", subscription, rule.to.resource_group or "", rule.to.workspace or "")

    def _seen(self, activity: Activity, detail: dict[str, Any], source: ModelView, there: ModelView) -> Answer:
        """Tell the version that this activity made, or an earlier one did, from another model of the same name."""
        if not ("asked" in detail or there.tags.get(HUB_TAG) == activity.id or self._same(source, there)):
            said = f"{detail['to']} has another {source.name}:{source.version} already: a version never changes"
            return Failed(said, detail)
        lineage = {**source.properties, FROM: self._origin(source)}
        return Done({**detail, "uri": there.uri, "tags": dict(there.tags), "lineage": lineage})

    def _same(self, source: ModelView, there: ModelView) -> bool:
        """Tell whether a version there was made from this one, by what it carries."""
        tag = source.tags.get(HUB_TAG)
        return there.properties.get(FROM) == self._origin(source) or (bool(tag) and there.tags.get(HUB_TAG) == tag)

    def _origin(self, source: ModelView) -> str:
        settings = self._context.settings
        return (
            f"/subscriptions/{settings.subscription}/resourceGroups/{settings.resource_group}/providers"
            f"/Microsoft.MachineLearningServices/workspaces/{settings.workspace}"
            f"/models/{source.name}/versions/{source.version}"
        )

    async def _copy(
        self, work: Work, rule: Promote, target: Target, source: ModelView, detail: dict[str, Any]
    ) -> Answer:
        """Copy the files, some at each look, then register them there: a version is there only once it is whole."""
        account, container, prefix = await self._targets.place(source.uri)
        files = [file async for file in self._data.files(account, container, prefix)]
        if not files:
            return Failed(f"{source.name}:{source.version} has no files at {account}/{container}/{prefix}", detail)
        store = await self._targets.store(target)
        folder = f"promoted/{source.name}/{source.version}/"
        done = int(detail.get("copied", 0))
        for file in files[done : done + _AT_ONCE]:
            await self._one(file, *store, folder + file.path.removeprefix(prefix))
        detail |= {"copied": min(len(files), done + _AT_ONCE), "files": len(files)}
        if detail["copied"] < len(files):
            return Again(_NOW, detail, reason=f"{detail['copied']} of {len(files)} files are copied to {target}")
        tags = {**source.tags, **_rendered(rule, work.activity), **self._context.tags(work.activity)}
        uri = f"azureml://datastores/{STORE}/paths/{folder}"
        properties = {**source.properties, FROM: self._origin(source)}
        await self._targets.create(target, ModelView(source.name, source.version, uri, source.kind, tags, properties))
        return Again(_NOW, detail, reason=f"{source.name}:{source.version} is registered in {target}")

    async def _one(self, file: File, account: str, container: str, path: str) -> None:
        copied = await self._data.copy(file, account, container, path)
        if copied.rewritten:
            raise PermanentError(f"{file.path} of the model was rewritten while it was copied: a version never changes")


def _rendered(rule: Promote, activity: Activity) -> dict[str, str]:
    try:
        return {name: str(Template(text).render(variables(activity, ()))) for name, text in rule.tags.items()}
    except ExpressionError as error:
        raise PermanentError(f"a tag of the promoted model: {error}") from None
