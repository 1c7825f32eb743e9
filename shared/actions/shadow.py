"""Shadow training: a version that is trained, registered, evaluated and judged like any other, and released by none."""

import re
from typing import Final

from shared.actions.context import Context
from shared.ledger.protocol import NotFoundError
from shared.ledger.records import Activity

TAG: Final = "hub.shadow"
"""Tag of such a version."""
_MADE: Final = re.compile(r"(\d{8}t\d{6}-[0-9a-f]{10})(?:-\d+)?")


def trains(activity: Activity) -> bool:
    """Say whether triage let this activity train in the shadow only."""
    step = activity.step("triage")
    return step is not None and step.detail.get("outcome") == "shadow-train"


async def is_shadow(context: Context, activity: Activity, model: str) -> bool:
    """Say whether an activity is about a version (`name:version`) of a shadow training, by its tag or by the ledger.

    A person who starts a release of one knows what they do: that is no shadow any more.
    """
    if activity.cause.kind == "manual":
        return False
    data = {str(key).lower(): value for key, value in dict(activity.cause.event.get("data") or {}).items()}
    if str(dict(data.get("modeltags") or {}).get(TAG, "")).lower() == "true":
        return True
    made = _MADE.fullmatch(model.partition(":")[2])
    if made is None:
        return False
    try:
        return trains((await context.activity(made[1]))[0])
    except NotFoundError:
        return False
