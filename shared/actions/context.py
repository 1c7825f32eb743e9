"""What the steps of an activity need: wired once, given to every step."""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from shared.automations.loading import Loaded
from shared.azureml.protocol import HUB_TAG, AzureML
from shared.contents import Contents
from shared.data import Data
from shared.engine.outcomes import PermanentError
from shared.ledger.activities import Activities
from shared.ledger.protocol import NotFoundError, Store
from shared.ledger.records import Activity, File, FileList, Step, decode
from shared.settings import Settings
from shared.telemetry import telling


@dataclass(frozen=True)
class Context:
    """The hub's services as the steps use them."""

    settings: Settings
    store: Store
    data: Data
    azureml: AzureML
    contents: Contents

    async def automation(self, activity: Activity) -> tuple[Loaded, Path]:
        """Give the frozen automation of an activity and the folder that holds its files."""
        try:
            return await self.contents.read(activity.content), await self.contents.folder(activity.content)
        except NotFoundError:
            raise PermanentError(f"the frozen content {activity.content[:12]} is not in the ledger") from None

    async def activity(self, identifier: str) -> tuple[Activity, str]:
        """Give another activity and its etag, or raise NotFoundError."""
        return await Activities(self.store, self.store.queue(self.settings.work_queue)).load(identifier)

    async def files(self, blob: str) -> tuple[File, ...]:
        """Read a list of files."""
        return decode(FileList, await self.store.blobs.get(blob)).files

    def job_name(self, activity: Activity, step: Step) -> str:
        """Name what a step makes: hub, activity, step, attempt. The intake finds the activity of a run by it."""
        return f"{self.settings.hub_id}-{activity.id}-{step.name}-{activity.attempt}"

    def tags(self, activity: Activity) -> dict[str, str]:
        """Give the tags of everything that an activity makes."""
        return {
            HUB_TAG: activity.id,
            "hub.id": self.settings.hub_id,
            "hub.automation": activity.automation,
            "hub.content": activity.content[:16],
            "hub.attempt": str(activity.attempt),
            "hub.cause": _cause(activity),
            telling.TAG: telling.place_of_activity(activity).traceparent,
        }

    @property
    def shortest(self) -> timedelta:
        """The first delay between looks at a job."""
        return self.settings.poll_shortest

    @property
    def longest(self) -> timedelta:
        """The longest delay between looks at a job."""
        return self.settings.poll_longest


def _cause(activity: Activity) -> str:
    cause = activity.cause
    if cause.kind == "manual":
        return "manual"
    if cause.collection:
        return f"collection {cause.collection}/{cause.generation}"
    return f"event {cause.claims[0]}" if cause.claims else cause.kind
