"""The filter of the blob subscription, made from the automations: all that a rule can match comes through, markers and
manifests included, and little else.

`python -m shared.automations.filters` (`make subscriptions`) writes it into infra/subscriptions.json. It names whole
containers: a marker or a manifest lies in its files' container, and a new rule there needs no change in Azure.
"""

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from shared.automations.loading import load
from shared.automations.models import Automation

MOST_VALUES: Final = 25
"""Values that Azure takes in the advanced filters of a subscription; with more containers, all events come through."""
PROBE: Final = "/blobServices/default/containers/hub-data/blobs/probe/"
_SUBSCRIPTION: Final = "hub-blobs"


def containers(automations: Iterable[Automation]) -> list[str]:
    """Give the containers in which the automations look for blobs, sorted."""
    parts = (part for one in automations for trigger in one.on for part in trigger.parts)
    return sorted({place.container for part in parts for place in (part.blob_created, part.blob_deleted) if place})


def advanced_filters(automations: Iterable[Automation]) -> list[dict[str, Any]]:
    """Give the advanced filters of the blob subscription."""
    values = [f"/blobServices/default/containers/{name}/" for name in containers(automations)]
    if len(values) + 1 > MOST_VALUES:
        return []
    return [{"operatorType": "StringBeginsWith", "key": "subject", "values": [*values, PROBE]}]


def written(text: str, automations: Iterable[Automation]) -> str:
    """Give the text of subscriptions.json with the filter of these automations in it; the rest stays as it is.

    Raises ValueError where the file has no subscription of that name.
    """
    document = json.loads(text)
    one = next((each for each in document["subscriptions"] if each["name"] == _SUBSCRIPTION), None)
    if one is None:
        raise ValueError(f"infra/subscriptions.json has no subscription {_SUBSCRIPTION!r}: add it, or write it by hand")
    wanted = advanced_filters(automations)
    if one["filter"]["advancedFilters"] == wanted:
        return text
    one["filter"]["advancedFilters"] = wanted
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def main(root: Path) -> int:
    """Write the file; give 1 where an automation is invalid, for its container would be missing."""
    catalogue = load(root / "automations", root)
    for problems in catalogue.invalid.values():
        for problem in problems:
            sys.stderr.write(f"{problem}\n")
    if catalogue.invalid:
        return 1
    path = root / "infra" / "subscriptions.json"
    before = path.read_text("utf-8")
    after = written(before, [loaded.automation for loaded in catalogue.automations.values()])
    if after != before:
        path.write_text(after, "utf-8")
    sys.stdout.write(f"{path.name}: {'written anew' if after != before else 'as it should be'}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path.cwd()))
